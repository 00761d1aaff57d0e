#include "build/copy/tree_writer.hpp"

#include "cooper/base/error.hpp"

#include "base/in_root.hpp"
#include "build/apply/metadata.hpp"
#include "build/apply/removal.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace cooper::build {

namespace {

constexpr int kDirectoryFlags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

/// As the image has it.
std::string shown(std::string_view path) {
    return "'/" + oci::printable(path, kMaxPath) + "'";
}

[[noreturn]] void fail(std::string_view what, std::string_view path) {
    throw SystemError("cannot " + std::string(what) + " " + shown(path) + " in the image", errno);
}

[[noreturn]] void refuse_non_directory(std::string_view path) {
    throw Error(ErrorCode::InvalidInput, "cannot copy to non-directory " + shown(path) +
                                             ": a directory goes there, but the image has something else, a file or "
                                             "a symbolic link")
        .advise("copy to the directory that the link leads to, or remove what is there in a RUN step before");
}

}  // namespace

std::string OpenDirectory::child_path(std::string_view name) const {
    return path.empty() ? std::string(name) : join_path(path, name);
}

TreeWriter::TreeWriter(const std::filesystem::path& root, OwnerSetter set_owner, std::int64_t epoch,
                       FileAttributes missing)
    : set_owner_(std::move(set_owner)),
      epoch_(std::max<std::int64_t>(epoch, 0)),
      missing_(std::move(missing)),
      root_(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
    if (!root_.valid()) {
        throw SystemError("cannot open the root file system", errno);
    }
}

std::int64_t TreeWriter::clamped(std::int64_t mtime) const {
    return std::clamp<std::int64_t>(mtime, 0, epoch_);
}

void TreeWriter::give(const std::string& path, const FileAttributes& attributes) const {
    if (set_owner_) {
        set_owner_("/" + path, attributes.uid, attributes.gid);
    }
}

OpenDirectory TreeWriter::root() const {
    OpenDirectory root{FileDescriptor(openat(root_.get(), ".", kDirectoryFlags)), ""};
    if (!root.descriptor.valid()) {
        fail("open", "");
    }
    return root;
}

bool TreeWriter::make_missing(int parent, const std::string& name, const std::string& path) {
    check_path(path);
    if (mkdirat(parent, name.c_str(), 0700) != 0) {
        fail("make the directory", path);
    }
    give(path, missing_);
    pending_[path] = missing_;
    return true;
}

OpenDirectory TreeWriter::make_directories(const std::string& path) {
    detail::WalkHooks hooks;
    hooks.missing = [this](int parent, const std::string& name, const std::string& at) {
        return make_missing(parent, name, at);
    };
    auto walked = detail::walk_in_root(root_.get(), path, hooks);
    if (walked.end != detail::Walked::End::Directory) {
        refuse_non_directory(walked.path);
    }
    return {std::move(walked.directory), std::move(walked.path)};
}

std::optional<OpenDirectory> TreeWriter::find_directory(const std::string& path) {
    auto walked = detail::walk_in_root(root_.get(), path);
    if (walked.end != detail::Walked::End::Directory) {
        return std::nullopt;
    }
    return OpenDirectory{std::move(walked.directory), std::move(walked.path)};
}

TreeWriter::Place TreeWriter::find_place(const std::string& path) {
    std::string here = path;
    for (int links = 0; links <= detail::kMaxSymlinks; ++links) {
        const std::string name(file_name(here));
        if (name.empty() || name == "." || name == "..") {
            return {make_directories(here), ""};
        }
        auto directory = make_directories(std::string(parent_path(here)));
        struct stat status {};
        if (fstatat(directory.descriptor.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno != ENOENT) {
                fail("look at", directory.child_path(name));
            }
            return {std::move(directory), name};
        }
        if (S_ISDIR(status.st_mode)) {
            return {make_directories(directory.child_path(name)), ""};
        }
        if (!S_ISLNK(status.st_mode)) {
            return {std::move(directory), name};
        }
        std::array<char, kMaxPath + 1> target{};
        const auto length = readlinkat(directory.descriptor.get(), name.c_str(), target.data(), target.size());
        if (length < 0) {
            fail("read the symbolic link", directory.child_path(name));
        }
        const std::string text(target.data(), static_cast<std::size_t>(length));
        here = text.starts_with('/') ? text : directory.path + "/" + text;
    }
    throw Error(ErrorCode::InvalidInput, shown(path) + " leads through a loop of symbolic links in the image");
}

const OpenDirectory& TreeWriter::below(const OpenDirectory& top, std::string_view relative) {
    std::string path = relative.empty() ? top.path : top.child_path(relative);
    if (last_.descriptor.valid() && last_.path == path) {
        return last_;
    }
    FileDescriptor opened = detail::open_in_root_by_kernel(root_.get(), path, O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
    if (!opened.valid() && (errno == ENOSYS || errno == EPERM)) {
        auto walked = detail::walk_in_root(root_.get(), path);
        if (walked.end != detail::Walked::End::Directory || walked.path != path) {
            refuse_non_directory(path);
        }
        opened = std::move(walked.directory);
    }
    if (!opened.valid()) {
        if (errno == ELOOP || errno == ENOTDIR) {
            refuse_non_directory(path);
        }
        fail("open", path);
    }
    last_ = {std::move(opened), std::move(path)};
    return last_;
}

void TreeWriter::make_directory(const OpenDirectory& parent, const std::string& name, const FileAttributes& attributes,
                                InTheWay in_the_way) {
    const std::string path = parent.child_path(name);
    if (mkdirat(parent.descriptor.get(), name.c_str(), 0700) != 0) {
        struct stat status {};
        if (errno != EEXIST || fstatat(parent.descriptor.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            fail("make the directory", path);
        }
        if (!S_ISDIR(status.st_mode)) {
            if (in_the_way == InTheWay::Refuse) {
                refuse_non_directory(path);
            }
            if (unlinkat(parent.descriptor.get(), name.c_str(), 0) != 0 ||
                mkdirat(parent.descriptor.get(), name.c_str(), 0700) != 0) {
                fail("make the directory", path);
            }
        }
    }
    give(path, attributes);
    if (!attributes.xattrs.empty()) {
        const FileDescriptor opened(
            openat(parent.descriptor.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!opened.valid()) {
            fail("open", path);
        }
        set_xattrs(opened.get(), attributes, path);
    }
    pending_[path] = attributes;
}

/// Runs `make` until it succeeds: once more when what stood in the place is gone.
template <class Make>
void TreeWriter::create(const OpenDirectory& parent, const std::string& name, InTheWay in_the_way, const char* what,
                        Make&& make) {
    if (make()) {
        return;
    }
    const std::string path = parent.child_path(name);
    if (errno != EEXIST) {
        fail(what, path);
    }
    if (unlinkat(parent.descriptor.get(), name.c_str(), 0) != 0) {
        if (errno != EISDIR && errno != EPERM) {
            fail("remove", path);
        }
        if (in_the_way == InTheWay::Refuse) {
            throw Error(ErrorCode::InvalidInput, "cannot replace the directory " + shown(path) + " with a file")
                .advise("copy to another name, or remove the directory in a RUN step before");
        }
        remove_tree(parent.descriptor.get(), name, path);
        if (last_.path == path || last_.path.starts_with(path + "/")) {
            last_ = {};
        }
        pending_.erase(path);
        pending_.erase(pending_.lower_bound(path + "/"), pending_.lower_bound(path + "0"));  // '0' follows '/'
    }
    if (!make()) {
        fail(what, path);
    }
}

void TreeWriter::make_file(const OpenDirectory& parent, const std::string& name, const FileAttributes& attributes,
                           InTheWay in_the_way, const std::function<void(int, const std::string&)>& fill) {
    FileDescriptor file;
    create(parent, name, in_the_way, "create", [&] {
        constexpr int kFlags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
        file = FileDescriptor(openat(parent.descriptor.get(), name.c_str(), kFlags, 0600));
        return file.valid();
    });
    const std::string path = parent.child_path(name);
    fill(file.get(), shown(path));
    give(path, attributes);  // takes setuid and capabilities away: before both
    if (fchmod(file.get(), attributes.mode) != 0) {
        fail("change the mode of", path);
    }
    set_xattrs(file.get(), attributes, path);
    const timespec time{static_cast<time_t>(clamped(attributes.mtime)), 0};
    if (futimens(file.get(), std::array<timespec, 2>{time, time}.data()) != 0) {
        fail("set the time of", path);
    }
}

void TreeWriter::make_symlink(const OpenDirectory& parent, const std::string& name, const std::string& target,
                              const FileAttributes& attributes, InTheWay in_the_way) {
    const int directory = parent.descriptor.get();
    create(parent, name, in_the_way, "create the symbolic link",
           [&] { return symlinkat(target.c_str(), directory, name.c_str()) == 0; });
    const std::string path = parent.child_path(name);
    give(path, attributes);
    const timespec time{static_cast<time_t>(clamped(attributes.mtime)), 0};
    if (utimensat(directory, name.c_str(), std::array<timespec, 2>{time, time}.data(), AT_SYMLINK_NOFOLLOW) != 0) {
        fail("set the time of", path);
    }
}

void TreeWriter::make_node(const OpenDirectory& parent, const std::string& name, mode_t type, dev_t device,
                           const FileAttributes& attributes, InTheWay in_the_way) {
    const int directory = parent.descriptor.get();
    create(parent, name, in_the_way, "create the device or fifo",
           [&] { return mknodat(directory, name.c_str(), type | 0600, device) == 0; });
    const std::string path = parent.child_path(name);
    give(path, attributes);
    const timespec time{static_cast<time_t>(clamped(attributes.mtime)), 0};
    if (fchmodat(directory, name.c_str(), attributes.mode, 0) != 0 ||
        utimensat(directory, name.c_str(), std::array<timespec, 2>{time, time}.data(), AT_SYMLINK_NOFOLLOW) != 0) {
        fail("set mode and time of", path);
    }
}

void TreeWriter::make_link(const OpenDirectory& parent, const std::string& name, const OpenDirectory& target_parent,
                           const std::string& target, InTheWay in_the_way) {
    create(parent, name, in_the_way, "create the hard link", [&] {
        return linkat(target_parent.descriptor.get(), target.c_str(), parent.descriptor.get(), name.c_str(), 0) == 0;
    });
}

void TreeWriter::set_xattrs(int file, const FileAttributes& attributes, const std::string& path) const {
    for (const auto& [name, value] : attributes.xattrs) {
        const bool set = fsetxattr(file, name.c_str(), value.data(), value.size(), 0) == 0;
        // Not permitted in some sandboxes, or not on this file system: the file is worth more than its attribute.
        if (!set && errno != EPERM && errno != EACCES && errno != ENOTSUP) {
            fail("set the extended attribute " + name + " of", path);
        }
    }
}

/// Children first: a directory's own mode may keep us out.
void TreeWriter::finish() {
    for (auto at = pending_.rbegin(); at != pending_.rend(); ++at) {
        const auto& [path, attributes] = *at;
        const OpenDirectory& parent = below(root(), parent_path(path));
        const std::string name(file_name(path));
        const FileDescriptor directory(
            openat(parent.descriptor.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        const timespec time{static_cast<time_t>(clamped(attributes.mtime)), 0};
        if (!directory.valid() || fchmod(directory.get(), attributes.mode) != 0 ||
            futimens(directory.get(), std::array<timespec, 2>{time, time}.data()) != 0) {
            fail("set mode and time of", path);
        }
    }
    pending_.clear();
}

}  // namespace cooper::build
