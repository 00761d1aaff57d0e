// The walk below a directory that read_tree() makes: several threads, no symlink followed, ignored directories unopened
// (private).
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/ignore.hpp"
#include "cooper/build/tree.hpp"

#include "build/tree/file_hashes.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace cooper::build {

struct WalkedDirectory;

/// One name in a directory.
struct WalkedItem {
    std::string path;
    EntryKind kind = EntryKind::File;
    bool excluded = false;  ///< a directory that counts only when something below it does
    bool unfit = false;     ///< a fifo or socket
    std::string link;
    FileStatus status;                           ///< of files
    std::unique_ptr<WalkedDirectory> directory;  ///< of directories
};

struct WalkedDirectory {
    std::string path;
    Dockerignore::Answer of_file;     ///< what ROOT/.dockerignore says about it
    Dockerignore::Answer of_options;  ///< what the caller's patterns say
    std::vector<WalkedItem> items;    ///< in no order
};

struct WalkRules {
    const Dockerignore& of_file;
    const Dockerignore& of_options;
    std::vector<std::string> sources;  ///< cleaned paths, none of them below another; "" is all
    unsigned threads = 1;
};

struct WalkedTree {
    std::unique_ptr<WalkedDirectory> top;
    std::uint64_t items = 0;
};

/// What the rules let through below the open directory `root`, which errors call `name`. Throws what read_tree() says.
WalkedTree walk_tree(const FileDescriptor& root, const std::filesystem::path& name, const WalkRules& rules,
                     const Run& run);

}  // namespace cooper::build
