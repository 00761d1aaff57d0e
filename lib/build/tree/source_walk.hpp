// The walk of a source hash (tags.md 4.1 and 4.5): which files and directories go into it, by the names met on the way.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/ignore.hpp"
#include "cooper/build/source_hash.hpp"

#include "build/tree/file_hashes.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

/// Two directories are one when they have one real path, which is: one place in one mount (a bind mount is another).
struct DirectoryIdentity {
    std::uint64_t mount = 0;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    friend bool operator==(const DirectoryIdentity&, const DirectoryIdentity&) = default;
};

struct SourceDirectory {
    std::string path;        ///< below the root, "" for the root
    std::size_t parent = 0;  ///< its index; the root's is its own
    std::size_t depth = 0;   ///< components of path
    bool is_link = false;
    bool through_link = false;  ///< it or a directory above it is a link
    DirectoryIdentity identity;
    /// A link to a directory above it, which is not entered: how many levels above.
    std::optional<std::size_t> levels_up;
    std::size_t first_file = 0;  ///< in SourceWalk::files
    std::size_t files = 0;
};

struct SourceWalk {
    FileDescriptor root;
    std::vector<SourceDirectory> directories;  ///< each before those below it, neighbours by name
    std::vector<FileToHash> files;             ///< kept ones, directory by directory
    std::vector<bool> is_link;                 ///< of each file
};

/// What is wanted of a file: its name alone, or what hash_files() needs.
enum class WalkFor : std::uint8_t { Listing, Hashing };

/// Checks the root and walks. Nothing is left open but the root. Throws as hash_source() does.
SourceWalk walk_source(const std::filesystem::path& root, const WildmatchList& patterns,
                       const SourceHashOptions& options, WalkFor purpose, const Run& run);

}  // namespace cooper::build
