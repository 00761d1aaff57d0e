#include "build/snapshot/file_copy.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "build/snapshot/tree_root.hpp"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace cooper::build {

namespace {

constexpr std::size_t kCopyStep = 16U << 20U;  // between two looks at a stop request

void copy_through_memory(int from, int to, const std::string& path, const Run& run) {
    FileSource source(from, path);
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kStreamStep);
    std::uint64_t offset = 0;
    for (;;) {
        run.check();
        const std::size_t count = source.read({buffer.get(), kStreamStep});
        if (count == 0) {
            return;
        }
        write_all_at(to, offset, {buffer.get(), count}, path);
        offset += count;
    }
}

}  // namespace

std::size_t FileSource::read(MutableBytes into) {
    for (;;) {
        const ssize_t count = ::read(file_, into.data(), into.size());
        if (count >= 0) {
            return static_cast<std::size_t>(count);
        }
        if (errno != EINTR) {
            throw SystemError("cannot read " + TreeRoot::shown(path_), errno);
        }
    }
}

void copy_content(int from, int to, const std::string& path, const Run& run) {
    if (ioctl(to, FICLONE, from) == 0) {
        return;
    }
    bool copied_some = false;
    for (;;) {
        run.check();
        const ssize_t count = copy_file_range(from, nullptr, to, nullptr, kCopyStep, 0);
        if (count > 0) {
            copied_some = true;
        } else if (count == 0 && copied_some) {
            return;
        } else if (count < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EFBIG || copied_some)) {
            throw SystemError("cannot copy " + TreeRoot::shown(path), errno);
        } else {
            return copy_through_memory(from, to, path, run);  // nothing yet: empty, or not between these file systems
        }
    }
}

}  // namespace cooper::build
