// Our gzip: independent pieces of 1 MiB compressed by any number of threads into one member (RFC 1952).
//
// Every piece begins with an empty window and ends on a byte boundary (a full flush, or stored blocks), so pieces are
// compressed apart and put together in order; the member ends with an empty final block. So its bytes depend on the
// input, the library and the level alone.
#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"

#include "base/compression_pieces.hpp"

#include <isa-l.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace cooper {

namespace {

using Level = GzipOptions::Level;

constexpr std::size_t kPieceSize = 1 << 20;
constexpr std::size_t kMaxStoredBlock = 65535;  // RFC 1951 section 3.2.4: a 16-bit length
constexpr std::size_t kStoredBlockHeader = 5;

/// What a piece takes as stored blocks, without compression.
constexpr std::size_t stored_size(std::size_t size) {
    return size + kStoredBlockHeader * ((size + kMaxStoredBlock - 1) / kMaxStoredBlock);
}

/// The room that a piece is compressed into: its stored form, and slack for the compressors' last bytes.
constexpr std::size_t room_for(std::size_t size) {
    return stored_size(size) + 4096;
}

class DeflateCompressor : public PieceCompressor {
public:
    CompressedPiece compress(Bytes input, MutableBytes room) final {
        const auto size = deflate_piece(input, room);
        const bool shrank = size > 0 && size < stored_size(input.size());
        return {room.first(shrank ? size : store(input, room)),
                crc32_gzip_refl(0, reinterpret_cast<const unsigned char*>(input.data()), input.size())};
    }

protected:
    /// Raw deflate ended by a full flush; 0 when it does not fit.
    virtual std::size_t deflate_piece(Bytes input, MutableBytes output) = 0;

private:
    static std::size_t store(Bytes input, MutableBytes output) {
        std::size_t position = 0;
        while (!input.empty()) {
            const auto block = input.first(std::min(input.size(), kMaxStoredBlock));
            const unsigned length = static_cast<unsigned>(block.size());
            for (const unsigned value : {0U, length & 0xffU, length >> 8U, ~length & 0xffU, (~length >> 8U) & 0xffU}) {
                output[position++] = static_cast<std::byte>(value);
            }
            std::memcpy(&output[position], block.data(), block.size());
            position += block.size();
            input = input.subspan(block.size());
        }
        return position;
    }
};

/// ISA-L level 1. Levels 0 to 2 give the same bytes on every CPU; level 3 does not (other bytes without AVX-512).
class FastCompressor final : public DeflateCompressor {
public:
    FastCompressor() : level_buffer_(ISAL_DEF_LVL1_DEFAULT) {}

protected:
    std::size_t deflate_piece(Bytes input, MutableBytes output) override {
        isal_deflate_init(&stream_);
        stream_.level = 1;
        stream_.level_buf = level_buffer_.data();
        stream_.level_buf_size = static_cast<std::uint32_t>(level_buffer_.size());  // the size decides bytes as well
        stream_.flush = FULL_FLUSH;
        // ISA-L reads the input only; its interface is older than const.
        stream_.next_in = const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(input.data()));
        stream_.avail_in = static_cast<std::uint32_t>(input.size());
        stream_.next_out = reinterpret_cast<std::uint8_t*>(output.data());
        stream_.avail_out = static_cast<std::uint32_t>(output.size());
        if (const int result = isal_deflate(&stream_); result != COMP_OK) {
            throw Error(ErrorCode::System, "gzip compression failed (ISA-L result " + std::to_string(result) + ")");
        }
        return stream_.avail_in == 0 && stream_.avail_out > 0 ? stream_.total_out : 0;
    }

private:
    std::vector<std::uint8_t> level_buffer_;
    isal_zstream stream_{};
};

/// zlib level 6.
class SmallCompressor final : public DeflateCompressor {
public:
    SmallCompressor() {
        constexpr int kRawDeflate = -15, kDefaultMemory = 8;
        if (deflateInit2(&stream_, 6, Z_DEFLATED, kRawDeflate, kDefaultMemory, Z_DEFAULT_STRATEGY) != Z_OK) {
            throw Error(ErrorCode::System, "cannot set up zlib: out of memory");
        }
    }
    SmallCompressor(const SmallCompressor&) = delete;
    SmallCompressor& operator=(const SmallCompressor&) = delete;
    ~SmallCompressor() override { deflateEnd(&stream_); }

protected:
    std::size_t deflate_piece(Bytes input, MutableBytes output) override {
        deflateReset(&stream_);
        stream_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(input.data()));
        stream_.avail_in = static_cast<uInt>(input.size());
        stream_.next_out = reinterpret_cast<Bytef*>(output.data());
        stream_.avail_out = static_cast<uInt>(output.size());
        if (deflate(&stream_, Z_FULL_FLUSH) == Z_STREAM_ERROR) {
            throw Error(ErrorCode::System, "gzip compression failed in zlib");
        }
        return stream_.avail_in == 0 && stream_.avail_out > 0 ? stream_.total_out : 0;
    }

private:
    z_stream stream_{};
};

std::unique_ptr<PieceCompressor> make_compressor(Level level) {
    if (level == Level::Fast) {
        return std::make_unique<FastCompressor>();
    }
    return std::make_unique<SmallCompressor>();
}

class GzipSink final : public Sink {
public:
    GzipSink(Sink& to, const GzipOptions& options)
        : to_(to),
          level_(options.level),
          pipeline_({kPieceSize, room_for, [level = options.level] { return make_compressor(level); }}, options.threads,
                    [this](const CompressedPiece& piece, std::size_t size) { add(piece, size); }) {}

    void write(Bytes chunk) override { pipeline_.write(chunk); }

    void finish() override {
        pipeline_.flush();
        write_head();
        write_end();
        to_.finish();
    }

private:
    void add(const CompressedPiece& piece, std::size_t size) {
        write_head();
        to_.write(piece.bytes);
        crc_ = static_cast<std::uint32_t>(crc32_combine(crc_, piece.checksum, static_cast<z_off_t>(size)));
        size_ += size;
    }

    void write_head() {
        if (std::exchange(head_written_, true)) {
            return;
        }
        // RFC 1952 section 2.3.1: XFL 4 means the fastest algorithm; OS 255, unknown, is what Go writes as well.
        const unsigned char xfl = level_ == Level::Fast ? 4 : 0;
        const std::array<unsigned char, 10> head{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, xfl, 255};
        to_.write(std::as_bytes(std::span(head)));
    }

    void write_end() {
        std::array<unsigned char, 10> end{3, 0};  // an empty final block: BFINAL, fixed codes, end of block
        for (unsigned i = 0; i < 4; ++i) {
            end[2 + i] = static_cast<unsigned char>(crc_ >> (8 * i));
            end[6 + i] = static_cast<unsigned char>(size_ >> (8 * i));
        }
        to_.write(std::as_bytes(std::span(end)));
    }

    Sink& to_;
    Level level_;
    std::uint32_t crc_ = 0;
    std::uint64_t size_ = 0;
    bool head_written_ = false;
    PiecePipeline pipeline_;
};

}  // namespace

std::unique_ptr<Sink> gzip_compressing(Sink& to, const GzipOptions& options) {
    return std::make_unique<GzipSink>(to, options);
}

std::string gzip_fingerprint(const GzipOptions& options) {
    std::string name;
    if (options.level == Level::Fast) {
        name = "isal-" + std::to_string(ISAL_MAJOR_VERSION) + "." + std::to_string(ISAL_MINOR_VERSION) + "." +
               std::to_string(ISAL_PATCH_VERSION) + "/level1";
    } else {
        name = std::string("zlib-") + zlibVersion() + "/level6";
    }
    return name + "/1MiB/" + compressed_corpus_digest([&](Sink& to) {
               return gzip_compressing(to, {options.level, 1});
           });
}

}  // namespace cooper
