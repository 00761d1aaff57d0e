// gzip from outside, with zlib as the second opinion: both take it and make the same of it, or both refuse.
#include "cooper/base/compression.hpp"

#include "fuzz/fuzz.hpp"

#include <zlib.h>

#include <optional>

namespace {

constexpr std::size_t kEnough = 4U << 20;

/// Our rules over zlib: members one after another, then zeros at most. nullopt: refused; throws when it is too much.
std::optional<std::string> by_zlib(std::string_view rest) {
    std::string out;
    for (bool first = true; first || (!rest.empty() && rest.front() == '\x1f'); first = false) {
        z_stream stream{};
        inflateInit2(&stream, 15 + 16);
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
        stream.avail_in = static_cast<uInt>(rest.size());
        int result = Z_OK;
        while (result == Z_OK) {
            char buffer[4096];
            stream.next_out = reinterpret_cast<Bytef*>(buffer);
            stream.avail_out = sizeof buffer;
            result = inflate(&stream, Z_NO_FLUSH);
            out.append(buffer, sizeof buffer - stream.avail_out);
            if (out.size() > kEnough) {
                inflateEnd(&stream);
                throw cooper::Error(cooper::ErrorCode::InvalidInput, "too much");
            }
        }
        rest.remove_prefix(rest.size() - stream.avail_in);
        inflateEnd(&stream);
        if (result != Z_STREAM_END) {
            return std::nullopt;
        }
    }
    return rest.find_first_not_of('\0') == std::string_view::npos ? std::optional(std::move(out)) : std::nullopt;
}

std::optional<std::string> by_us(std::string_view text) {
    try {
        const auto source = cooper::decompressed(std::make_unique<cooper::MemorySource>(text),
                                                 cooper::Compression::Gzip, {.max_output = 2 * kEnough});
        return cooper::read_all(*source, 2 * kEnough, "output");
    } catch (const cooper::Error&) {
        return std::nullopt;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = cooper::fuzz::text_of(data, size);
    cooper::fuzz::expect_only_errors([&] {
        const auto expected = by_zlib(text);
        cooper::fuzz::check(by_us(text) == expected, "zlib and we read the same");
    });
    return 0;
}
