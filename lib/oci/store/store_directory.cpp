#include "oci/store/store_directory.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/oci/layout.hpp"

#include "oci/layout/entries.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>
#include <tuple>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLockFile = "lock";
constexpr std::chrono::milliseconds kLockPause{1};
constexpr int kLockTries = 10'000;

std::string random_hex() {
    std::array<std::byte, 8> random{};
    if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
        throw SystemError("cannot get random bytes", errno);
    }
    return to_hex(random);
}

std::optional<FileStatus> regular_file(const fs::path& path) {
    FileStatus status{};
    if (lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
        return status;
    }
    return std::nullopt;
}

void make_directory(const fs::path& path, mode_t mode) {
    if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
        throw SystemError("cannot make the directory " + path.string(), errno);
    }
}

/// What is missing above the store, and the store: private images are nobody else's business.
void make_root(const fs::path& path) {
    std::error_code error;
    fs::create_directories(fs::absolute(path).parent_path(), error);
    make_directory(path, 0700);
}

}  // namespace

bool is_same_file(const FileStatus& a, const FileStatus& b) noexcept {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool is_not_after(const timespec& before, const timespec& after) noexcept {
    return std::tie(before.tv_sec, before.tv_nsec) <= std::tie(after.tv_sec, after.tv_nsec);
}

bool try_flock(int file, const fs::path& path) {
    int result = 0;
    do {
        result = flock(file, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno != EWOULDBLOCK) {
        throw SystemError("cannot lock " + path.string(), errno);
    }
    return result == 0;
}

StoreDirectory::StoreDirectory(const fs::path& path) : path_(path) {
    make_root(path_);
    static_cast<void>(OciLayout::open_or_create(path_));
    try {
        make_parts();
        take_lease();
    } catch (const Error& error) {
        if (lease_.valid()) {
            unlink(lease_path_.c_str());
            lease_ = FileDescriptor();
        }
        read_only_ = error.what();
    }
}

StoreDirectory::~StoreDirectory() {
    if (lease_.valid()) {
        unlink(lease_path_.c_str());
    }
}

void StoreDirectory::make_parts() {
    for (const auto part : {std::string_view("blobs"), std::string_view("blobs/sha256"), kIngestDirectory,
                            kLeaseDirectory, kMemoryDirectory}) {
        make_directory(path_ / part, 0777);
    }
    if (access(path_.c_str(), W_OK) != 0 || access((path_ / kIngestDirectory).c_str(), W_OK) != 0) {
        throw SystemError("cannot write to " + path_.string(), errno);
    }
}

void StoreDirectory::take_lease() {
    const Lock lock(*this, Lock::Kind::Shared);  // gc must not find the file before it is locked
    lease_path_ = path_ / kLeaseDirectory / (std::to_string(getpid()) + "." + random_hex());
    FileDescriptor lease(::open(lease_path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!lease.valid()) {
        throw SystemError("cannot create " + lease_path_.string(), errno);
    }
    lease_ = std::move(lease);
    static_cast<void>(try_flock(lease_.get(), lease_path_));
    // Not the kernel's own time for new files, which lags behind by a tick: blobs touched in it would seem to be ours.
    FileStatus status{};
    touch(lease_.get(), nullptr);
    if (fstat(lease_.get(), &status) != 0) {
        throw SystemError("cannot examine " + lease_path_.string(), errno);
    }
    lease_start_ = status.st_mtim;
}

fs::path StoreDirectory::blob_file(const Digest& digest) const {
    return path_ / blob_path(digest);
}

fs::path StoreDirectory::ingest_file(const Digest& digest) const {
    return path_ / kIngestDirectory / (std::string(digest.algorithm_name()) + "-" + std::string(digest.hex()));
}

fs::path StoreDirectory::new_ingest_file(const Digest& digest) const {
    return ingest_file(digest).string() + "." + random_hex();
}

StoreDirectory::Lock::Lock(const StoreDirectory& directory, Kind kind) {
    const fs::path path = directory.path() / kLockFile;
    file_ = FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!file_.valid()) {
        throw SystemError("cannot open " + path.string(), errno);
    }
    const int operation = (kind == Kind::Shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
    for (int tries = 0; flock(file_.get(), operation) != 0; ++tries) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            throw SystemError("cannot lock " + path.string(), errno);
        }
        if (tries == kLockTries) {
            throw Error(ErrorCode::Unavailable, "another process holds " + path.string() + " and does not go on");
        }
        system_clock().sleep_for(kLockPause, {});
    }
}

/// Not before the lease began, even when the clock was set back since: that is what gc goes by.
void StoreDirectory::touch(int directory, const char* file) const {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    const timespec time = is_not_after(lease_start_, now) ? now : lease_start_;
    const std::array<timespec, 2> times = {timespec{0, UTIME_OMIT}, time};
    const int result = file == nullptr ? futimens(directory, times.data())
                                       : utimensat(directory, file, times.data(), AT_SYMLINK_NOFOLLOW);
    if (result != 0) {
        throw SystemError("cannot touch a file of " + path_.string(), errno);
    }
}

std::optional<FileStatus> StoreDirectory::use(const Digest& digest) const {
    const fs::path file = blob_file(digest);
    auto status = regular_file(file);
    if (!status || !lease_.valid()) {
        return status;
    }
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    if (is_not_after(lease_start_, status->st_mtim) && is_not_after(status->st_mtim, now)) {
        return status;
    }
    const Lock lock(*this, Lock::Kind::Shared);
    try {
        touch(AT_FDCWD, file.c_str());
    } catch (const SystemError&) {
        // Gone meanwhile, or a file of another user, which gc of this one cannot know to be in use.
    }
    return regular_file(file);
}

FileDescriptor StoreDirectory::open(const Digest& digest) const {
    if (!use(digest)) {
        return {};
    }
    const fs::path file = blob_file(digest);
    FileDescriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY));
    if (!opened.valid() && errno != ENOENT) {
        throw SystemError("cannot open " + file.string(), errno);
    }
    return opened;
}

void StoreDirectory::publish(int file, const fs::path& from, const Digest& digest) const {
    const fs::path to = blob_file(digest);
    const Lock lock(*this, Lock::Kind::Shared);
    touch(file, nullptr);
    if (rename(from.c_str(), to.c_str()) == 0) {
        return;
    }
    if (errno == ENOENT) {  // the first blob of its algorithm
        make_directory(to.parent_path(), 0777);
        if (rename(from.c_str(), to.c_str()) == 0) {
            return;
        }
    }
    throw SystemError("cannot rename " + from.string() + " to " + to.string(), errno);
}

bool StoreDirectory::link(const fs::path& from, const Digest& digest) const {
    const fs::path to = blob_file(digest);
    const Lock lock(*this, Lock::Kind::Shared);
    make_directory(to.parent_path(), 0777);
    if (::link(from.c_str(), to.c_str()) != 0) {
        return false;
    }
    touch(AT_FDCWD, to.c_str());
    return true;
}

bool StoreDirectory::remove(const fs::path& file, const std::function<bool(const FileStatus&)>& is_meant) const {
    const Lock lock(*this, Lock::Kind::Exclusive);
    FileStatus status{};
    return lstat(file.c_str(), &status) == 0 && is_meant(status) && unlink(file.c_str()) == 0;
}

void StoreDirectory::warn(const Run& run, const std::string& why) const {
    if (!warned_.exchange(true)) {
        run.progress->notice(NoticeLevel::Warning, "nothing more is kept in the store " + path_.string() + ": " + why);
    }
}

}  // namespace cooper::oci
