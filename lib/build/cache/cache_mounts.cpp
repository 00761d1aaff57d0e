// Where the directories of cache mounts lie:
//
//   DIRECTORY/MODE/HEX-N/tree    what the step sees; MODE as the snapshots' trees have it, N is 0 but for Private
//   DIRECTORY/MODE/HEX-N/lock    flock(2): shared by Shared, exclusive for Private, Locked, making and collecting it;
//                                its time is that of the last use
//   DIRECTORY/MODE/HEX-N/new     a tree that is being made
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/build_cache.hpp"

#include "build/apply/removal.hpp"
#include "build/cache/seed_copy.hpp"
#include "build/directory_stream.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;

constexpr const char* kTree = "tree";
constexpr const char* kNew = "new";
constexpr const char* kLock = "lock";
constexpr std::chrono::milliseconds kLockPoll{20};
/// Builds side by side that have a private directory of one id.
constexpr unsigned kMaxPrivate = 1000;

/// Everything but the id's letters decides it as well: another seed, owner or mode is another directory.
std::string name_of(const CacheMounts::Wanted& wanted) {
    StepKey key("cache mount");
    key.add("id", wanted.id);
    key.add("uid", std::to_string(wanted.uid));
    key.add("gid", std::to_string(wanted.gid));
    key.add("mode", std::to_string(wanted.mode));
    key.add("seed", wanted.seed_digest ? wanted.seed_digest->text() : wanted.seed.string());
    return std::string(key.finish().hex());
}

void make_directory(const fs::path& path) {
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        throw SystemError("cannot make the directory " + path.string(), errno);
    }
}

/// The lock of a directory that is still there: whoever collects it removes the lock as well.
class MountLock {
public:
    explicit MountLock(const fs::path& directory) : path_(directory / kLock) {}

    /// LOCK_SH or LOCK_EX. False: somebody else holds it.
    bool try_lock(int operation) {
        for (;;) {
            if (!file_.valid()) {
                make_directory(path_.parent_path());
                file_ = FileDescriptor(open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
                if (!file_.valid()) {
                    if (errno == ENOENT) {
                        continue;  // collected between the two calls
                    }
                    throw SystemError("cannot open " + path_.string(), errno);
                }
            }
            if (flock(file_.get(), operation | LOCK_NB) != 0) {
                if (errno == EWOULDBLOCK) {
                    return false;
                }
                throw SystemError("cannot lock " + path_.string(), errno);
            }
            struct stat held {};
            struct stat there {};
            if (fstat(file_.get(), &held) == 0 && stat(path_.c_str(), &there) == 0 && held.st_ino == there.st_ino &&
                held.st_dev == there.st_dev) {
                return true;
            }
            file_ = FileDescriptor();
        }
    }

    void note_use() const { futimens(file_.get(), nullptr); }

private:
    fs::path path_;
    FileDescriptor file_;
};

class HeldMount final : public CacheMounts::Lease {
public:
    HeldMount(fs::path tree, MountLock lock) : tree_(std::move(tree)), lock_(std::move(lock)) {}
    ~HeldMount() override { lock_.note_use(); }
    HeldMount(const HeldMount&) = delete;
    HeldMount& operator=(const HeldMount&) = delete;
    [[nodiscard]] const fs::path& path() const override { return tree_; }

private:
    fs::path tree_;
    MountLock lock_;
};

void remove_below(const fs::path& directory, const char* name) {
    const FileDescriptor parent(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!parent.valid()) {
        throw SystemError("cannot open " + directory.string(), errno);
    }
    remove_tree(parent.get(), name, (directory / name).string());
}

/// Under the exclusive lock.
void make_tree(const fs::path& directory, const CacheMounts::Wanted& wanted, const Run& run) {
    const fs::path made = directory / kNew;
    remove_below(directory, kNew);
    const bool seeded = !wanted.seed.empty();
    if (seeded) {
        copy_seed(wanted.seed, made, run);
    } else {
        make_directory(made);
    }
    const bool as_seed = seeded && wanted.uid == 0 && wanted.gid == 0 && wanted.mode == CacheMounts::Wanted().mode;
    if (!as_seed) {
        if ((wanted.uid != 0 || wanted.gid != 0) && chown(made.c_str(), wanted.uid, wanted.gid) != 0 &&
            errno != EPERM && errno != EINVAL) {
            throw SystemError("cannot give " + made.string() + " to its owner", errno);
        }
        if (chmod(made.c_str(), wanted.mode & 07777U) != 0) {
            throw SystemError("cannot set the mode of " + made.string(), errno);
        }
    }
    if (rename(made.c_str(), (directory / kTree).c_str()) != 0) {
        throw SystemError("cannot rename " + made.string(), errno);
    }
}

bool has_tree(const fs::path& directory) {
    struct stat status {};
    return lstat((directory / kTree).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

CacheMounts::CacheMounts(fs::path directory, Confinement how)
    : directory_(std::move(directory)), how_(std::move(how)) {}

std::unique_ptr<CacheMounts::Lease> CacheMounts::acquire(const Wanted& wanted, const Run& run) {
    fs::create_directories(directory_);
    const fs::path mode = directory_ / std::string(to_string(how_.isolation));
    make_directory(mode);
    const std::string name = name_of(wanted);
    bool told = false;
    for (unsigned number = 0;;) {
        run.check();
        const fs::path directory = mode / (name + "-" + std::to_string(number));
        MountLock lock(directory);
        const bool fresh = !has_tree(directory);
        if (lock.try_lock(wanted.sharing == Sharing::Shared && !fresh ? LOCK_SH : LOCK_EX)) {
            if (!has_tree(directory)) {
                if (wanted.sharing == Sharing::Shared && !fresh) {
                    continue;  // collected meanwhile
                }
                make_tree(directory, wanted, run);
            }
            lock.note_use();
            if (wanted.sharing == Sharing::Shared && fresh && !lock.try_lock(LOCK_SH)) {
                continue;
            }
            return std::make_unique<HeldMount>(directory / kTree, std::move(lock));
        }
        if (wanted.sharing == Sharing::Private && number < kMaxPrivate) {
            ++number;
            continue;
        }
        if (!told && wanted.sharing == Sharing::Locked) {
            run.progress->notice(NoticeLevel::Info, "waiting for the cache mount " + oci::printable(wanted.id) +
                                                        ", which another step has");
            told = true;
        }
        run.clock->sleep_for(kLockPoll, run.stop);
    }
}

namespace {

/// Of one file system, hard links once for each name: what is counted is near enough.
std::uint64_t bytes_below(const fs::path& directory, const Run& run) {
    std::uint64_t bytes = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator item(directory, fs::directory_options::skip_permission_denied, error), end;
         !error && item != end; item.increment(error)) {
        run.check();
        struct stat status {};
        if (lstat(item->path().c_str(), &status) == 0) {
            bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
        }
    }
    return bytes;
}

template <class F>
void for_each_mount(const fs::path& directory, F&& body) {
    std::error_code error;
    for (const auto& mode : fs::directory_iterator(directory, error)) {
        std::error_code unreadable;
        for (const auto& mount : fs::directory_iterator(mode.path(), unreadable)) {
            body(mount.path());
        }
    }
}

}  // namespace

CacheMounts::Usage CacheMounts::usage(const fs::path& directory, const Run& run) {
    Usage usage;
    for_each_mount(directory, [&](const fs::path& mount) {
        ++usage.mounts;
        usage.bytes += bytes_below(mount, run);
    });
    return usage;
}

CacheMounts::Usage CacheMounts::collect(const fs::path& directory, std::chrono::seconds max_age, bool dry_run,
                                        const Run& run) {
    Usage removed;
    for_each_mount(directory, [&](const fs::path& mount) {
        struct stat status {};
        if (stat((mount / kLock).c_str(), &status) != 0 ||
            run.clock->now() - std::chrono::system_clock::from_time_t(status.st_mtime) <= max_age) {
            return;
        }
        MountLock lock(mount);
        if (!lock.try_lock(LOCK_EX)) {
            return;
        }
        const std::uint64_t bytes = bytes_below(mount, run);
        if (!dry_run) {
            try {
                remove_below(mount, kTree);
                remove_below(mount, kNew);
            } catch (const SystemError&) {
                return;  // of another mode: its files are not ours to remove
            }
            unlink((mount / kLock).c_str());
            rmdir(mount.c_str());
        }
        ++removed.mounts;
        removed.bytes += bytes;
    });
    return removed;
}

}  // namespace cooper::build
