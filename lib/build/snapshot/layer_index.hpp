// What the tree of an unpacked layer cannot say (private).
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/tar.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

/// What an entry of the layer says and the file on the disk does not.
struct Unset {
    TarType type = TarType::File;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t mode = 0;
};

/// Paths are clean: no slashes at their ends.
struct LayerIndex {
    bool captured = false;  ///< made here; its tar can be written again
    std::uint64_t tar_size = 0;
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;             ///< contents of files
    std::optional<Digest> made_on;       ///< the stack (stack_name) on which directories without entries are right
    std::vector<std::string> implicit;   ///< directories on the disk that no entry describes, sorted
    std::vector<std::string> whiteouts;  ///< what is hidden of lower layers
    std::vector<std::string> opaque;     ///< directories that hide all that lower layers have in them
    std::map<std::string, Unset> unset;  ///< files whose owner, mode or device node could not be made

    void write(const std::filesystem::path& file) const;
    /// Throws Error: NotFound, Integrity (damaged, or of another version).
    static LayerIndex read(const std::filesystem::path& file);
};

}  // namespace cooper::build
