// Trees copied with all that belongs to files (private): for mounts where nothing can be mounted.
#pragma once

#include "cooper/base/run.hpp"

#include <string>

namespace cooper::build::sandbox {

/// Copies the open file or directory `from` (O_PATH) to the new `name` in `to`: contents, modes, times, owners where
/// they may be given, links as they are, hard links as files of their own. Sockets and devices are left out.
void copy_entry(int from, int to, const std::string& name, const Run& run);

/// Makes directory `to` hold what `from` holds: only what differs is copied, what is no longer there is removed. Files
/// are replaced whole.
void synchronize(int from, int to, const Run& run);

}  // namespace cooper::build::sandbox
