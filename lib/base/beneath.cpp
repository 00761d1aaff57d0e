#include "base/beneath.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace cooper::detail {

namespace {

// O_NONBLOCK: a fifo in a hostile tree must not make us wait for its writer.
constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW;

bool means_absent(int error_number) {
    return error_number == ENOENT || error_number == ENOTDIR;
}

[[noreturn]] void throw_symlink(std::string_view path) {
    throw Error(ErrorCode::InvalidInput,
                "'" + std::string(path) + "' leads through a symbolic link, which is not followed");
}

[[noreturn]] void throw_failure(std::string_view path, int error_number) {
    throw SystemError("cannot open '" + std::string(path) + "'", error_number);
}

/// A directory on the way, opened without following; invalid when absent.
FileDescriptor open_step(int parent, const std::string& name, std::string_view path) {
    FileDescriptor step(openat(parent, name.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
    if (!step.valid()) {
        if (means_absent(errno)) {
            return {};
        }
        throw_failure(path, errno);
    }
    struct stat status {};
    if (fstat(step.get(), &status) != 0) {
        throw_failure(path, errno);
    }
    if (S_ISLNK(status.st_mode)) {
        throw_symlink(path);
    }
    return S_ISDIR(status.st_mode) ? std::move(step) : FileDescriptor();
}

}  // namespace

std::optional<FileDescriptor> open_beneath_by_kernel(int root, std::string_view path) {
    open_how how{};
    how.flags = kReadFlags;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    const std::string name(path);
    long opened = -1;
    do {
        opened = syscall(SYS_openat2, root, name.c_str(), &how, sizeof how);
    } while (opened < 0 && (errno == EINTR || errno == EAGAIN));  // EAGAIN: a rename raced with the lookup
    if (opened >= 0) {
        return FileDescriptor(static_cast<int>(opened));
    }
    switch (errno) {
        case ENOENT:
        case ENOTDIR:
            return FileDescriptor();
        case ELOOP:
        case EXDEV:
            throw_symlink(path);
        case ENOSYS:
        case EPERM:  // older seccomp filters answer this for system calls that they do not know
        case EINVAL:
        case E2BIG:
            return std::nullopt;
        default:
            throw_failure(path, errno);
    }
}

FileDescriptor open_beneath_by_walk(int root, std::string_view path) {
    FileDescriptor directory;
    int parent = root;
    const auto components = split(path, '/');
    for (std::size_t i = 0; i + 1 < components.size(); ++i) {
        FileDescriptor step = open_step(parent, std::string(components[i]), path);
        if (!step.valid()) {
            return {};
        }
        directory = std::move(step);
        parent = directory.get();
    }
    FileDescriptor file(openat(parent, std::string(components.back()).c_str(), kReadFlags));
    if (!file.valid()) {
        if (errno == ELOOP) {
            throw_symlink(path);
        }
        if (!means_absent(errno)) {
            throw_failure(path, errno);
        }
    }
    return file;
}

}  // namespace cooper::detail
