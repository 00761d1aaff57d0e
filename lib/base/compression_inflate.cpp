// gzip decoding (RFC 1952) over ISA-L's stream inflate, about twice as fast as zlib's.
//
// The member header is read here, not by ISA-L 2.30: its isal_inflate() loses the header's flags when a header is cut
// between two calls, and never checks the header CRC unless asked through another interface.
#include "cooper/base/error.hpp"

#include "base/compression_codec.hpp"

#include <isa-l.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace cooper {

namespace {

/// Reads one member header, in whatever pieces it comes.
class GzipHeader {
public:
    void restart() { *this = GzipHeader(); }
    [[nodiscard]] bool begun() const { return position_ > 0 || stage_ != Stage::Fixed; }

    /// Takes bytes from `in`; true when the header is complete.
    bool take(Bytes& in) {
        while (stage_ != Stage::Done && !in.empty()) {
            const auto byte = std::to_integer<std::uint8_t>(in.front());
            in = in.subspan(1);
            if (stage_ != Stage::HeaderCrc) {
                crc_ = crc32_gzip_refl(crc_, &byte, 1);
            }
            step(byte);
        }
        return stage_ == Stage::Done;
    }

private:
    enum class Stage { Fixed, ExtraLength, Extra, Name, Comment, HeaderCrc, Done };
    static constexpr std::uint8_t kHasHeaderCrc = 2, kHasExtra = 4, kHasName = 8, kHasComment = 16, kReserved = 0xe0;
    static constexpr unsigned kFixedSize = 10;

    void step(std::uint8_t byte) {
        switch (stage_) {
            case Stage::Fixed:
                fixed(byte);
                break;
            case Stage::ExtraLength:
                number_ |= static_cast<std::uint32_t>(byte) << (8 * position_);
                if (++position_ == 2) {
                    position_ = 0;
                    number_ > 0 ? void(stage_ = Stage::Extra) : enter(Stage::Name);
                }
                break;
            case Stage::Extra:
                if (--number_ == 0) {
                    enter(Stage::Name);
                }
                break;
            case Stage::Name:
            case Stage::Comment:
                if (byte == 0) {
                    enter(stage_ == Stage::Name ? Stage::Comment : Stage::HeaderCrc);
                }
                break;
            case Stage::HeaderCrc:
                number_ |= static_cast<std::uint32_t>(byte) << (8 * position_);
                if (++position_ == 2) {
                    if (number_ != (crc_ & 0xffffU)) {
                        throw Error(ErrorCode::Integrity, "gzip header is damaged: its CRC does not agree");
                    }
                    stage_ = Stage::Done;
                }
                break;
            case Stage::Done:
                break;
        }
    }

    void fixed(std::uint8_t byte) {
        if ((position_ == 0 && byte != 0x1f) || (position_ == 1 && byte != 0x8b)) {
            throw Error(ErrorCode::Integrity, "not gzip data: the magic number is missing");
        }
        if (position_ == 2 && byte != 8) {
            throw Error(ErrorCode::Integrity, "gzip method " + std::to_string(byte) + " does not exist");
        }
        if (position_ == 3) {
            flags_ = byte;
            if ((flags_ & kReserved) != 0) {
                throw Error(ErrorCode::Integrity, "gzip header has reserved flags");
            }
        }
        if (++position_ == kFixedSize) {
            enter(Stage::ExtraLength);
        }
    }

    /// Goes to `stage`, or past it to the next that this header has.
    void enter(Stage stage) {
        position_ = 0;
        number_ = 0;
        const auto has = [&](std::uint8_t flag) { return (flags_ & flag) != 0; };
        if (stage == Stage::ExtraLength && !has(kHasExtra)) {
            stage = Stage::Name;
        }
        if (stage == Stage::Name && !has(kHasName)) {
            stage = Stage::Comment;
        }
        if (stage == Stage::Comment && !has(kHasComment)) {
            stage = Stage::HeaderCrc;
        }
        if (stage == Stage::HeaderCrc && !has(kHasHeaderCrc)) {
            stage = Stage::Done;
        }
        stage_ = stage;
    }

    Stage stage_ = Stage::Fixed;
    std::uint8_t flags_ = 0;
    unsigned position_ = 0;
    std::uint32_t number_ = 0;
    std::uint32_t crc_ = 0;
};

class GzipDecoder final : public Decoder {
public:
    GzipDecoder() { isal_inflate_init(&state_); }

    std::size_t decode(Bytes& in, MutableBytes out) override {
        for (;;) {
            switch (stage_) {
                case Stage::Header:
                    if (!header_.take(in)) {
                        return 0;
                    }
                    start_body();
                    break;
                case Stage::Body: {
                    const auto made = inflate(in, out);
                    if (made > 0 || stage_ == Stage::Body) {
                        return made;
                    }
                    break;
                }
                case Stage::Between:
                    if (in.empty()) {
                        return 0;
                    }
                    between(in);
                    break;
                case Stage::Zeros:
                    zeros(in);
                    return 0;
            }
        }
    }

    void end() override {
        if (stage_ == Stage::Header || stage_ == Stage::Body) {
            throw Error(ErrorCode::Integrity, "gzip data ends in the middle of a member: it was cut");
        }
    }

private:
    /// Header and Body: inside a member. Between: after one. Zeros: after the last one, padding.
    enum class Stage { Header, Body, Between, Zeros };

    void start_body() {
        isal_inflate_reset(&state_);
        state_.crc_flag = ISAL_GZIP_NO_HDR_VER;  // no header, but CRC-32 and size of the trailer are checked
        stage_ = Stage::Body;
    }

    /// One step; leaves the body at the end of the member. 0 while still in the body: more input is needed.
    std::size_t inflate(Bytes& in, MutableBytes out) {
        constexpr std::size_t kMost = 1U << 30;  // ISA-L counts in 32 bits
        for (;;) {
            const auto given = std::min(in.size(), kMost);
            const auto room = std::min(out.size(), kMost);
            // ISA-L reads the input only; its interface is older than const.
            state_.next_in = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(in.data()));
            state_.avail_in = static_cast<std::uint32_t>(given);
            state_.next_out = reinterpret_cast<std::uint8_t*>(out.data());
            state_.avail_out = static_cast<std::uint32_t>(room);
            check(isal_inflate(&state_));
            in = in.subspan(given - state_.avail_in);
            const auto made = room - state_.avail_out;
            if (state_.block_state == ISAL_BLOCK_FINISH) {
                stage_ = Stage::Between;
                return made;
            }
            if (made > 0 || in.empty()) {
                return made;
            }
            if (state_.avail_in == given) {
                throw Error(ErrorCode::Integrity, "gzip data is damaged: it leads nowhere");
            }
        }
    }

    static void check(int result) {
        switch (result) {
            case ISAL_DECOMP_OK:
            case ISAL_END_INPUT:
            case ISAL_OUT_OVERFLOW:
                return;
            case ISAL_INCORRECT_CHECKSUM:
                throw Error(ErrorCode::Integrity, "gzip data is damaged: CRC-32 or length at its end does not agree");
            case ISAL_INVALID_BLOCK:
                throw Error(ErrorCode::Integrity, "gzip data is damaged: invalid deflate block");
            case ISAL_INVALID_SYMBOL:
                throw Error(ErrorCode::Integrity, "gzip data is damaged: invalid deflate code");
            case ISAL_INVALID_LOOKBACK:
                throw Error(ErrorCode::Integrity, "gzip data is damaged: a match begins before the data");
            default:
                throw Error(ErrorCode::Integrity, "gzip data is damaged (ISA-L result " + std::to_string(result) + ")");
        }
    }

    void between(Bytes& in) {
        if (in.front() == std::byte{0}) {
            stage_ = Stage::Zeros;  // tape-style padding, as gzip(1) accepts it
            return;
        }
        if (in.front() != std::byte{0x1f}) {
            refuse_rest();
        }
        header_.restart();
        stage_ = Stage::Header;
    }

    static void zeros(Bytes& in) {
        if (std::any_of(in.begin(), in.end(), [](std::byte byte) { return byte != std::byte{0}; })) {
            refuse_rest();
        }
        in = {};
    }

    [[noreturn]] static void refuse_rest() {
        throw Error(ErrorCode::Integrity, "gzip data is followed by bytes that are neither another member nor padding");
    }

    inflate_state state_;
    GzipHeader header_;
    Stage stage_ = Stage::Header;
};

}  // namespace

std::unique_ptr<Decoder> make_gzip_decoder() {
    return std::make_unique<GzipDecoder>();
}

}  // namespace cooper
