#include "build/sandbox/tree_sync.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "build/apply/removal.hpp"
#include "build/sandbox/root_paths.hpp"
#include "build/snapshot/file_copy.hpp"
#include "oci/printable.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <set>
#include <vector>

namespace cooper::build::sandbox {

namespace {

constexpr const char* kPartial = ".cooper-partial";
/// Directories in one another that are copied: each holds descriptors open.
constexpr int kMaxDepth = 200;

[[noreturn]] void fail(const std::string& action, const std::string& name) {
    throw SystemError("cannot " + action + " '" + oci::printable(name) + "'", errno);
}

FileDescriptor open_below(int directory, const std::string& name, int flags, mode_t mode = 0) {
    FileDescriptor file(openat(directory, name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!file.valid()) {
        fail("open", name);
    }
    return file;
}

struct stat status_of(int file, const std::string& name) {
    struct stat status {};
    if (fstat(file, &status) != 0) {
        fail("look at", name);
    }
    return status;
}

std::vector<std::string> names_in(int directory) {
    const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR* stream = copy < 0 ? nullptr : fdopendir(copy);
    if (stream == nullptr) {
        fail("list", ".");
    }
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = readdir(stream)) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..") {
            names.push_back(name);
        }
    }
    const int error_number = errno;
    closedir(stream);
    if (error_number != 0) {
        throw SystemError("cannot list a directory", error_number);
    }
    return names;
}

/// Owners last but one, since giving a file away takes its setuid bit, and times last.
void set_metadata(int directory, const std::string& name, const struct stat& status) {
    if (fchownat(directory, name.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) != 0 && errno != EPERM &&
        errno != EINVAL) {
        fail("set the owner of", name);
    }
    if (!S_ISLNK(status.st_mode) && fchmodat(directory, name.c_str(), status.st_mode & 07777U, 0) != 0) {
        fail("set the mode of", name);
    }
    const std::array<timespec, 2> times{status.st_atim, status.st_mtim};
    if (utimensat(directory, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
        fail("set the times of", name);
    }
}

void copy_one(int from, const struct stat& status, int to, const std::string& name, int depth, const Run& run);

void synchronize_at(int from, int to, int depth, const Run& run) {
    if (depth > kMaxDepth) {
        throw Error(ErrorCode::InvalidInput,
                    "a mounted directory has more than " + std::to_string(kMaxDepth) + " levels");
    }
    const auto names = names_in(from);
    const std::set<std::string> wanted(names.begin(), names.end());
    for (const auto& name : names_in(to)) {
        if (!wanted.contains(name)) {
            remove_tree(to, name, name);
        }
    }
    for (const auto& name : names) {
        run.check();
        const auto entry = open_below(from, name, O_PATH);
        const auto status = status_of(entry.get(), name);
        struct stat there {};
        const bool exists = fstatat(to, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
        if (exists && S_ISREG(there.st_mode) && S_ISREG(status.st_mode) && there.st_size == status.st_size &&
            there.st_mode == status.st_mode && there.st_uid == status.st_uid && there.st_gid == status.st_gid &&
            there.st_mtim.tv_sec == status.st_mtim.tv_sec && there.st_mtim.tv_nsec == status.st_mtim.tv_nsec) {
            continue;
        }
        if (exists && S_ISDIR(there.st_mode) != S_ISDIR(status.st_mode)) {
            remove_tree(to, name, name);
        }
        copy_one(entry.get(), status, to, name, depth, run);
    }
}

void copy_link(int link, int to) {
    std::array<char, PATH_MAX> target{};
    const ssize_t length = readlinkat(link, "", target.data(), target.size() - 1);
    if (length < 0 || symlinkat(target.data(), to, kPartial) != 0) {
        fail("copy", "a symbolic link");
    }
}

/// What is not a directory appears under its name when it is whole.
void copy_one(int from, const struct stat& status, int to, const std::string& name, int depth, const Run& run) {
    if (S_ISDIR(status.st_mode)) {
        if (mkdirat(to, name.c_str(), 0700) != 0 && errno != EEXIST) {
            fail("make", name);
        }
        const auto directory = open_below(to, name, O_PATH | O_DIRECTORY);
        synchronize_at(from, directory.get(), depth + 1, run);
        set_metadata(to, name, status);
        return;
    }
    if (unlinkat(to, kPartial, 0) != 0 && errno != ENOENT) {
        fail("remove", kPartial);
    }
    if (S_ISREG(status.st_mode)) {
        const FileDescriptor input(open(name_of_descriptor(from).c_str(), O_RDONLY | O_CLOEXEC));
        if (!input.valid()) {
            fail("read", name);
        }
        const auto output = open_below(to, kPartial, O_WRONLY | O_CREAT | O_EXCL, 0600);
        copy_content(input.get(), output.get(), name, run);
    } else if (S_ISLNK(status.st_mode)) {
        copy_link(from, to);
    } else if (S_ISFIFO(status.st_mode)) {
        if (mkfifoat(to, kPartial, 0600) != 0) {
            fail("make", name);
        }
    } else {
        return;
    }
    set_metadata(to, kPartial, status);
    if (renameat(to, kPartial, to, name.c_str()) != 0) {
        fail("make", name);
    }
}

}  // namespace

void copy_entry(int from, int to, const std::string& name, const Run& run) {
    copy_one(from, status_of(from, name), to, name, 0, run);
}

void synchronize(int from, int to, const Run& run) {
    synchronize_at(from, to, 0, run);
}

}  // namespace cooper::build::sandbox
