#include "build/apply/directories.hpp"

#include "cooper/base/error.hpp"

#include "base/in_root.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxOpened = 64;
constexpr std::size_t kMaxAliases = 4096;
constexpr mode_t kPermissions = 07777;
constexpr mode_t kUsable = 0700;
constexpr mode_t kImplicitMode = 0755;  // of directories that no entry describes
constexpr timespec kImplicitTime{0, 0};
constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::string quoted(const std::string& path) {
    return "'" + (path.empty() ? "/" : oci::printable(path)) + "'";
}

[[noreturn]] void fail(std::string_view action, const std::string& path) {
    throw SystemError(std::string(action) + " " + quoted(path), errno);
}

}  // namespace

std::string Directory::child_path(std::string_view name) const {
    return join_path(path, name);
}

Directories::Directories(FileDescriptor root, Rights rights, Kernel kernel)
    : rights_(rights), openat2_(kernel == Kernel::Newest) {
    struct stat status {};
    if (fstat(root.get(), &status) != 0) {
        fail("cannot examine", "");
    }
    if (rights_ == Rights::Owner && (status.st_mode & kUsable) != kUsable) {
        final_modes_.emplace("", status.st_mode & kPermissions);
        if (fchmod(root.get(), (status.st_mode & kPermissions) | kUsable) != 0) {
            fail("cannot open up", "");
        }
    }
    root_.descriptor = std::move(root);
    root_.mode = status.st_mode;
    root_.modified = status.st_mtim;
}

Directory* Directories::find(const std::string& path) {
    if (Directory* opened = find_opened(path)) {
        return opened;
    }
    return walk(path, false);
}

Directory& Directories::make(const std::string& path) {
    if (Directory* opened = find_opened(path)) {
        return *opened;
    }
    Directory* made = walk(path, true);
    if (made == nullptr) {
        throw Error(ErrorCode::InvalidInput, quoted(path) + " is no directory, or leads through a file");
    }
    return *made;
}

Directory* Directories::make_child(Directory& parent, const std::string& name) {
    const std::string path = parent.child_path(name);
    if (const auto found = index_.find(path); found != index_.end()) {
        opened_.splice(opened_.begin(), opened_, found->second);
        opened_.front().was_there = true;
        return &opened_.front();
    }
    const bool made = mkdirat(parent.descriptor.get(), name.c_str(), kUsable) == 0;
    if (!made && errno != EEXIST) {
        fail("cannot make the directory", path);
    }
    parent.touched = parent.touched || made;
    FileDescriptor child(openat(parent.descriptor.get(), name.c_str(), kFlags));
    if (!child.valid() && errno == EACCES && rights_ == Rights::Owner) {
        struct stat status {};
        if (fstatat(parent.descriptor.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
            open_up(parent.descriptor.get(), name, path, status);
        }
        child = FileDescriptor(openat(parent.descriptor.get(), name.c_str(), kFlags));
    }
    if (!child.valid() && (errno == ENOTDIR || errno == ELOOP)) {
        return nullptr;
    }
    if (!child.valid()) {
        fail("cannot open", path);
    }
    Directory& directory = adopt(std::move(child), path);
    directory.was_there = !made;
    return &directory;
}

void Directories::set_mode(Directory& directory, mode_t mode) {
    mode &= kPermissions;
    if (directory.path.empty()) {
        final_modes_[""] = mode;
        return;
    }
    const bool in_our_way = rights_ == Rights::Owner && (mode & kUsable) != kUsable;
    if (in_our_way) {
        final_modes_[directory.path] = mode;
        mode |= kUsable;
    } else {
        final_modes_.erase(directory.path);
    }
    if (fchmod(directory.descriptor.get(), mode) != 0) {
        fail("cannot change the mode of", directory.path);
    }
    directory.mode = S_IFDIR | mode;
}

void Directories::forget(const std::string& path) {
    const auto below = [&path](const std::string& other) {
        return path.empty() || (other.starts_with(path) && (other.size() == path.size() || other[path.size()] == '/'));
    };
    for (auto it = opened_.begin(); it != opened_.end();) {
        if (below(it->path)) {
            settle(*it);
            index_.erase(it->path);
            it = opened_.erase(it);
        } else {
            ++it;
        }
    }
    forget_links();
}

void Directories::settle() {
    for (Directory& directory : opened_) {
        settle(directory);
    }
    settle(root_);
}

void Directories::finish() {
    settle();
    // What is below comes first: above it the way may be closed by its own mode.
    for (auto it = final_modes_.rbegin(); it != final_modes_.rend(); ++it) {
        const Directory* const directory = find(it->first);
        const bool still_there = directory != nullptr && directory->path == it->first;
        if (still_there && fchmod(directory->descriptor.get(), it->second) != 0) {
            fail("cannot change the mode of", it->first);
        }
    }
    final_modes_.clear();
}

Directory* Directories::find_opened(const std::string& path) {
    if (path.empty()) {
        return &root_;
    }
    const auto alias = aliases_.find(path);
    const std::string& place = alias == aliases_.end() ? path : alias->second;
    if (const auto found = index_.find(place); found != index_.end()) {
        opened_.splice(opened_.begin(), opened_, found->second);
        return &opened_.front();
    }
    return openat2_ ? open_by_kernel(place) : nullptr;
}

/// Without symlinks on the way, which the walk is for: it tells where they lead.
Directory* Directories::open_by_kernel(const std::string& path) {
    auto opened = detail::open_in_root_by_kernel(root_.descriptor.get(), path, kFlags, RESOLVE_NO_SYMLINKS);
    if (opened.valid()) {
        return &adopt(std::move(opened), path);
    }
    // EPERM: older seccomp filters answer this for system calls that they do not know.
    openat2_ = errno != ENOSYS && errno != EPERM && errno != EINVAL && errno != E2BIG;
    return nullptr;
}

Directory* Directories::walk(const std::string& path, bool make_missing) {
    detail::WalkHooks hooks;
    hooks.entered = [this](int parent, const std::string& name, const std::string& where, const struct stat& status) {
        check_path(where);
        open_up(parent, name, where, status);
    };
    if (make_missing) {
        hooks.missing = [this](int parent, const std::string& name, const std::string& where) {
            return make_missing_directory(parent, name, where);
        };
    }
    auto walked = detail::walk_in_root(root_.descriptor.get(), path, hooks);
    if (walked.end != detail::Walked::End::Directory) {
        return nullptr;
    }
    if (walked.path != path) {
        if (aliases_.size() == kMaxAliases) {
            aliases_.clear();
        }
        aliases_[path] = walked.path;
    }
    if (walked.path.empty()) {
        return &root_;
    }
    if (const auto found = index_.find(walked.path); found != index_.end()) {
        opened_.splice(opened_.begin(), opened_, found->second);
        return &opened_.front();
    }
    FileDescriptor directory(openat(walked.directory.get(), ".", kFlags));
    if (!directory.valid()) {
        fail("cannot open", walked.path);
    }
    return &adopt(std::move(directory), std::move(walked.path));
}

Directory& Directories::adopt(FileDescriptor descriptor, std::string path) {
    struct stat status {};
    if (fstat(descriptor.get(), &status) != 0) {
        fail("cannot examine", path);
    }
    if (rights_ == Rights::Owner && (status.st_mode & kUsable) != kUsable && status.st_uid == geteuid()) {
        final_modes_.emplace(path, status.st_mode & kPermissions);
        if (fchmod(descriptor.get(), (status.st_mode & kPermissions) | kUsable) != 0) {
            fail("cannot open up", path);
        }
    }
    if (opened_.size() == kMaxOpened) {
        settle(opened_.back());
        index_.erase(opened_.back().path);
        opened_.pop_back();
    }
    opened_.push_front({std::move(path), std::move(descriptor), status.st_mode, status.st_mtim});
    index_[opened_.front().path] = opened_.begin();
    return opened_.front();
}

/// Its parent's time stays what it was, unless the parent is open: then settle() sees to it.
bool Directories::make_missing_directory(int parent, const std::string& name, const std::string& path) {
    check_path(path);
    struct stat above {};
    if (fstat(parent, &above) != 0 || mkdirat(parent, name.c_str(), kUsable) != 0 ||
        (rights_ == Rights::Root && fchownat(parent, name.c_str(), 0, 0, AT_SYMLINK_NOFOLLOW) != 0) ||
        fchmodat(parent, name.c_str(), kImplicitMode, AT_SYMLINK_NOFOLLOW) != 0) {
        fail("cannot make the directory", path);
    }
    const std::array<timespec, 2> made{kImplicitTime, kImplicitTime};
    const std::array<timespec, 2> parents{above.st_mtim, above.st_mtim};
    if (utimensat(parent, name.c_str(), made.data(), AT_SYMLINK_NOFOLLOW) != 0 ||
        utimensat(parent, ".", parents.data(), 0) != 0) {
        fail("cannot set the time of", path);
    }
    final_modes_.erase(path);
    return true;
}

/// Lets us into a directory of ours that its mode would keep us out of.
void Directories::open_up(int parent, const std::string& name, const std::string& path, const struct stat& status) {
    if (rights_ == Rights::Root || (status.st_mode & kUsable) == kUsable || !S_ISDIR(status.st_mode) ||
        status.st_uid != geteuid()) {
        return;
    }
    if (fchmodat(parent, name.c_str(), (status.st_mode & kPermissions) | kUsable, AT_SYMLINK_NOFOLLOW) != 0) {
        fail("cannot open up", path);
    }
    final_modes_.emplace(path, status.st_mode & kPermissions);
}

void Directories::settle(Directory& directory) {
    if (!directory.touched) {
        return;
    }
    const std::array<timespec, 2> times{directory.modified, directory.modified};
    if (futimens(directory.descriptor.get(), times.data()) != 0) {
        fail("cannot set the time of", directory.path);
    }
    directory.touched = false;
}

}  // namespace cooper::build
