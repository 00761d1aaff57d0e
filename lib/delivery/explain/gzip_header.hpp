// The headers of gzip and zstd streams (private). RFC 1952 section 2.3, RFC 8878 section 3.1.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

struct GzipHeader {
    std::uint32_t mtime = 0;
    std::uint8_t flags = 0;
    std::uint8_t extra_flags = 0;
    std::uint8_t system = 0;
    std::string extra;
    std::string name;
    std::string comment;
    std::size_t length = 0;  ///< of the header
};
/// nullopt: none, or longer than `head`.
std::optional<GzipHeader> read_gzip_header(std::string_view head);

/// A frame header's members as text, in order: "content size" "unknown", …; empty: none.
std::vector<std::pair<std::string, std::string>> read_zstd_header(std::string_view head);
/// The same of gzip: "mtime", "name", "OS", "XFL", …
std::vector<std::pair<std::string, std::string>> gzip_members(const GzipHeader& header);

/// Numbers of files: the first byte is the lowest.
std::uint64_t little_endian(std::string_view bytes) noexcept;

}  // namespace cooper::delivery
