#include "build/sandbox/stubs.hpp"

#include "cooper/base/error.hpp"

#include "oci/printable.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace cooper::build::sandbox {

namespace {

[[noreturn]] void fail_to_make(const std::string& name) {
    const int error_number = errno;
    SystemError error("cannot make '" + oci::printable(name) + "' to mount on", error_number);
    if (error_number == EROFS) {
        error.advise(
            "it would lie in a mount that is read-only: mount that one with rw, or make the file in its source");
    }
    throw error;
}

}  // namespace

KeepTime::KeepTime(int directory) : directory_(directory) {
    struct stat status {};
    if (fstat(directory, &status) != 0) {
        throw SystemError("cannot look at a directory", errno);
    }
    time_ = status.st_mtim;
}

KeepTime::~KeepTime() {
    const std::array<timespec, 2> times{{{0, UTIME_OMIT}, time_}};
    static_cast<void>(utimensat(directory_, ".", times.data(), 0));
}

Stubs::~Stubs() {
    while (!stubs_.empty()) {
        static_cast<void>(remove_one(stubs_.back()));
        stubs_.pop_back();
    }
}

void Stubs::record(int parent, const std::string& name, Goes goes) {
    struct stat status {};
    FileDescriptor kept(fcntl(parent, F_DUPFD_CLOEXEC, 0));
    if (!kept.valid() || fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        throw SystemError("cannot look at '" + oci::printable(name) + "'", errno);
    }
    stubs_.push_back({std::move(kept), name, status.st_dev, status.st_ino, S_ISDIR(status.st_mode), goes});
}

void Stubs::make_directory(int parent, const std::string& name) {
    const KeepTime keep(parent);
    if (mkdirat(parent, name.c_str(), 0755) != 0) {
        fail_to_make(name);
    }
    record(parent, name, Goes::WhenEmpty);
    static_cast<void>(fchmodat(parent, name.c_str(), 0755, 0));  // whatever our umask is
}

FileDescriptor Stubs::make_file(int parent, const std::string& name, Goes goes) {
    const KeepTime keep(parent);
    FileDescriptor file(openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid()) {
        fail_to_make(name);
    }
    record(parent, name, goes);
    return file;
}

bool Stubs::make_device(int parent, const std::string& name, mode_t mode, dev_t device) {
    const KeepTime keep(parent);
    if (mknodat(parent, name.c_str(), mode, device) != 0) {
        return false;
    }
    record(parent, name, Goes::Always);
    static_cast<void>(fchmodat(parent, name.c_str(), mode & 07777U, 0));
    return true;
}

int Stubs::remove_one(const Stub& stub) {
    struct stat status {};
    if (fstatat(stub.parent.get(), stub.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        return errno == ENOENT ? 0 : errno;
    }
    const bool ours = status.st_dev == stub.device && status.st_ino == stub.inode;
    if (!ours || (!stub.directory && stub.goes == Goes::WhenEmpty && status.st_size != 0)) {
        return 0;  // the command's own
    }
    const KeepTime keep(stub.parent.get());
    if (unlinkat(stub.parent.get(), stub.name.c_str(), stub.directory ? AT_REMOVEDIR : 0) != 0) {
        return errno == ENOTEMPTY || errno == EEXIST || errno == ENOENT ? 0 : errno;
    }
    return 0;
}

void Stubs::remove() {
    int failed = 0;
    std::string what;
    while (!stubs_.empty()) {
        if (const int error_number = remove_one(stubs_.back()); error_number != 0) {
            failed = error_number;
            what = stubs_.back().name;
        }
        stubs_.pop_back();
    }
    if (failed != 0) {
        throw SystemError("cannot remove the mount point '" + oci::printable(what) + "' after the command", failed);
    }
}

}  // namespace cooper::build::sandbox
