// Everything that there is to know of a tree, as text: two trees are equal when their listings are.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace cooper::testing {

/// Path below `root` ("" is the root itself) -> type, mode, owner, size, times of files, links, target, attributes and
/// content. With `changes` also the inode, the time of its last change and the times of directories.
std::map<std::string, std::string> tree_listing(const std::filesystem::path& root, bool changes = false);

/// The listing as lines, for comparisons that a test prints.
std::string tree_text(const std::filesystem::path& root, bool changes = false);

}  // namespace cooper::testing
