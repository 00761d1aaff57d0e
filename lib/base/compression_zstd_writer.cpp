// Our zstd: pieces of 4 MiB, each a frame of its own with its content size (RFC 8878), compressed by any number of
// threads. Every reader of zstd takes several frames.
#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"

#include "base/compression_pieces.hpp"

#include <zstd.h>

#include <array>
#include <string>

namespace cooper {

namespace {

// One frame of a 250 MB source tree: 38.3 MB at level 3. In pieces of 8, 4, 2 and 1 MiB: 0.3, 0.9, 2.4 and 4.8 % more.
constexpr std::size_t kPieceSize = 4 << 20;
constexpr int kMinLevel = 1;
constexpr int kMaxLevel = 19;

class ZstdCompressor final : public PieceCompressor {
public:
    explicit ZstdCompressor(int level) : context_(ZSTD_createCCtx()) {
        if (context_ == nullptr) {
            throw Error(ErrorCode::System, "cannot set up the zstd compressor: out of memory");
        }
        set(ZSTD_c_compressionLevel, level);
        set(ZSTD_c_contentSizeFlag, 1);
        set(ZSTD_c_checksumFlag, 0);  // the layer has its digest
    }

    CompressedPiece compress(Bytes input, MutableBytes room) override {
        const auto size = check(ZSTD_compress2(context_.get(), room.data(), room.size(), input.data(), input.size()));
        return {room.first(size), 0};
    }

private:
    void set(ZSTD_cParameter parameter, int value) { check(ZSTD_CCtx_setParameter(context_.get(), parameter, value)); }
    static std::size_t check(std::size_t result) {
        if (ZSTD_isError(result) != 0) {
            throw Error(ErrorCode::System, std::string("zstd compression failed: ") + ZSTD_getErrorName(result));
        }
        return result;
    }

    struct Free {
        void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
    };
    std::unique_ptr<ZSTD_CCtx, Free> context_;
};

std::unique_ptr<PieceCompressor> make_compressor(int level) {
    return std::make_unique<ZstdCompressor>(level);
}

class ZstdSink final : public Sink {
public:
    ZstdSink(Sink& to, const ZstdOptions& options)
        : to_(to),
          level_(options.level),
          pipeline_({kPieceSize, ZSTD_compressBound, [level = options.level] { return make_compressor(level); }},
                    options.threads, [this](const CompressedPiece& piece, std::size_t) { add(piece); }) {}

    void write(Bytes chunk) override { pipeline_.write(chunk); }

    void finish() override {
        pipeline_.flush();
        if (!any_frame_) {  // no bytes at all are no zstd stream
            std::array<std::byte, 64> room{};
            add(make_compressor(level_)->compress({}, room));
        }
        to_.finish();
    }

private:
    void add(const CompressedPiece& piece) {
        any_frame_ = true;
        to_.write(piece.bytes);
    }

    Sink& to_;
    int level_;
    bool any_frame_ = false;
    PiecePipeline pipeline_;
};

}  // namespace

std::unique_ptr<Sink> zstd_compressing(Sink& to, const ZstdOptions& options) {
    if (options.level < kMinLevel || options.level > kMaxLevel) {
        throw Error(ErrorCode::InvalidInput, "zstd has no level " + std::to_string(options.level) + " here")
            .advise("levels go from " + std::to_string(kMinLevel) + " to " + std::to_string(kMaxLevel));
    }
    return std::make_unique<ZstdSink>(to, options);
}

std::string zstd_fingerprint(const ZstdOptions& options) {
    return std::string("zstd-") + ZSTD_versionString() + "/level" + std::to_string(options.level) + "/4MiB/" +
           compressed_corpus_digest([&](Sink& to) {
               return zstd_compressing(to, {options.level, 1});
           });
}

}  // namespace cooper
