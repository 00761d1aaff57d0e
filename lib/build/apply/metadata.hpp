// What an entry says of a file besides its content: owner, mode, extended attributes, time.
#pragma once

#include "cooper/base/tar.hpp"

#include <sys/stat.h>

#include <array>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>

namespace cooper::build {

/// Why an extended attribute is not set; empty: it is.
std::string_view reason_to_leave_out(std::string_view xattr, bool owners);

/// Called for what is left out: "PATH (what it is: why)".
using LeaveOut = std::function<void(std::string_view what, std::string_view why)>;

/// Sets the entry's attributes on an open file or directory. `replace`: those that were there go.
void set_xattrs(int descriptor, const TarEntry& entry, bool owners, bool replace, const LeaveOut& leave_out);

/// Throws Error{InvalidInput} for ids that no system call takes, Error{AccessDenied} when we may not. With
/// AT_EMPTY_PATH or AT_SYMLINK_NOFOLLOW in `flags`, as for fchownat(2).
void set_owner(int descriptor, const char* name, const TarEntry& entry, int flags);

/// For access and change, as utimensat(2) takes them. Before 1970 is 1970, as docker has it.
std::array<timespec, 2> times_of(const TarEntry& entry);

}  // namespace cooper::build
