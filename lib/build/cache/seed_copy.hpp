// Copies of trees that keep what can be kept (private).
#pragma once

#include "cooper/base/run.hpp"

#include <filesystem>

namespace cooper::build {

/// Makes the directory `to` (which is not there) a copy of the directory `from`: owners where they can be given, modes,
/// times, extended attributes, symlinks as they are, hard links within it; sockets are left out, and so are devices
/// where they cannot be made. Nothing is read through a symlink. Blocks are shared where the file system does that.
/// Throws SystemError, Cancelled; what was copied by then stays.
void copy_seed(const std::filesystem::path& from, const std::filesystem::path& to, const Run& run);

}  // namespace cooper::build
