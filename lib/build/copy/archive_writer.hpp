// ADD: archives unpacked into a directory of the image (private).
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"

#include "build/copy/tree_writer.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace cooper::build {

struct UnpackRules {
    std::optional<std::pair<std::uint32_t, std::uint32_t>> owner;  ///< of all members; else as the archive says
    bool devices = true;                                           ///< false: left out with a notice
    bool xattrs = true;
    std::uint64_t max_bytes = 32ULL << 30;  ///< of all contents
};

/// All members of the archive `file` into `top`, which is their root: ".." stops there. Directories
/// that are there are merged; what has another type is replaced. Throws Error{InvalidInput} for a member whose way
/// leads through a symlink to what is not there, Error{Integrity} for a damaged archive.
void unpack_archive(const Ranged& file, TreeWriter& writer, const OpenDirectory& top, const UnpackRules& rules,
                    const Run& run);

}  // namespace cooper::build
