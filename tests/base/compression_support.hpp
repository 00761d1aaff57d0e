// What the compression tests share: reference encoders (zlib, libzstd) and ways to feed streams in odd pieces.
#pragma once

#include "cooper/base/compression.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace cooper::testing {

/// Gives at most `step` bytes a read.
class SlowSource final : public Source {
public:
    SlowSource(std::string text, std::size_t step) : text_(std::move(text)), step_(step) {}
    std::size_t read(MutableBytes into) override {
        const auto count = std::min({into.size(), step_, text_.size() - position_});
        std::copy_n(as_bytes(text_).begin() + static_cast<std::ptrdiff_t>(position_), count, into.begin());
        position_ += count;
        return count;
    }

private:
    std::string text_;
    std::size_t step_;
    std::size_t position_ = 0;
};

/// gzip by zlib, with whatever header.
inline std::string zlib_gzip(std::string_view text, int level = 6, gz_header* header = nullptr) {
    z_stream stream{};
    deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    if (header != nullptr) {
        deflateSetHeader(&stream, header);
    }
    std::string out(deflateBound(&stream, text.size()) + 70'000, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

inline std::string zstd_frame(std::string_view text, int level = 3, int window_log = 0) {
    const std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
    if (window_log > 0) {
        ZSTD_CCtx_setParameter(context.get(), ZSTD_c_windowLog, window_log);
        ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, 0);
    }
    std::string out(ZSTD_compressBound(text.size()), '\0');
    ZSTD_inBuffer input{text.data(), text.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    // Two calls, so that the encoder cannot know the size and keeps the window that was asked for.
    ZSTD_compressStream2(context.get(), &output, &input, ZSTD_e_continue);
    ZSTD_compressStream2(context.get(), &output, &input, ZSTD_e_end);
    out.resize(output.pos);
    return out;
}

inline std::string random_text(std::size_t size, unsigned seed = 1) {
    std::minstd_rand random(seed);
    std::string text(size, '\0');
    std::generate(text.begin(), text.end(), [&] { return static_cast<char>(random() >> 8U); });
    return text;
}

/// Compressible: words over and over, with some noise.
inline std::string wordy_text(std::size_t size, unsigned seed = 1) {
    static constexpr std::string_view kWords[] = {"layer", "digest", "manifest",  "/usr/lib/",
                                                  "blob",  "\n",     "0123456789"};
    std::minstd_rand random(seed);
    std::string text;
    while (text.size() < size) {
        text += kWords[random() % std::size(kWords)];
        text += static_cast<char>(random() % 256);
    }
    text.resize(size);
    return text;
}

/// Pulls everything through decompressed(), `out_step` bytes at a time.
inline std::string pull(std::string text, Compression compression, std::size_t in_step = kStreamStep,
                        std::size_t out_step = kStreamStep, const DecompressionLimits& limits = {}) {
    const auto source = decompressed(std::make_unique<SlowSource>(std::move(text), in_step), compression, limits);
    std::vector<std::byte> buffer(out_step);
    std::string out;
    while (const auto count = source->read(buffer)) {
        out += as_text(Bytes(buffer).first(count));
    }
    return out;
}

/// Pushes `text` through `sink`, which ends at `out`, `step` bytes at a time.
inline std::string push_all(std::string_view text, Sink& sink, StringSink& out, std::size_t step) {
    for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) {
        sink.write(as_bytes(text.substr(0, step)));
    }
    sink.finish();
    return out.take();
}

/// Pushes everything through decompressing(), `step` bytes at a time.
inline std::string push(std::string_view text, Compression compression, std::size_t step = kStreamStep,
                        const DecompressionLimits& limits = {}) {
    StringSink out(1ULL << 31);
    return push_all(text, *decompressing(out, compression, limits), out, step);
}

/// `text` through our gzip writer.
inline std::string gzip(std::string_view text, const GzipOptions& options = {}, std::size_t step = kStreamStep) {
    StringSink out(1ULL << 31);
    return push_all(text, *gzip_compressing(out, options), out, step);
}

/// `text` through our zstd writer.
inline std::string zstd(std::string_view text, const ZstdOptions& options = {}, std::size_t step = kStreamStep) {
    StringSink out(1ULL << 31);
    return push_all(text, *zstd_compressing(out, options), out, step);
}

}  // namespace cooper::testing
