// Opening a file below a directory without following any symlink: two ways that must agree (private; tests use both).
#pragma once

#include "cooper/base/files.hpp"

#include <optional>
#include <string_view>

namespace cooper::detail {

/// One openat2() call. nullopt when the kernel (before 5.6) or a seccomp filter does not offer it.
/// The descriptor in it is invalid when there is no such file. Throws as find_file_beneath does.
std::optional<FileDescriptor> open_beneath_by_kernel(int root, std::string_view path);

/// Component by component with O_NOFOLLOW. The descriptor is invalid when there is no such file.
FileDescriptor open_beneath_by_walk(int root, std::string_view path);

}  // namespace cooper::detail
