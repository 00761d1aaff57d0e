// Copies of trees that keep what can be kept (private).
#pragma once

#include "cooper/base/run.hpp"

#include "build/snapshot/disk_form.hpp"

#include <filesystem>

namespace cooper::build {

/// Makes the directory `to`, which is not there, a copy of the directory `from` as far as `form` goes: owners, modes,
/// times, extended attributes, hard links within it, symlinks as they are. Sockets are left out, and so are device
/// nodes where there are none. No link in it is followed. Throws SystemError, Cancelled; what was copied by then stays.
void copy_seed(const std::filesystem::path& from, const std::filesystem::path& to, const DiskForm& form,
               const Run& run);

}  // namespace cooper::build
