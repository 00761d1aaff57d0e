#include "build/snapshot/tree_root.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/in_root.hpp"
#include "build/directory_stream.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxXattrs = 64 * 1024;  // Linux's own limits: of the list of names, and of one value
constexpr std::string_view kCapability = "security.capability";
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr std::string_view kOverlayPrefix = "user.overlay.";

[[noreturn]] void fail(std::string_view action, const std::string& path) {
    throw SystemError(std::string(action) + " " + TreeRoot::shown(path), errno);
}

bool is_kept(std::string_view xattr) {
    return xattr == kCapability || (xattr.starts_with("user.") && !xattr.starts_with(kOverlayPrefix));
}

/// Component by component, for kernels before 5.6 and strict seccomp filters.
FileDescriptor walk_to_directory(int root, const std::string& path) {
    FileDescriptor directory;
    for (const auto name : split(path, '/')) {
        directory = FileDescriptor(
            openat(directory.valid() ? directory.get() : root, std::string(name).c_str(), kDirectoryFlags));
        if (!directory.valid()) {
            break;
        }
    }
    return directory;
}

/// Invalid when there is none, or only through a link.
FileDescriptor open_directory(int root, const std::string& path) {
    auto opened = detail::open_in_root_by_kernel(root, path, kDirectoryFlags, RESOLVE_NO_SYMLINKS);
    if (!opened.valid() && (errno == ENOSYS || errno == EPERM || errno == EINVAL)) {
        opened = walk_to_directory(root, path);
    }
    if (!opened.valid() && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
        fail("cannot open", path);
    }
    return opened;
}

}  // namespace

TreeRoot::TreeRoot(std::filesystem::path directory)
    : directory_(std::move(directory)), root_(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!root_.valid()) {
        throw SystemError("cannot open the directory '" + oci::printable(directory_.native()) + "'", errno);
    }
}

int TreeRoot::directory(const std::string& path) {
    if (path.empty()) {
        return root_.get();
    }
    if (opened_.valid() && opened_path_ == path) {
        return opened_.get();
    }
    opened_ = open_directory(root_.get(), path);
    opened_path_ = path;
    return opened_.get();
}

std::optional<struct stat> TreeRoot::status(const std::string& path) {
    struct stat status {};
    if (path.empty()) {
        if (fstat(root_.get(), &status) != 0) {
            fail("cannot examine", path);
        }
        return status;
    }
    const int parent = directory(std::string(parent_path(path)));
    if (parent < 0) {
        return std::nullopt;
    }
    if (fstatat(parent, std::string(file_name(path)).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
        return status;
    }
    if (errno != ENOENT) {
        fail("cannot examine", path);
    }
    return std::nullopt;
}

FileDescriptor TreeRoot::open(const std::string& path) {
    return open_with(path, O_RDONLY);
}

FileDescriptor TreeRoot::open_to_write(const std::string& path) {
    return open_with(path, O_RDWR);
}

FileDescriptor TreeRoot::open_with(const std::string& path, int flags) {
    const int parent = directory(std::string(parent_path(path)));
    const std::string name = path.empty() ? "." : std::string(file_name(path));
    FileDescriptor file(
        parent < 0 ? -1 : openat(parent, name.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file.valid()) {
        fail("cannot open", path);
    }
    return file;
}

std::string TreeRoot::link(const std::string& path) {
    const int parent = directory(std::string(parent_path(path)));
    std::string target(kMaxPath + 1, '\0');
    const auto length = readlinkat(parent, std::string(file_name(path)).c_str(), target.data(), target.size());
    if (length < 0) {
        fail("cannot read the link", path);
    }
    target.resize(static_cast<std::size_t>(length));
    return target;
}

std::vector<std::string> TreeRoot::names(const std::string& path) {
    const int directory_descriptor = directory(path);
    // Of its own, so that nobody shares the position in the listing.
    const int again =
        directory_descriptor < 0 ? -1 : openat(directory_descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const DirectoryStream stream(again < 0 ? nullptr : fdopendir(again));
    if (!stream) {
        fail("cannot list", path);
    }
    std::vector<std::string> names;
    for (errno = 0; const dirent* item = readdir(stream.get()); errno = 0) {
        const std::string_view name = item->d_name;
        if (name != "." && name != "..") {
            names.emplace_back(name);
        }
    }
    if (errno != 0) {
        fail("cannot list", path);
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string TreeRoot::shown(const std::string& path) {
    return "'/" + oci::printable(path, kMaxPath) + "'";
}

std::map<std::string, std::string> layer_xattrs(int descriptor, const std::string& path) {
    std::map<std::string, std::string> xattrs;
    // Most files have none: first the length alone.
    const auto length = flistxattr(descriptor, nullptr, 0);
    if (length == 0 || (length < 0 && errno == EOPNOTSUPP)) {
        return xattrs;
    }
    std::string names(kMaxXattrs, '\0');
    const auto listed = flistxattr(descriptor, names.data(), names.size());
    if (listed < 0) {
        fail("cannot list the extended attributes of", path);
    }
    names.resize(static_cast<std::size_t>(listed));
    for (std::size_t begin = 0; begin < names.size();) {
        const std::string name(names.c_str() + begin);
        begin += name.size() + 1;
        if (!is_kept(name)) {
            continue;
        }
        if (auto value = find_xattr(descriptor, name)) {
            xattrs.emplace(name, std::move(*value));
        }
    }
    return xattrs;
}

std::optional<std::string> find_xattr(int descriptor, const std::string& name) {
    std::string value(kMaxXattrs, '\0');
    const auto size = fgetxattr(descriptor, name.c_str(), value.data(), value.size());
    if (size >= 0) {
        value.resize(static_cast<std::size_t>(size));
        return value;
    }
    if (errno == ENODATA || errno == EOPNOTSUPP) {
        return std::nullopt;
    }
    throw SystemError("cannot read the extended attribute " + oci::printable(name), errno);
}

}  // namespace cooper::build
