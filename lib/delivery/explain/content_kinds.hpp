// What kind of content differs, and whether only in times (private).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cooper::delivery {

/// What was kept of a file that differs.
struct Captured {
    std::string head;  ///< its beginning; all of it when `whole`
    std::uint64_t size = 0;
    bool whole = false;
    std::string block;  ///< the block at `block_offset`, unless it is in the head
    std::uint64_t block_offset = 0;
};

/// What is known of two files beyond their beginnings.
struct ContentPair {
    std::string_view path;
    const Captured& a;
    const Captured& b;
    /// Every block but the first is equal on both sides.
    bool only_first_block = false;
};

struct ContentKind {
    std::string kind;    ///< "text", "ELF", "gzip, only its header", …
    std::string detail;  ///< a unified diff, or the first byte that differs
};
ContentKind describe_content(const ContentPair& pair, std::size_t max_diff_lines);

}  // namespace cooper::delivery
