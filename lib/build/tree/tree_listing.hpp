// What read_tree() finds before it reads a file's content (private).
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/tree.hpp"

#include "build/tree/file_hashes.hpp"

#include <vector>

namespace cooper::build {

struct TreeListing {
    FileDescriptor root;            ///< the directory itself: what its path names later does not matter
    Tree tree;                      ///< without digests
    std::vector<FileToHash> files;  ///< its files, in its order
};

/// Throws what read_tree() throws for anything but a file's content.
TreeListing list_tree(const TreeOptions& options, const Run& run);

}  // namespace cooper::build
