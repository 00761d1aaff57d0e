// Removing trees by descriptors: no symlink is followed, two descriptors at any depth.
#pragma once

#include <functional>
#include <string>

namespace cooper::build {

struct RemovalOptions {
    /// Directories of ours that we may not enter or change are opened up first.
    bool open_up = true;
    /// What stays, with the directories above it; by path below the root. Empty: nothing.
    std::function<bool(const std::string& path)> keep;
    /// Told of each directory that stays only for what it holds.
    std::function<void(const std::string& path)> emptied;
};

/// Removes `name` in `parent` (a descriptor) and all below it; `path` is its path below the root. True when nothing of
/// it is left; nothing there is as good. Directories that stay keep their times. Throws SystemError.
bool remove_tree(int parent, const std::string& name, const std::string& path, const RemovalOptions& options = {});

/// The same for all that the directory `descriptor` holds. It stays, with another time.
void remove_contents(int descriptor, const std::string& path, const RemovalOptions& options = {});

}  // namespace cooper::build
