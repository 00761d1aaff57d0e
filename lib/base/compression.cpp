#include "cooper/base/compression.hpp"

#include "cooper/base/error.hpp"

#include "base/compression_codec.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace cooper {

std::string_view to_string(Compression compression) noexcept {
    switch (compression) {
        case Compression::None:
            return "none";
        case Compression::Gzip:
            return "gzip";
        case Compression::Zstd:
            return "zstd";
        case Compression::Xz:
            return "xz";
        case Compression::Bzip2:
            return "bzip2";
    }
    return "unknown";
}

Compression detect_compression(Bytes beginning) noexcept {
    using namespace std::string_view_literals;
    const auto text = as_text(beginning);
    if (text.starts_with("\x1f\x8b"sv)) {
        return Compression::Gzip;
    }
    if (text.starts_with("\x28\xb5\x2f\xfd"sv)) {
        return Compression::Zstd;
    }
    // A skippable frame (RFC 8878 section 3.1.2): 0x184D2A50 to 0x184D2A5F, little-endian. zstd:chunked starts with
    // one.
    if (text.size() >= 4 && (static_cast<unsigned char>(text[0]) & 0xf0U) == 0x50U &&
        text.substr(1, 3) == "\x2a\x4d\x18"sv) {
        return Compression::Zstd;
    }
    if (text.starts_with("\xfd\x37\x7a\x58\x5a\x00"sv)) {
        return Compression::Xz;
    }
    if (text.starts_with("BZh"sv)) {
        return Compression::Bzip2;
    }
    return Compression::None;
}

namespace {

/// Passes through, so that the limits hold for plain streams as well.
class PlainDecoder final : public Decoder {
public:
    std::size_t decode(Bytes& in, MutableBytes out) override {
        const auto count = std::min(in.size(), out.size());
        std::copy_n(in.begin(), count, out.begin());  // not memcpy, which must not see the null of an empty span
        in = in.subspan(count);
        return count;
    }
    void end() override {}
};

std::unique_ptr<Decoder> make_decoder(Compression compression) {
    switch (compression) {
        case Compression::None:
            return std::make_unique<PlainDecoder>();
        case Compression::Gzip:
            return make_gzip_decoder();
        case Compression::Zstd:
            return make_zstd_decoder();
        case Compression::Xz:
        case Compression::Bzip2:
            break;
    }
    throw Error(ErrorCode::Unsupported, std::string(to_string(compression)) + " compression is not supported")
        .advise("recompress the layer with gzip or zstd");
}

/// A decoder that keeps to the limits.
class MeteredDecoder {
public:
    MeteredDecoder(Compression compression, const DecompressionLimits& limits)
        : decoder_(make_decoder(compression)), limits_(limits) {}

    std::size_t decode(Bytes& in, MutableBytes out) {
        const auto before = in.size();
        const auto made = decoder_->decode(in, out);
        input_ += before - in.size();
        output_ += made;
        check();
        return made;
    }
    void end() { decoder_->end(); }

private:
    void check() const {
        if (output_ > limits_.max_output) {
            throw Error(ErrorCode::InvalidInput, "decompressed data exceeds the limit max_output of " +
                                                     std::to_string(limits_.max_output) + " bytes");
        }
        if (output_ > limits_.ratio_from && output_ / limits_.max_ratio > input_) {
            throw Error(ErrorCode::InvalidInput, std::to_string(input_) + " compressed bytes became " +
                                                     std::to_string(output_) + ": more than the limit max_ratio of " +
                                                     std::to_string(limits_.max_ratio) + ":1");
        }
    }

    std::unique_ptr<Decoder> decoder_;
    DecompressionLimits limits_;
    std::uint64_t input_ = 0;
    std::uint64_t output_ = 0;
};

class DecompressedSource final : public Source {
public:
    DecompressedSource(std::unique_ptr<Source> inner, Compression compression, const DecompressionLimits& limits)
        : inner_(std::move(inner)), decoder_(compression, limits), buffer_(kStreamStep) {}

    std::size_t read(MutableBytes into) override {
        if (into.empty() || ended_) {
            return 0;
        }
        for (;;) {
            // First what the decoder still holds: its input may be used up while output waits.
            if (const auto made = decoder_.decode(input_, into); made > 0) {
                return made;
            }
            const auto count = inner_->read(buffer_);
            if (count == 0) {
                ended_ = true;
                decoder_.end();
                return 0;
            }
            input_ = Bytes(buffer_).first(count);
        }
    }

private:
    std::unique_ptr<Source> inner_;
    MeteredDecoder decoder_;
    std::vector<std::byte> buffer_;
    Bytes input_;
    bool ended_ = false;
};

class DecompressingSink final : public Sink {
public:
    DecompressingSink(Sink& to, Compression compression, const DecompressionLimits& limits)
        : to_(to), decoder_(compression, limits), buffer_(kStreamStep) {}

    void write(Bytes chunk) override {
        while (const auto made = decoder_.decode(chunk, buffer_)) {
            to_.write(Bytes(buffer_).first(made));
        }
    }
    void finish() override {
        write({});
        decoder_.end();
        to_.finish();
    }

private:
    Sink& to_;
    MeteredDecoder decoder_;
    std::vector<std::byte> buffer_;
};

/// Longest magic that detect_compression() looks at.
constexpr std::size_t kMagicSize = 6;

/// `inner` with bytes put back in front of it.
class PrefixedSource final : public Source {
public:
    PrefixedSource(std::array<std::byte, kMagicSize> prefix, std::size_t size, std::unique_ptr<Source> inner)
        : prefix_(prefix), rest_(Bytes(prefix_).first(size)), inner_(std::move(inner)) {}

    std::size_t read(MutableBytes into) override {
        if (rest_.empty()) {
            return inner_->read(into);
        }
        const auto count = std::min(rest_.size(), into.size());
        std::memcpy(into.data(), rest_.data(), count);
        rest_ = rest_.subspan(count);
        return count;
    }

private:
    std::array<std::byte, kMagicSize> prefix_;
    Bytes rest_;
    std::unique_ptr<Source> inner_;
};

}  // namespace

std::unique_ptr<Source> decompressed(std::unique_ptr<Source> inner, Compression compression,
                                     const DecompressionLimits& limits) {
    return std::make_unique<DecompressedSource>(std::move(inner), compression, limits);
}

std::unique_ptr<Source> decompressed_by_magic(std::unique_ptr<Source> inner, const DecompressionLimits& limits) {
    std::array<std::byte, kMagicSize> beginning{};
    const auto count = read_full(*inner, beginning);
    const auto compression = detect_compression(Bytes(beginning).first(count));
    return decompressed(std::make_unique<PrefixedSource>(beginning, count, std::move(inner)), compression, limits);
}

std::unique_ptr<Sink> decompressing(Sink& to, Compression compression, const DecompressionLimits& limits) {
    return std::make_unique<DecompressingSink>(to, compression, limits);
}

}  // namespace cooper
