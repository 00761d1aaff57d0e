// What a directory holds, as content: every path with its kind, mode, link target and digest, in one order for all
// machines.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/environment.hpp"
#include "cooper/base/run.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

enum class EntryKind : std::uint8_t { Directory, File, Symlink };

struct TreeEntry {
    std::string path;  ///< below the root, '/' between components, bytes as the file system has them
    EntryKind kind = EntryKind::File;
    /// What of the mode is content: files 0755 when their owner may execute them, else 0644, plus setuid and setgid;
    /// directories 0755, symlinks 0777. The rest comes from umask and checkout.
    std::uint32_t mode = 0644;
    std::uint64_t size = 0;        ///< files
    std::string link;              ///< symlinks: the target's text, never followed
    std::optional<Digest> digest;  ///< files: SHA-256 of the content
};

struct TreeOptions {
    std::filesystem::path root;        ///< a symlink to a directory is followed once
    std::vector<std::string> sources;  ///< files and directories below root; empty: all of it
    /// Patterns in .dockerignore's language that leave paths below root out, whatever the .dockerignore says.
    std::vector<std::string> ignore;
    bool dockerignore = true;  ///< honour ROOT/.dockerignore
    /// Where digests of unchanged files are remembered (`build/tree/file_hashes.hpp` says when they are believed);
    /// empty: every file is read.
    std::filesystem::path cache_directory;
    unsigned threads = 0;  ///< 0: as many as the machine has cores, 8 at most
};

struct Tree {
    std::vector<TreeEntry> entries;  ///< sorted by the bytes of their paths
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;       ///< in those files
    std::uint64_t files_read = 0;  ///< of which these had to be read
};

/// Reads a tree. Parents of a source are entries too. Empty directories are content. A fifo or socket is left out with
/// a notice. Throws Error{InvalidInput}: a source outside the root or reached through a symlink, a device, a pattern;
/// Error{NotFound}: a source or directory that is not (or no longer) there; Error{Integrity}: a file that changes while
/// it is read; SystemError with the path for what cannot be read. Bounded by TarLimits().max_entries.
Tree read_tree(const TreeOptions& options, const Run& run);

/// The user's own cache: $XDG_CACHE_HOME/cooper/trees, else ~/.cache/cooper/trees.
std::filesystem::path default_tree_cache(const Environment& environment);

}  // namespace cooper::build
