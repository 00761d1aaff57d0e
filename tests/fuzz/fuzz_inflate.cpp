// gzip and zstd from outside, pulled and pushed: both ways agree, and neither makes more than the limit.
#include "cooper/base/compression.hpp"
#include "cooper/base/stream.hpp"

#include "fuzz/fuzz.hpp"

#include <optional>

namespace {

constexpr cooper::DecompressionLimits kLimits{.max_output = 8U << 20, .max_ratio = 1000, .ratio_from = 1U << 20};
constexpr std::size_t kEnough = 9U << 20;

std::optional<std::string> pulled(cooper::Bytes bytes, cooper::Compression compression) {
    try {
        const auto source = cooper::decompressed(std::make_unique<cooper::MemorySource>(bytes), compression, kLimits);
        return cooper::read_all(*source, kEnough, "output");
    } catch (const cooper::Error&) {
        return std::nullopt;
    }
}

std::optional<std::string> pushed(cooper::Bytes bytes, cooper::Compression compression) {
    cooper::StringSink out(kEnough);
    try {
        const auto sink = cooper::decompressing(out, compression, kLimits);
        const std::size_t half = bytes.size() / 2;
        sink->write(bytes.first(half));
        sink->write(bytes.subspan(half));
        sink->finish();
        return out.take();
    } catch (const cooper::Error&) {
        return std::nullopt;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = cooper::as_bytes(cooper::fuzz::text_of(data, size));
    const auto compression = cooper::detect_compression(bytes);
    cooper::fuzz::check(pulled(bytes, compression) == pushed(bytes, compression), "pull and push agree");
    return 0;
}
