// Where a path leads when a directory is taken for the root, as after chroot(2): symlinks are followed, absolute ones
// and ".." end inside. Two ways that must agree (private; tests use both).
#pragma once

#include "cooper/base/files.hpp"

#include <sys/stat.h>

#include <functional>
#include <string>
#include <string_view>

namespace cooper::detail {

/// As Linux has it (MAXSYMLINKS).
inline constexpr int kMaxSymlinks = 40;
/// Components of one walk, those of link targets included: 40 targets of a thousand ".." each cost seconds.
inline constexpr int kMaxWalkSteps = 8192;

/// One openat2(O_DIRECTORY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | `more`) call. Invalid with errno set when it
/// fails: ENOSYS or EPERM where the kernel (before 5.6) or a seccomp filter does not offer it.
FileDescriptor open_in_root_by_kernel(int root, const std::string& path, int flags, std::uint64_t more);

/// What a walk tells about the directories that it meets. `parent` is a descriptor (O_PATH) of the directory above,
/// `path` is from the root and without symlinks.
struct WalkHooks {
    /// `name` is not there. True: it is now, made as a directory.
    std::function<bool(int parent, const std::string& name, const std::string& path)> missing;
    /// `name` is entered.
    std::function<void(int parent, const std::string& name, const std::string& path, const struct stat& status)>
        entered;
};

struct Walked {
    enum class End { Directory, Missing, NotDirectory };
    End end = End::Directory;
    FileDescriptor directory;  ///< O_PATH; valid for Directory only
    std::string path;          ///< where it ended: from the root, without symlinks, "." and ".."
};

/// Component by component with O_NOFOLLOW; link targets are read and walked in turn. Throws Error{InvalidInput} for
/// more than kMaxSymlinks or kMaxWalkSteps and for links of a process file system, Error{Conflict} when directories are
/// moved meanwhile.
Walked walk_in_root(int root, std::string_view path, const WalkHooks& hooks = {});

}  // namespace cooper::detail
