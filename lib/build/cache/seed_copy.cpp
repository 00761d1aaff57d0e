#include "build/cache/seed_copy.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "build/directory_stream.hpp"
#include "build/paths.hpp"
#include "build/snapshot/file_copy.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

namespace {

constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr mode_t kPermissions = 07777;

[[noreturn]] void fail(const char* what, const std::string& path) {
    throw SystemError(std::string(what) + " '" + oci::printable(path) + "' of the cache mount's seed", errno);
}

class SeedCopy {
public:
    explicit SeedCopy(const Run& run) : run_(run) {}

    void copy_root(const std::filesystem::path& from, const std::filesystem::path& to) {
        const FileDescriptor source(open(from.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct stat status {};
        if (!source.valid() || fstat(source.get(), &status) != 0) {
            throw SystemError("cannot open the seed of a cache mount, " + from.string(), errno);
        }
        if (mkdir(to.c_str(), 0700) != 0) {
            throw SystemError("cannot make " + to.string(), errno);
        }
        const FileDescriptor target(open(to.c_str(), kDirectory));
        if (!target.valid()) {
            throw SystemError("cannot open " + to.string(), errno);
        }
        copy_directory(source.get(), target.get(), status, "");
    }

private:
    /// One descriptor each way and level: kMaxPathDepth bounds both.
    void copy_directory(int from, int to, const struct stat& status, const std::string& path) {
        run_.check();
        check_path(path);
        for (const std::string& name : names(from, path)) {
            copy_entry(from, to, name, join_path(path, name));
        }
        set_metadata(from, to, status, path);
    }

    static std::vector<std::string> names(int directory, const std::string& path) {
        const int again = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const DirectoryStream stream(again < 0 ? nullptr : fdopendir(again));
        if (!stream) {
            fail("cannot list", path);
        }
        std::vector<std::string> names;
        while (const dirent* entry = readdir(stream.get())) {
            const std::string_view name = entry->d_name;
            if (name != "." && name != "..") {
                names.emplace_back(name);
            }
        }
        return names;
    }

    void copy_entry(int from, int to, const std::string& name, const std::string& path) {
        struct stat status {};
        if (fstatat(from, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            fail("cannot examine", path);
        }
        if (S_ISSOCK(status.st_mode)) {
            return;
        }
        if (S_ISDIR(status.st_mode)) {
            if (mkdirat(to, name.c_str(), 0700) != 0) {
                fail("cannot make", path);
            }
            const FileDescriptor source(openat(from, name.c_str(), kDirectory));
            const FileDescriptor target(openat(to, name.c_str(), kDirectory));
            if (!source.valid() || !target.valid()) {
                fail("cannot open", path);
            }
            return copy_directory(source.get(), target.get(), status, path);
        }
        if (status.st_nlink > 1) {
            const auto [first, added] = linked_.try_emplace({status.st_dev, status.st_ino}, path);
            if (!added) {
                return link_to(first->second, to, name, path);
            }
        }
        copy_other(from, to, name, status, path);
    }

    void link_to(const std::string& first, int to, const std::string& name, const std::string& path) {
        // Both lie in the copy, which is nobody else's yet.
        std::string up;
        for (std::size_t depth = static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')); depth > 0;
             --depth) {
            up += "../";
        }
        if (linkat(to, (up + first).c_str(), to, name.c_str(), 0) != 0) {
            fail("cannot link", path);
        }
    }

    void copy_other(int from, int to, const std::string& name, const struct stat& status, const std::string& path) {
        const std::array<timespec, 2> times = {status.st_atim, status.st_mtim};
        if (S_ISLNK(status.st_mode)) {
            std::array<char, kMaxPath + 1> target{};
            const ssize_t length = readlinkat(from, name.c_str(), target.data(), target.size() - 1);
            if (length < 0 || symlinkat(target.data(), to, name.c_str()) != 0) {
                fail("cannot copy the symlink", path);
            }
            set_owner(to, name.c_str(), status, AT_SYMLINK_NOFOLLOW, path);
            utimensat(to, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
            return;
        }
        if (!S_ISREG(status.st_mode)) {
            if (mknodat(to, name.c_str(), status.st_mode & (S_IFMT | kPermissions), status.st_rdev) != 0) {
                if (errno == EPERM) {
                    return;
                }
                fail("cannot make", path);
            }
            set_owner(to, name.c_str(), status, AT_SYMLINK_NOFOLLOW, path);
            fchmodat(to, name.c_str(), status.st_mode & kPermissions, 0);
            utimensat(to, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
            return;
        }
        const FileDescriptor source(openat(from, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        const FileDescriptor target(
            openat(to, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!source.valid() || !target.valid()) {
            fail("cannot open", path);
        }
        copy_content(source.get(), target.get(), path, run_);
        set_metadata(source.get(), target.get(), status, path);
    }

    static void set_owner(int directory, const char* name, const struct stat& status, int flags,
                          const std::string& path) {
        if (fchownat(directory, name, status.st_uid, status.st_gid, flags) != 0 && errno != EPERM && errno != EINVAL) {
            fail("cannot set the owner of", path);
        }
    }

    /// Owner first: giving a file away takes its setuid bit and its capabilities.
    static void set_metadata(int from, int to, const struct stat& status, const std::string& path) {
        set_owner(to, "", status, AT_EMPTY_PATH, path);
        copy_xattrs(from, to);
        if (fchmod(to, status.st_mode & kPermissions) != 0) {
            fail("cannot set the mode of", path);
        }
        const std::array<timespec, 2> times = {status.st_atim, status.st_mtim};
        if (futimens(to, times.data()) != 0) {
            fail("cannot set the time of", path);
        }
    }

    /// Those of overlay mounts are none of the tree's.
    static void copy_xattrs(int from, int to) {
        std::vector<char> names(XATTR_LIST_MAX);
        const ssize_t length = flistxattr(from, names.data(), names.size());
        std::vector<char> value;
        for (ssize_t at = 0; at < length;) {
            const std::string name(names.data() + at);
            at += static_cast<ssize_t>(name.size()) + 1;
            if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) {
                continue;
            }
            value.resize(XATTR_SIZE_MAX);
            const ssize_t size = fgetxattr(from, name.c_str(), value.data(), value.size());
            if (size >= 0) {
                fsetxattr(to, name.c_str(), value.data(), static_cast<std::size_t>(size), 0);
            }
        }
    }

    const Run& run_;
    std::map<std::pair<dev_t, ino_t>, std::string> linked_;
};

}  // namespace

void copy_seed(const std::filesystem::path& from, const std::filesystem::path& to, const Run& run) {
    SeedCopy(run).copy_root(from, to);
}

}  // namespace cooper::build
