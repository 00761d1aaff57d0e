// Files in a root file system, found as a process in it would find them (private). By descriptor, component by
// component: what somebody moves or replaces meanwhile can not lead outside.
#pragma once

#include "cooper/base/files.hpp"

#include <sys/stat.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::build::sandbox {

struct Located {
    FileDescriptor parent;  ///< O_PATH; invalid when it is the root itself or when a directory on the way is missing
    std::string name;       ///< in `parent`
    FileDescriptor file;    ///< O_PATH, no symlink; invalid: there is none
    struct stat status {};
    std::string path;  ///< from the root, without links

    [[nodiscard]] bool is_directory() const noexcept { return S_ISDIR(status.st_mode); }
};

/// Makes directory `name` in `parent`; throws when it cannot.
using MakeDirectory = std::function<void(int parent, const std::string& name)>;

/// Where `path` leads in `root`. `make_missing` is called for missing directories on the way. Throws
/// Error{InvalidInput} where a file stands in the way, for loops of links and for links of a process file system.
Located locate(int root, std::string_view path, const MakeDirectory& make_missing = {});

/// The directory `path`, made by `make_missing` where it is missing. Throws Error{InvalidInput} when it is a file.
FileDescriptor locate_directory(int root, std::string_view path, const MakeDirectory& make_missing = {});

/// The text of a regular file; nullopt when there is none. Throws Error{InvalidInput} beyond `limit`.
std::optional<std::string> read_in_root(int root, std::string_view path, std::size_t limit);

/// A directory that is ours, opened with O_PATH. Throws SystemError.
FileDescriptor open_directory(const std::string& path);

/// A name for an open file that system calls take: "/proc/thread-self/fd/7".
std::string name_of_descriptor(int descriptor);

}  // namespace cooper::build::sandbox
