// The entries of two layers, compared (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/image.hpp"

#include "delivery/explain/findings.hpp"
#include "delivery/explain/raw_tar.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace cooper::delivery {

/// Of files larger than this every block's hash is kept, so that the first difference is known without a second look.
inline constexpr std::size_t kContentBlock = 64 * 1024;

struct ListedEntry {
    RawEntry header;
    std::string path;                    ///< cleaned; "": the root
    std::array<std::byte, 32> digest{};  ///< SHA-256 of the content as stored
    std::vector<std::uint64_t> blocks;   ///< of contents larger than one
    bool padded_with_zeros = true;
};

struct ListedLayer {
    std::vector<ListedEntry> entries;  ///< in the tar's order
    TarEnd end;
};

/// Reads layer `index`; its digest and diff ID are checked. `bytes` counts what all listings take together
/// (Error{InvalidInput} beyond a limit).
ListedLayer list_entries(const oci::Image& image, std::size_t index, std::atomic<std::size_t>& bytes, const Run& run);

/// A file with other content.
struct ChangedFile {
    std::string path;
    std::size_t a = 0;  ///< position of its entry
    std::size_t b = 0;
    std::size_t first_block = 0;  ///< the first that differs; 0 for small files
};

/// Tells `findings` what differs but the contents of files, and gives those that have another one.
std::vector<ChangedFile> compare_entries(const ListedLayer& a, const ListedLayer& b, const std::string& where,
                                         Findings& findings);

}  // namespace cooper::delivery
