#include "build/snapshot/tree_copy.hpp"

#include "cooper/base/error.hpp"

#include "build/apply/metadata.hpp"
#include "build/paths.hpp"
#include "build/snapshot/file_copy.hpp"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace cooper::build {

namespace {

constexpr mode_t kPrivateFile = 0600;
constexpr const char* kPartedName = ".wh..wh.cooper";  // no file of a layer can have it
constexpr mode_t kPrivateDirectory = 0700;
constexpr std::size_t kMaxXattrNames = 64 * 1024;  // XATTR_LIST_MAX

[[noreturn]] void fail(std::string_view action, const std::string& path) {
    throw SystemError(std::string(action) + " " + TreeRoot::shown(path), errno);
}

/// All that unpacking sets, not only what layers keep of a step.
void copy_xattrs(int from, int to, const std::string& path, const DiskForm& form) {
    const auto length = flistxattr(from, nullptr, 0);
    if (length <= 0) {
        return;
    }
    std::string names(kMaxXattrNames, '\0');
    const auto listed = flistxattr(from, names.data(), names.size());
    names.resize(static_cast<std::size_t>(std::max<ssize_t>(listed, 0)));
    for (std::size_t begin = 0; begin < names.size();) {
        const std::string name(names.c_str() + begin);
        begin += name.size() + 1;
        const auto value = reason_to_leave_out(name, form.owners).empty() ? find_xattr(from, name) : std::nullopt;
        if (value && fsetxattr(to, name.c_str(), value->data(), value->size(), 0) != 0 && errno != ENOTSUP &&
            errno != EPERM) {
            fail("cannot set the extended attribute " + name + " of", path);
        }
    }
}

void describe_unopened(int parent, const std::string& name, const std::string& path, const struct stat& status,
                       const DiskForm& form) {
    const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, status.st_mtim};
    if (form.owners && fchownat(parent, name.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) != 0) {
        fail("cannot change the owner of", path);
    }
    if (!S_ISLNK(status.st_mode) && fchmodat(parent, name.c_str(), status.st_mode & 07777U, 0) != 0) {
        fail("cannot change the mode of", path);
    }
    if (utimensat(parent, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
        fail("cannot set the time of", path);
    }
}

void describe_opened(int from, int to, const std::string& path, const struct stat& status, const DiskForm& form) {
    const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, status.st_mtim};
    // Owners first: a change of them takes setuid and capabilities away.
    if (form.owners && fchown(to, status.st_uid, status.st_gid) != 0) {
        fail("cannot change the owner of", path);
    }
    if (fchmod(to, status.st_mode & 07777U) != 0) {
        fail("cannot change the mode of", path);
    }
    copy_xattrs(from, to, path, form);
    if (futimens(to, times.data()) != 0) {
        fail("cannot set the time of", path);
    }
}

void copy_regular(TreeRoot& from, int parent, const std::string& name, const std::string& path,
                  const struct stat& status, const DiskForm& form, const Run& run) {
    const FileDescriptor source = from.open(path);
    const FileDescriptor copy(
        openat(parent, name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, kPrivateFile));
    if (!copy.valid()) {
        fail("cannot make", path);
    }
    if (status.st_size > 0) {
        copy_content(source.get(), copy.get(), path, run);
    }
    describe_opened(source.get(), copy.get(), path, status, form);
}

/// No directory. `parent` is not from.directory(), which is used meanwhile.
void copy_as(TreeRoot& from, const std::string& path, const struct stat& status, int parent, const std::string& name,
             const DiskForm& form, const Run& run) {
    if (S_ISREG(status.st_mode)) {
        return copy_regular(from, parent, name, path, status, form, run);
    }
    const bool made = S_ISLNK(status.st_mode) ? symlinkat(from.link(path).c_str(), parent, name.c_str()) == 0
                                              : mknodat(parent, name.c_str(), (status.st_mode & S_IFMT) | kPrivateFile,
                                                        status.st_rdev) == 0;
    if (!made) {
        fail("cannot make", path);
    }
    describe_unopened(parent, name, path, status, form);
}

}  // namespace

void copy_file(TreeRoot& from, TreeRoot& to, const std::string& path, const struct stat& status, const DiskForm& form,
               const Run& run) {
    const int parent = to.directory(std::string(parent_path(path)));
    const std::string name(file_name(path));
    if (parent < 0) {
        throw Error(ErrorCode::Conflict, "the directory of " + TreeRoot::shown(path) + " is not there");
    }
    if (!S_ISDIR(status.st_mode)) {
        return copy_as(from, path, status, parent, name, form, run);
    }
    if (mkdirat(parent, name.c_str(), kPrivateDirectory) != 0) {
        fail("cannot make", path);
    }
}

void describe_directory(TreeRoot& from, const std::string& from_path, TreeRoot& to, const std::string& path,
                        const DiskForm& form) {
    const FileDescriptor source = from.open(from_path);
    const FileDescriptor copy = to.open(path);
    struct stat status {};
    if (fstat(source.get(), &status) != 0) {
        fail("cannot examine", from_path);
    }
    describe_opened(source.get(), copy.get(), path, status, form);
}

void part_from_links(TreeRoot& tree, const std::string& path, const DiskForm& form, const Run& run) {
    const auto status = tree.status(path);
    const FileDescriptor parent = tree.open(std::string(parent_path(path)));
    struct stat above {};
    if (!status || fstat(parent.get(), &above) != 0) {
        fail("cannot examine", path);
    }
    if (status->st_nlink < 2) {
        return;
    }
    copy_as(tree, path, *status, parent.get(), kPartedName, form, run);
    const std::string name(file_name(path));
    const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, above.st_mtim};
    if (renameat(parent.get(), kPartedName, parent.get(), name.c_str()) != 0 ||
        futimens(parent.get(), times.data()) != 0) {
        fail("cannot replace", path);
    }
}

}  // namespace cooper::build
