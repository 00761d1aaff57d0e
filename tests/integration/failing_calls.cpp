// Preloaded into the command: its N-th system call that changes something below a directory fails, or kills it.
//
//   FAIL_BELOW  the directory
//   FAIL_AT     which call, from 1
//   FAIL_WITH   "kill": SIGKILL before the call; a number: the call returns -1 with this errno
//   FAIL_ON     set: all calls after it fail as well, as on a disk that stays full
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

std::atomic<long> calls{0};

bool is_below(const char* path) {
    const char* below = std::getenv("FAIL_BELOW");
    return below != nullptr && path != nullptr && std::strncmp(path, below, std::strlen(below)) == 0;
}

bool is_below(int file) {
    std::array<char, 64> link{};
    std::array<char, 4096> path{};
    std::snprintf(link.data(), link.size(), "/proc/self/fd/%d", file);
    return readlink(link.data(), path.data(), path.size() - 1) > 0 && is_below(path.data());
}

/// True when the call has to fail; errno is set.
template <class Where>
bool fails(Where where) {
    const int saved = errno;
    const bool counts = is_below(where);
    errno = saved;
    if (!counts) {
        return false;
    }
    const long at = std::atol(std::getenv("FAIL_AT"));
    const long now = ++calls;
    if (now < at || (now > at && std::getenv("FAIL_ON") == nullptr)) {
        return false;
    }
    const char* with = std::getenv("FAIL_WITH");
    if (std::strcmp(with, "kill") == 0) {
        kill(getpid(), SIGKILL);
    }
    errno = std::atoi(with);
    return true;
}

template <class F>
F real(const char* name) {
    return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

int open_as(const char* name, const char* path, int flags, mode_t mode) {
    const bool makes = (flags & (O_CREAT | O_TMPFILE)) != 0;
    return makes && fails(path) ? -1 : real<int (*)(const char*, int, ...)>(name)(path, flags, mode);
}

}  // namespace

#define COOPER_EXPORT extern "C" __attribute__((visibility("default")))
#define COOPER_WRAP(result, name, parameters, arguments, where)                              \
    COOPER_EXPORT result name parameters {                                                   \
        return fails(where) ? -1 : real<result(*) parameters>(#name) arguments; /* NOLINT */ \
    }
#define COOPER_WRAP_OPEN(name)                                 \
    COOPER_EXPORT int name(const char* path, int flags, ...) { \
        va_list rest;                                          \
        va_start(rest, flags);                                 \
        const mode_t mode = va_arg(rest, mode_t);              \
        va_end(rest);                                          \
        return open_as(#name, path, flags, mode);              \
    }

COOPER_WRAP_OPEN(open)
COOPER_WRAP_OPEN(open64)
COOPER_WRAP(ssize_t, pwrite, (int file, const void* data, size_t size, off_t offset), (file, data, size, offset), file)
COOPER_WRAP(ssize_t, pwrite64, (int file, const void* data, size_t size, off_t offset), (file, data, size, offset),
            file)
COOPER_WRAP(int, rename, (const char* from, const char* to), (from, to), to)
COOPER_WRAP(int, renameat2, (int from_at, const char* from, int to_at, const char* to, unsigned flags),
            (from_at, from, to_at, to, flags), to)
COOPER_WRAP(int, link, (const char* from, const char* to), (from, to), to)
COOPER_WRAP(int, linkat, (int from_at, const char* from, int to_at, const char* to, int flags),
            (from_at, from, to_at, to, flags), to)
COOPER_WRAP(int, unlink, (const char* path), (path), path)
COOPER_WRAP(int, mkdir, (const char* path, mode_t mode), (path, mode), path)
COOPER_WRAP(int, ftruncate, (int file, off_t size), (file, size), file)
COOPER_WRAP(int, ftruncate64, (int file, off_t size), (file, size), file)
COOPER_WRAP(int, fsync, (int file), (file), file)
COOPER_WRAP(int, flock, (int file, int operation), (file, operation), file)
COOPER_WRAP(int, futimens, (int file, const timespec* times), (file, times), file)
COOPER_WRAP(int, utimensat, (int at, const char* path, const timespec* times, int flags), (at, path, times, flags),
            path)
