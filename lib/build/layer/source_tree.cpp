#include "build/layer/source_tree.hpp"

#include "base/beneath.hpp"
#include "build/directory_stream.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxXattrs = 64 * 1024;  // Linux's own limits: of the list of names, and of one value
constexpr std::uint64_t kMaxEntries = TarLimits().max_entries;

std::optional<TarType> type_of(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFREG:
            return TarType::File;
        case S_IFDIR:
            return TarType::Directory;
        case S_IFLNK:
            return TarType::Symlink;
        case S_IFIFO:
            return TarType::Fifo;
        case S_IFCHR:
            return TarType::CharDevice;
        case S_IFBLK:
            return TarType::BlockDevice;
        default:
            return std::nullopt;  // a socket
    }
}

bool is_kept_xattr(std::string_view name) {
    return name.starts_with("user.") || name == "security.capability";
}

}  // namespace

SourceTree::SourceTree(std::filesystem::path directory)
    : directory_(std::move(directory)), root_(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!root_.valid()) {
        throw SystemError("cannot read the directory '" + oci::printable(directory_.native()) + "'", errno);
    }
    struct stat status {};
    if (fstat(root_.get(), &status) != 0) {
        throw SystemError("cannot look at " + shown(""), errno);
    }
    device_ = status.st_dev;
}

std::string SourceTree::shown(const std::string& path) const {
    return "'" + oci::printable((directory_ / path).native(), kMaxPath) + "'";
}

std::vector<SourceFile> SourceTree::list(const Run& run) const {
    std::vector<SourceFile> files;
    FileDescriptor top(fcntl(root_.get(), F_DUPFD_CLOEXEC, 0));
    list_directory("", top.release(), files, run);
    // Directories are appended as they are found, so this loop meets every one of them; one is open at a time.
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (files[i].type != TarType::Directory) {
            continue;
        }
        auto directory = open(files[i]);
        files[i].xattrs = read_xattrs(directory.get(), files[i]);
        list_directory(std::string(files[i].path), directory.release(), files, run);
    }
    std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return files;
}

void SourceTree::list_directory(const std::string& path, int descriptor, std::vector<SourceFile>& files,
                                const Run& run) const {
    const DirectoryStream directory(fdopendir(descriptor));
    if (!directory) {
        const int problem = errno;
        close(descriptor);
        throw SystemError("cannot list " + shown(path), problem);
    }
    for (;;) {
        run.check();
        errno = 0;
        const auto* item = readdir(directory.get());
        if (item == nullptr) {
            if (errno != 0) {
                throw SystemError("cannot list " + shown(path), errno);
            }
            return;
        }
        const std::string_view name = item->d_name;
        if (name == "." || name == "..") {
            continue;
        }
        auto file = look_at(dirfd(directory.get()), item->d_name, join_path(path, name));
        if (file.path.empty()) {
            run.progress->notice(NoticeLevel::Warning,
                                 "left out " + shown(join_path(path, name)) + ": a layer cannot hold sockets");
            continue;
        }
        files.push_back(std::move(file));
        if (files.size() > kMaxEntries) {
            throw Error(ErrorCode::InvalidInput,
                        shown("") + " holds more files than the limit of " + std::to_string(kMaxEntries));
        }
    }
}

/// An empty path for what a layer cannot hold.
SourceFile SourceTree::look_at(int directory, const char* name, std::string path) const {
    check_path(path);
    if (is_whiteout_name(name)) {
        throw Error(ErrorCode::InvalidInput,
                    shown(path) + " would delete a file of the base: names with .wh. are whiteouts in layers")
            .advise("rename it, or leave it out of the directory");
    }
    struct stat status {};
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        throw SystemError("cannot look at " + shown(path), errno);
    }
    const auto type = type_of(status.st_mode);
    if (!type) {
        return {};
    }
    if (*type == TarType::CharDevice || *type == TarType::BlockDevice) {
        throw Error(ErrorCode::InvalidInput, shown(path) + " is a device: layers from directories hold none")
            .advise("containers get devices from the engine that runs them (--device)");
    }
    SourceFile file;
    file.type = *type;
    if (file.type == TarType::Symlink) {
        file.link.resize(kMaxPath + 1);
        const auto length = readlinkat(directory, name, file.link.data(), file.link.size());
        if (length < 0) {
            throw SystemError("cannot read the link " + shown(path), errno);
        }
        file.link.resize(static_cast<std::size_t>(length));
    }
    file.path = std::move(path);
    file.mode = status.st_mode & 07777U;
    file.uid = status.st_uid;
    file.gid = status.st_gid;
    file.size = file.type == TarType::File ? static_cast<std::uint64_t>(status.st_size) : 0;
    file.mtime = status.st_mtim.tv_sec;
    file.mtime_nanoseconds = status.st_mtim.tv_nsec;
    file.ctime = status.st_ctim.tv_sec;
    file.ctime_nanoseconds = status.st_ctim.tv_nsec;
    file.device = status.st_dev;
    file.inode = status.st_ino;
    file.links = status.st_nlink;
    return file;
}

FileDescriptor SourceTree::open(const SourceFile& file) const {
    auto opened = in_context("while making a layer of " + shown(""), [&] {
        auto by_kernel = detail::open_beneath_by_kernel(root_.get(), file.path);
        return by_kernel ? std::move(*by_kernel) : detail::open_beneath_by_walk(root_.get(), file.path);
    });
    struct stat status {};
    if (!opened.valid() || fstat(opened.get(), &status) != 0 || status.st_dev != file.device ||
        status.st_ino != file.inode || type_of(status.st_mode) != file.type) {
        throw Error(ErrorCode::Integrity, shown(file.path) + " was removed or replaced while the layer was made")
            .advise("run it again when nothing writes to the directory");
    }
    return opened;
}

void SourceTree::check_unchanged(int descriptor, const SourceFile& file) const {
    struct stat status {};
    if (fstat(descriptor, &status) != 0) {
        throw SystemError("cannot look at " + shown(file.path), errno);
    }
    if (static_cast<std::uint64_t>(status.st_size) != file.size || status.st_mtim.tv_sec != file.mtime ||
        status.st_mtim.tv_nsec != file.mtime_nanoseconds) {
        throw Error(ErrorCode::Integrity, shown(file.path) + " changed while the layer was made")
            .advise("run it again when nothing writes to the directory");
    }
}

std::map<std::string, std::string> SourceTree::read_xattrs(int descriptor, const SourceFile& file) const {
    std::map<std::string, std::string> xattrs;
    // Most files have none: first the length alone.
    const auto length = flistxattr(descriptor, nullptr, 0);
    if (length == 0 || (length < 0 && errno == EOPNOTSUPP)) {
        return xattrs;
    }
    std::string names(kMaxXattrs, '\0');
    const auto listed = flistxattr(descriptor, names.data(), names.size());
    if (listed < 0) {
        throw SystemError("cannot list the extended attributes of " + shown(file.path), errno);
    }
    names.resize(static_cast<std::size_t>(listed));
    for (std::size_t begin = 0; begin < names.size();) {
        const std::string name(names.c_str() + begin);
        begin += name.size() + 1;
        if (!is_kept_xattr(name)) {
            continue;
        }
        std::string value(kMaxXattrs, '\0');
        const auto size = fgetxattr(descriptor, name.c_str(), value.data(), value.size());
        if (size < 0) {
            throw SystemError("cannot read the extended attribute " + oci::printable(name) + " of " + shown(file.path),
                              errno);
        }
        value.resize(static_cast<std::size_t>(size));
        xattrs.emplace(name, std::move(value));
    }
    return xattrs;
}

}  // namespace cooper::build
