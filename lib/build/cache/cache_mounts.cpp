// Where the directories of cache mounts lie:
//
//   DIRECTORY/FORM/HEX-N/tree    what the step sees
//   DIRECTORY/FORM/HEX-N/new     a tree that is being made
//
// FORM is DiskForm::name, so that no mode meets owners that another one wrote; HEX names all that is asked for; N is 0
// but for those Private ones that came when 0 was taken. Who uses a directory holds flock(2) on HEX-N: shared for
// Shared, exclusive for the others, for making and for collecting it. Its time is that of the last use.
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/build_cache.hpp"

#include "build/cache/seed_copy.hpp"
#include "build/snapshot/disk_form.hpp"
#include "build/snapshot/snapshot_directory.hpp"
#include "oci/printable.hpp"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <map>
#include <optional>
#include <set>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;
using Sharing = CacheMounts::Sharing;

constexpr const char* kTree = "tree";
constexpr const char* kNew = "new";
constexpr std::chrono::milliseconds kLockPause{20};
constexpr mode_t kPermissions = 07777;
constexpr std::uint64_t kStatBlock = 512;  // what st_blocks counts, whatever the file system's blocks are

/// An id may hold anything.
std::string name_of(const CacheMounts::Wanted& wanted) {
    StepKey key("cache mount");
    key.add("id", wanted.id);
    key.add("owner", std::to_string(wanted.uid) + ":" + std::to_string(wanted.gid));
    key.add("mode", std::to_string(wanted.mode));
    key.add("seed", wanted.seed_digest ? wanted.seed_digest->text() : wanted.seed.string());
    return std::string(key.finish().hex());
}

void make_directory(const fs::path& path) {
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
        throw SystemError("cannot make the directory " + path.string(), errno);
    }
}

bool has_tree(const fs::path& directory) {
    struct stat status {};
    return lstat((directory / kTree).c_str(), &status) == 0;
}

void set_owner_and_mode(const fs::path& made, const CacheMounts::Wanted& wanted, const DiskForm& form) {
    const bool is_ours = wanted.uid == 0 && wanted.gid == 0;
    if (form.owners && !is_ours && chown(made.c_str(), wanted.uid, wanted.gid) != 0) {
        throw SystemError("cannot set the owner of " + made.string(), errno);
    }
    if (chmod(made.c_str(), wanted.mode & kPermissions) != 0) {
        throw SystemError("cannot set the mode of " + made.string(), errno);
    }
}

/// Under the exclusive lock.
void make_tree(const fs::path& directory, const CacheMounts::Wanted& wanted, const DiskForm& form, const Run& run) {
    const fs::path made = directory / kNew;
    remove_quietly(made);
    bool as_seed = false;
    if (wanted.seed.empty()) {
        make_directory(made);
    } else {
        copy_seed(wanted.seed, made, form, run);
        as_seed = wanted.uid == 0 && wanted.gid == 0 && wanted.mode == CacheMounts::Wanted().mode;
    }
    if (!as_seed) {
        set_owner_and_mode(made, wanted, form);
    }
    if (rename(made.c_str(), (directory / kTree).c_str()) != 0) {
        throw SystemError("cannot rename " + made.string(), errno);
    }
}

/// The lock of `directory` with its tree made; invalid: others have it.
FileDescriptor try_take(const fs::path& directory, const CacheMounts::Wanted& wanted, const DiskForm& form,
                        const Run& run) {
    make_directory(directory);
    if (wanted.sharing == Sharing::Shared && has_tree(directory)) {
        FileDescriptor shared = lock_directory(directory, false);
        return has_tree(directory) ? std::move(shared) : FileDescriptor();  // without: collected meanwhile
    }
    FileDescriptor alone = lock_directory(directory, true);
    if (!alone.valid()) {
        return alone;
    }
    if (!has_tree(directory)) {
        make_tree(directory, wanted, form, run);
    }
    // Another one may slip in between, since flock(2) gives the lock up before it takes the other kind.
    const bool kept = wanted.sharing != Sharing::Shared || flock(alone.get(), LOCK_SH | LOCK_NB) == 0;
    return kept ? std::move(alone) : FileDescriptor();
}

class HeldMount final : public CacheMounts::Lease {
public:
    HeldMount(const fs::path& directory, FileDescriptor lock) : tree_(directory / kTree), lock_(std::move(lock)) {
        futimens(lock_.get(), nullptr);
    }
    ~HeldMount() override { futimens(lock_.get(), nullptr); }
    HeldMount(const HeldMount&) = delete;
    HeldMount& operator=(const HeldMount&) = delete;
    [[nodiscard]] const fs::path& path() const override { return tree_; }

private:
    fs::path tree_;
    FileDescriptor lock_;
};

/// `stem`: the directory without its number.
std::unique_ptr<CacheMounts::Lease> take(const fs::path& stem, const CacheMounts::Wanted& wanted, const DiskForm& form,
                                         const Run& run) {
    bool told = false;
    for (unsigned number = 0;;) {
        run.check();
        const fs::path directory = stem.string() + "-" + std::to_string(number);
        if (FileDescriptor lock = try_take(directory, wanted, form, run); lock.valid()) {
            return std::make_unique<HeldMount>(directory, std::move(lock));
        }
        if (wanted.sharing == Sharing::Private) {
            ++number;
            continue;
        }
        if (!told) {
            run.progress->notice(NoticeLevel::Info, "waiting for the cache mount '" + oci::printable(wanted.id) +
                                                        "', which another step has");
            told = true;
        }
        run.clock->sleep_for(kLockPause, run.stop);
    }
}

std::uint64_t bytes_below(const fs::path& directory, const Run& run) {
    std::uint64_t bytes = 0;
    std::set<std::pair<dev_t, ino_t>> linked;
    std::error_code error;
    for (fs::recursive_directory_iterator item(directory, fs::directory_options::skip_permission_denied, error), end;
         !error && item != end; item.increment(error)) {
        run.check();
        struct stat status {};
        if (lstat(item->path().c_str(), &status) != 0 ||
            (!S_ISDIR(status.st_mode) && status.st_nlink > 1 && !linked.emplace(status.st_dev, status.st_ino).second)) {
            continue;
        }
        bytes += static_cast<std::uint64_t>(status.st_blocks) * kStatBlock;
    }
    return bytes;
}

std::vector<fs::path> mounts_below(const fs::path& directory) {
    std::vector<fs::path> mounts;
    std::error_code absent;
    for (const auto& form : fs::directory_iterator(directory, absent)) {
        std::error_code unreadable;
        for (const auto& mount : fs::directory_iterator(form.path(), unreadable)) {
            mounts.push_back(mount.path());
        }
    }
    return mounts;
}

/// Under the exclusive lock. False: something of it stays.
bool remove_mount(const fs::path& directory) {
    remove_quietly(directory / kTree);
    remove_quietly(directory / kNew);
    return rmdir(directory.c_str()) == 0;
}

bool was_used_within(std::chrono::seconds age, int directory, const Run& run) {
    struct stat status {};
    if (fstat(directory, &status) != 0) {
        return true;
    }
    const auto unused = run.clock->now() - std::chrono::system_clock::from_time_t(status.st_mtime);
    return std::chrono::duration_cast<std::chrono::seconds>(unused) <= age;
}

}  // namespace

CacheMounts::CacheMounts(fs::path directory, Confinement how)
    : directory_(std::move(directory)), how_(std::move(how)) {}

std::unique_ptr<CacheMounts::Lease> CacheMounts::acquire(const Wanted& wanted, const Run& run) {
    std::error_code unmade;  // shows with the next one
    fs::create_directories(directory_, unmade);
    const DiskForm form = disk_form(how_);
    make_directory(directory_ / form.name);
    return take(directory_ / form.name / name_of(wanted), wanted, form, run);
}

std::vector<std::shared_ptr<CacheMounts::Lease>> CacheMounts::acquire_all(const std::vector<Wanted>& wanted,
                                                                          const Run& run) {
    std::map<std::string, Wanted> by_name;
    for (const Wanted& each : wanted) {
        const auto [known, added] = by_name.emplace(name_of(each), each);
        if (!added && known->second.sharing == Sharing::Shared) {
            known->second.sharing = each.sharing;
        }
    }
    std::map<std::string, std::shared_ptr<Lease>> leases;
    for (const auto& [name, each] : by_name) {
        leases.emplace(name, acquire(each, run));
    }
    std::vector<std::shared_ptr<Lease>> in_order;
    in_order.reserve(wanted.size());
    for (const Wanted& each : wanted) {
        in_order.push_back(leases.at(name_of(each)));
    }
    return in_order;
}

CacheMounts::Usage CacheMounts::usage(const fs::path& directory, const Run& run) {
    Usage usage;
    for (const fs::path& mount : mounts_below(directory)) {
        ++usage.mounts;
        usage.bytes += bytes_below(mount, run);
    }
    return usage;
}

CacheMounts::Usage CacheMounts::collect(const fs::path& directory, std::chrono::seconds max_age, bool dry_run,
                                        const Run& run) {
    Usage removed;
    for (const fs::path& mount : mounts_below(directory)) {
        run.check();
        const FileDescriptor lock = lock_directory(mount, true);
        if (!lock.valid() || was_used_within(max_age, lock.get(), run)) {
            continue;
        }
        const std::uint64_t bytes = bytes_below(mount, run);
        if (dry_run || remove_mount(mount)) {
            ++removed.mounts;
            removed.bytes += bytes;
        }
    }
    return removed;
}

}  // namespace cooper::build
