// Disks that say no: a limit for the size of files, and a file system that is soon full.
#pragma once

#include "cooper/base/files.hpp"

#include <sys/mount.h>
#include <sys/resource.h>

#include <csignal>

namespace cooper::testing {

/// Files cannot grow beyond `bytes` while this lives.
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit now{bytes, before_.rlim_max};
        setrlimit(RLIMIT_FSIZE, &now);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;
    ~FileSizeLimit() {
        setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

private:
    void (*handler_)(int);
    rlimit before_{};
};

/// A file system of 64 KiB in memory; only root may have one.
class SmallDisk {
public:
    SmallDisk() : mounted_(mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=64k") == 0) {}
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    ~SmallDisk() {
        if (mounted_) {
            umount2(directory_.path().c_str(), MNT_DETACH);
        }
    }
    [[nodiscard]] bool mounted() const noexcept { return mounted_; }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return directory_.path(); }

private:
    TempDirectory directory_;
    bool mounted_;
};

}  // namespace cooper::testing
