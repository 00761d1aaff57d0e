#include "build/apply/metadata.hpp"

#include "cooper/base/error.hpp"

#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxXattrNames = 64 * 1024;  // XATTR_LIST_MAX

/// The file system or our rights are too small for the value; ext4 says "no space" beyond a block.
bool cannot_be_had(int error_number) {
    return error_number == EPERM || error_number == EACCES || error_number == ENOTSUP || error_number == EINVAL ||
           error_number == ENOSPC || error_number == E2BIG || error_number == ERANGE;
}

void remove_others(int descriptor, const TarEntry& entry, bool owners) {
    std::array<char, kMaxXattrNames> names;
    const ssize_t size = flistxattr(descriptor, names.data(), names.size());
    std::string_view rest(names.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    while (!rest.empty()) {
        const std::string name(rest.substr(0, rest.find('\0')));
        rest.remove_prefix(std::min(name.size() + 1, rest.size()));
        if (reason_to_leave_out(name, owners).empty() && !entry.xattrs.contains(name) &&
            fremovexattr(descriptor, name.c_str()) != 0 && errno != ENODATA && !cannot_be_had(errno)) {
            throw SystemError("cannot remove the extended attribute " + name, errno);
        }
    }
}

}  // namespace

std::string_view reason_to_leave_out(std::string_view xattr, bool owners) {
    // An overlay mount that has the directory for a layer would take them for its own.
    if (xattr.starts_with("trusted.overlay.") || xattr.starts_with("user.overlay.")) {
        return "belongs to overlay mounts";
    }
    if (xattr.starts_with("user.")) {
        return "";
    }
    const bool roots = xattr == "security.capability" || xattr.starts_with("trusted.") ||
                       xattr == "system.posix_acl_access" || xattr == "system.posix_acl_default";
    if (!roots) {
        return "belongs to this system, not to an image";  // labels, signatures of the kernel
    }
    return owners ? "" : "needs the image's owners";
}

void set_xattrs(int descriptor, const TarEntry& entry, bool owners, bool replace, const LeaveOut& leave_out) {
    if (replace) {
        remove_others(descriptor, entry, owners);
    }
    for (const auto& [name, value] : entry.xattrs) {
        const auto reason = reason_to_leave_out(name, owners);
        if (!reason.empty()) {
            leave_out(name, reason);
        } else if (fsetxattr(descriptor, name.c_str(), value.data(), value.size(), 0) != 0) {
            const int problem = errno;
            if (!cannot_be_had(problem)) {
                throw SystemError("cannot set the extended attribute " + name, problem);
            }
            leave_out(name,
                      problem == EPERM || problem == EACCES ? "not permitted" : "the file system does not take it");
        }
    }
}

void set_owner(int descriptor, const char* name, const TarEntry& entry, int flags) {
    constexpr std::uint64_t kLargest = std::numeric_limits<std::uint32_t>::max() - 1;  // the largest means "as it is"
    if (entry.uid > kLargest || entry.gid > kLargest) {
        throw Error(ErrorCode::InvalidInput, "the owner " + std::to_string(entry.uid) + ":" +
                                                 std::to_string(entry.gid) + " is larger than the limit of " +
                                                 std::to_string(kLargest));
    }
    if (fchownat(descriptor, name, static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid), flags) == 0) {
        return;
    }
    SystemError error("cannot give it to " + std::to_string(entry.uid) + ":" + std::to_string(entry.gid), errno);
    error.advise(
        "owners need root (CAP_CHOWN), or a user namespace that maps them; without owners all files are the caller's");
    throw error;
}

std::array<timespec, 2> times_of(const TarEntry& entry) {
    const timespec time{static_cast<time_t>(std::max<std::int64_t>(entry.mtime, 0)), 0};
    return {time, time};
}

}  // namespace cooper::build
