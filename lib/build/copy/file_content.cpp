#include "build/copy/file_content.hpp"

#include "cooper/base/error.hpp"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace cooper::build {

namespace {

constexpr std::uint64_t kWorthSharing = 64 * 1024;          // below, reading and writing is one call each
constexpr std::uint64_t kKernelStep = 64ULL * 1024 * 1024;  // between two looks at the stop token

[[noreturn]] void throw_changed(const SourceRoot& from, const std::string& path) {
    Error error(ErrorCode::Integrity, from.shown(path) + " changed since it was chosen");
    error.advise("run it again when nothing writes to the directory");
    throw Error(error);
}

bool is_same(const FileStatus& one, const FileStatus& other) {
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino && one.st_size == other.st_size &&
           one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec &&
           one.st_ctim.tv_sec == other.st_ctim.tv_sec && one.st_ctim.tv_nsec == other.st_ctim.tv_nsec;
}

void check_same(const SourceRoot& from, const std::string& path, int file, const FileStatus& status) {
    struct stat now {};
    if (fstat(file, &now) != 0) {
        throw SystemError("cannot look at " + from.shown(path), errno);
    }
    if (!S_ISREG(now.st_mode) || !is_same(now, status)) {
        throw_changed(from, path);
    }
}

/// How far it came: the rest is done by hand.
std::uint64_t copy_in_kernel(int from, int to, std::uint64_t size, const Run& run) {
    if (size < kWorthSharing) {
        return 0;
    }
    if (ioctl(to, FICLONE, from) == 0) {
        return size;
    }
    std::uint64_t done = 0;
    while (done < size) {
        run.check();
        const auto count = copy_file_range(from, nullptr, to, nullptr, std::min(size - done, kKernelStep), 0);
        if (count <= 0) {
            break;  // other file systems, or the end: read() tells
        }
        done += static_cast<std::uint64_t>(count);
    }
    return done;
}

void write_all(int file, Bytes chunk, const std::string& shown) {
    while (!chunk.empty()) {
        const auto count = write(file, chunk.data(), chunk.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            throw SystemError("cannot write " + shown + " in the image", count < 0 ? errno : ENOSPC);
        }
        chunk = chunk.subspan(static_cast<std::size_t>(count));
    }
}

}  // namespace

void copy_content(const SourceRoot& from, const std::string& path, const FileStatus& status, int to,
                  const std::string& shown, const Run& run) {
    const FileDescriptor file = from.open(path);
    if (!file.valid()) {
        throw_changed(from, path);
    }
    check_same(from, path, file.get(), status);
    const auto size = static_cast<std::uint64_t>(status.st_size);
    std::uint64_t done = copy_in_kernel(file.get(), to, size, run);
    const std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(size - done + 1, kStreamStep));
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(step);
    while (done < size) {
        const auto count = read(file.get(), buffer.get(), step);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            throw SystemError("cannot read " + from.shown(path), errno);
        }
        if (count == 0 || static_cast<std::uint64_t>(count) > size - done) {
            throw_changed(from, path);
        }
        write_all(to, Bytes(buffer.get(), static_cast<std::size_t>(count)), shown);
        done += static_cast<std::uint64_t>(count);
        run.check();
    }
    check_same(from, path, file.get(), status);
}

}  // namespace cooper::build
