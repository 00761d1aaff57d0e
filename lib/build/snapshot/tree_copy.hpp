// Single files copied from tree to tree with all that they are (private).
#pragma once

#include "cooper/base/run.hpp"

#include "build/snapshot/disk_form.hpp"
#include "build/snapshot/tree_root.hpp"

#include <sys/stat.h>

#include <string>

namespace cooper::build {

/// Makes `path` of `from`, which has this status, in `to`, where nothing is: type, content, mode, owner, attributes,
/// time. A directory is made empty and open to us; describe_directory() gives it the rest when it is filled.
void copy_file(TreeRoot& from, TreeRoot& to, const std::string& path, const struct stat& status, const DiskForm& form,
               const Run& run);

/// Gives a directory the owner, mode, attributes and time of another.
void describe_directory(TreeRoot& from, const std::string& from_path, TreeRoot& to, const std::string& path,
                        const DiskForm& form);

/// Parts a file from its other names. The directory keeps its time.
void part_from_links(TreeRoot& tree, const std::string& path, const DiskForm& form, const Run& run);

}  // namespace cooper::build
