#include "build/context/tree_files.hpp"

#include "cooper/base/error.hpp"

#include "base/beneath.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cooper::build {

namespace {

constexpr off_t kLargeFile = 1024 * 1024;  // from here on worth a read-ahead hint

bool is_same_time(const timespec& one, const timespec& other) {
    return one.tv_sec == other.tv_sec && one.tv_nsec == other.tv_nsec;
}

}  // namespace

std::string TreeFiles::shown(const std::string& path) const {
    return "'" + oci::printable((name_ / path).native(), kMaxPath) + "'";
}

void TreeFiles::throw_changed(const std::string& path, const char* how) const {
    Error error(ErrorCode::Integrity, shown(path) + how);
    error.advise("run it again when nothing writes to the tree");
    throw error;
}

FileDescriptor TreeFiles::open(const std::string& path, const FileStatus& status) const {
    FileDescriptor opened;
    try {
        auto by_kernel = detail::open_beneath_by_kernel(root_.get(), path);
        opened = by_kernel ? std::move(*by_kernel) : detail::open_beneath_by_walk(root_.get(), path);
    } catch (const SystemError& error) {
        throw SystemError("cannot read " + shown(path), error.error_number());
    } catch (const Error&) {
        throw_changed(path, " was replaced by a symbolic link since the tree was listed");
    }
    if (!opened.valid()) {
        throw_changed(path, " was removed since the tree was listed");
    }
    check_unchanged(opened.get(), path, status);
    if (status.st_size >= kLargeFile) {
        posix_fadvise(opened.get(), 0, 0, POSIX_FADV_SEQUENTIAL);  // a hint: its failure changes nothing
    }
    return opened;
}

void TreeFiles::check_unchanged(int descriptor, const std::string& path, const FileStatus& status) const {
    struct stat now {};
    if (fstat(descriptor, &now) != 0) {
        throw SystemError("cannot look at " + shown(path), errno);
    }
    // Not the ctime: a new hard link or a changed owner is none of the context's.
    if (now.st_dev != status.st_dev || now.st_ino != status.st_ino || now.st_mode != status.st_mode ||
        now.st_size != status.st_size || !is_same_time(now.st_mtim, status.st_mtim)) {
        throw_changed(path, " was changed or replaced since the tree was listed");
    }
}

std::size_t TreeFiles::read_at(int descriptor, const std::string& path, std::uint64_t offset, MutableBytes into) const {
    ssize_t count = 0;
    do {
        count = pread(descriptor, into.data(), into.size(), static_cast<off_t>(offset));
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        throw SystemError("cannot read " + shown(path), errno);
    }
    if (count == 0) {
        throw_changed(path, " became shorter while it was read");
    }
    return static_cast<std::size_t>(count);
}

std::string TreeFiles::beginning(const std::string& path, const FileStatus& status, std::size_t limit) const {
    const auto opened = open(path, status);
    std::string text(std::min(limit, static_cast<std::size_t>(status.st_size)), '\0');
    for (std::size_t done = 0; done < text.size();) {
        const auto rest = std::as_writable_bytes(std::span(text)).subspan(done);
        done += read_at(opened.get(), path, done, rest);
    }
    return text;
}

}  // namespace cooper::build
