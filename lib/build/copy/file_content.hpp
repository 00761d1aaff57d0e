// The content of a chosen file, once more (private).
#pragma once

#include "cooper/base/run.hpp"

#include "build/copy/source_root.hpp"
#include "build/tree/file_hashes.hpp"

#include <string>

namespace cooper::build {

/// Copies the file `path` of `from`, which must be what `status` says before and after, to the empty file `to`
/// (messages call it `shown`): shared blocks where the file system has them, else inside the kernel, else by hand.
/// Throws Error{Integrity} for a file that changed.
void copy_content(const SourceRoot& from, const std::string& path, const FileStatus& status, int to,
                  const std::string& shown, const Run& run);

}  // namespace cooper::build
