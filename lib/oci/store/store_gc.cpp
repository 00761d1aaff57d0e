#include "cooper/base/error.hpp"

#include "oci/descriptor_json.hpp"
#include "oci/layout/index_file.hpp"
#include "oci/store/store_contents.hpp"
#include "oci/store/store_names.hpp"
#include "oci/store/store_state.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <system_error>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

/// Memories that nobody looked at for so long are of trees that are gone.
constexpr seconds kMemoryAge{90 * 24 * 3600};
/// Nobody writes an index or a manifest for so long: a process was killed there.
constexpr seconds kTemporaryAge{3600};

std::uint64_t size_of(const FileStatus& status) {
    return static_cast<std::uint64_t>(status.st_size);
}

bool is_untouched(const FileStatus& now, const FileStatus& then) {
    return is_same_file(now, then) && is_not_after(now.st_mtim, then.st_mtim) &&
           is_not_after(then.st_mtim, now.st_mtim);
}

/// Regular files below `directory`.
template <class Visit>
void for_each_file(const fs::path& directory, Visit&& visit) {
    std::error_code error;
    for (fs::recursive_directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        FileStatus status{};
        if (lstat(entry->path().c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
            visit(entry->path(), status);
        }
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        throw SystemError("cannot list " + directory.string(), error.value());
    }
}

/// True when no process holds the file's lock. `file` keeps it until then.
bool is_left_over(const fs::path& path, FileDescriptor& file) {
    file = FileDescriptor(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY));
    return file.valid() && try_flock(file.get(), path);
}

/// ".NAME.RANDOM.tmp", as AtomicFile calls files that are not finished.
bool is_temporary(const fs::path& path) {
    const std::string name = path.filename();
    return name.starts_with('.') && name.ends_with(".tmp");
}

class Collector {
public:
    Collector(const StoreDirectory& directory, const Store::GcOptions& options, const Run& run)
        : directory_(directory), options_(options), run_(run), now_(run.clock->now_seconds()) {}

    Store::Collected run() {
        // In this order: see store_directory.hpp.
        files_ = list_blobs(directory_);
        look_at_leases();
        references_ = read_references(directory_, run_);
        check_documents();
        count_needs();
        choose_names();
        if (!options_.dry_run && !dropped_.empty()) {
            drop_names();
        }
        for (const NamedImage* image : dropped_) {
            collected_.names.push_back(image->name);
        }
        sweep_blobs();
        sweep_left_overs();
        return std::move(collected_);
    }

private:
    void look_at_leases();
    void check_documents() const;
    void count_needs();
    void choose_names();
    void drop_names();
    void sweep_blobs();
    void sweep_left_overs();
    void remove(const fs::path& path, const FileStatus& status);
    std::uint64_t let_go(const NamedImage& image);

    [[nodiscard]] seconds age(const FileStatus& status) const {
        const TimePoint changed{seconds(status.st_mtim.tv_sec)};
        return std::max(now_ - changed, seconds(0));  // the clock may have been ahead
    }
    [[nodiscard]] bool in_use(const FileStatus& status) const {
        return oldest_lease_ && is_not_after(*oldest_lease_, status.st_mtim);
    }
    [[nodiscard]] bool may_go(const StoredFile& file) const;
    [[nodiscard]] const StoredFile* root_of(const NamedImage& image) const { return file_of_[image.needs.front()]; }

    const StoreDirectory& directory_;
    const Store::GcOptions& options_;
    const Run& run_;
    TimePoint now_;
    std::vector<StoredFile> files_;
    std::optional<timespec> oldest_lease_;
    StoreReferences references_;
    std::vector<const StoredFile*> file_of_;  // by position in references_.blobs; nullptr: not here
    std::vector<std::size_t> needed_by_;      // by position: how many images
    std::vector<const NamedImage*> dropped_;
    Store::Collected collected_;
};

void Collector::look_at_leases() {
    const StoreDirectory::Lock lock(directory_, StoreDirectory::Lock::Kind::Exclusive);
    for_each_file(directory_.path() / kLeaseDirectory, [&](const fs::path& path, const FileStatus& status) {
        FileDescriptor lease;
        if (path == directory_.own_lease()) {
            return;
        }
        if (is_left_over(path, lease)) {
            if (!options_.dry_run) {
                unlink(path.c_str());
            }
        } else if (!oldest_lease_ || is_not_after(status.st_mtim, *oldest_lease_)) {
            oldest_lease_ = status.st_mtim;
        }
    });
    collected_.in_use = oldest_lease_.has_value();
}

void Collector::check_documents() const {
    if (references_.damaged.empty()) {
        return;
    }
    Error error(ErrorCode::Integrity, directory_.blob_file(references_.damaged.front()).string() +
                                          " is damaged, so what its image needs is not known; nothing is removed");
    error.advise("cooper store verify --remove-damaged, then this again");
    throw error;
}

void Collector::count_needs() {
    file_of_.assign(references_.blobs.size(), nullptr);
    needed_by_.assign(references_.blobs.size(), 0);
    for (const StoredFile& file : files_) {
        if (const auto found = references_.positions.find(file.digest); found != references_.positions.end()) {
            file_of_[found->second] = &file;
        }
    }
    for (const NamedImage& image : references_.images) {
        for (const std::size_t position : image.needs) {
            ++needed_by_[position];
        }
    }
}

/// Grace is for what may still be named; what was named until now goes at once.
bool Collector::may_go(const StoredFile& file) const {
    const auto found = references_.positions.find(file.digest);
    if (found != references_.positions.end()) {
        return needed_by_[found->second] == 0 && !in_use(file.status);
    }
    return age(file.status) >= options_.grace && !in_use(file.status);
}

/// What becomes free when `image` goes as well.
std::uint64_t Collector::let_go(const NamedImage& image) {
    std::uint64_t freed = 0;
    for (const std::size_t position : image.needs) {
        if (--needed_by_[position] == 0 && file_of_[position] != nullptr && may_go(*file_of_[position])) {
            freed += file_of_[position]->size();
        }
    }
    dropped_.push_back(&image);
    return freed;
}

void Collector::choose_names() {
    if (!options_.max_age && !options_.max_bytes) {
        return;
    }
    std::vector<const NamedImage*> by_use;
    for (const NamedImage& image : references_.images) {
        if (root_of(image) == nullptr || !in_use(root_of(image)->status)) {
            by_use.push_back(&image);
        }
    }
    const auto last_use = [&](const NamedImage* image) {
        const StoredFile* root = root_of(*image);
        return root == nullptr ? std::pair<time_t, long>(0, 0)
                               : std::pair(root->status.st_mtim.tv_sec, root->status.st_mtim.tv_nsec);
    };
    std::stable_sort(by_use.begin(), by_use.end(),
                     [&](const NamedImage* a, const NamedImage* b) { return last_use(a) < last_use(b); });
    std::uint64_t total = 0;
    for (const auto part : {kIngestDirectory, kMemoryDirectory}) {
        for_each_file(directory_.path() / part,
                      [&](const fs::path&, const FileStatus& each) { total += size_of(each); });
    }
    for (const StoredFile& file : files_) {
        total += may_go(file) ? 0 : file.size();
    }
    for (const NamedImage* image : by_use) {
        const StoredFile* root = root_of(*image);
        const bool too_old = options_.max_age && (root == nullptr || age(root->status) > *options_.max_age);
        if (too_old || (options_.max_bytes && total > *options_.max_bytes)) {
            total -= let_go(*image);
        }
    }
}

/// An image that somebody has used meanwhile stays.
void Collector::drop_names() {
    std::vector<const NamedImage*> kept;
    const auto goes = [&](const json::Value& entry) {
        const Descriptor descriptor = read_descriptor(entry, kIndexJson);
        return std::any_of(dropped_.begin(), dropped_.end(), [&](const NamedImage* image) {
            return image->root.digest == descriptor.digest && image->root.annotations == descriptor.annotations;
        });
    };
    change_names(
        directory_,
        [&](json::Value& document) {
            const auto still_used =
                std::stable_partition(dropped_.begin(), dropped_.end(), [&](const NamedImage* image) {
                    const StoredFile* root = root_of(*image);
                    FileStatus now{};
                    return root == nullptr || lstat(root->path.c_str(), &now) != 0 || is_untouched(now, root->status);
                });
            kept.assign(still_used, dropped_.end());
            dropped_.erase(still_used, dropped_.end());
            json::Value left = json::Value::array();
            for (json::Value& entry : document["manifests"]) {
                if (!goes(entry)) {
                    left.push_back(std::move(entry));
                }
            }
            document["manifests"] = std::move(left);
            return !dropped_.empty();
        },
        run_);
    for (const NamedImage* image : kept) {
        for (const std::size_t position : image->needs) {
            ++needed_by_[position];
        }
    }
}

void Collector::sweep_blobs() {
    for (const StoredFile& file : files_) {
        run_.check();
        if (!may_go(file)) {
            continue;
        }
        if (options_.dry_run ||
            directory_.remove(file.path, [&](const FileStatus& now) { return is_untouched(now, file.status); })) {
            ++collected_.blobs;
            collected_.bytes += file.size();
        }
    }
}

void Collector::remove(const fs::path& path, const FileStatus& status) {
    if (options_.dry_run || unlink(path.c_str()) == 0) {
        collected_.bytes += size_of(status);
    }
}

void Collector::sweep_left_overs() {
    for_each_file(directory_.path() / kIngestDirectory, [&](const fs::path& path, const FileStatus& status) {
        FileDescriptor file;
        if (age(status) >= options_.grace && is_left_over(path, file)) {
            remove(path, status);
        }
    });
    for_each_file(directory_.path() / kMemoryDirectory, [&](const fs::path& path, const FileStatus& status) {
        if (age(status) > options_.max_age.value_or(kMemoryAge)) {
            remove(path, status);
        }
    });
    for_each_file(directory_.path(), [&](const fs::path& path, const FileStatus& status) {
        if (is_temporary(path) && age(status) >= kTemporaryAge) {
            remove(path, status);
        }
    });
}

}  // namespace

Store::Collected Store::gc(const GcOptions& options, const Run& run) const {
    if (!state_->why_read_only().empty() && !options.dry_run) {
        throw Error(ErrorCode::System, state_->why_read_only());
    }
    return in_context(path().string(), [&] { return Collector(*state_, options, run).run(); });
}

Store::Usage Store::usage(const Run& run) const {
    Usage usage;
    for (const StoredFile& file : list_blobs(*state_)) {
        ++usage.blobs;
        usage.bytes += file.size();
    }
    for_each_file(path() / kIngestDirectory,
                  [&](const fs::path&, const FileStatus& status) { usage.partial_bytes += size_of(status); });
    for_each_file(path() / kMemoryDirectory,
                  [&](const fs::path&, const FileStatus& status) { usage.other_bytes += size_of(status); });
    try {
        const Collected unreferenced = gc({.max_bytes = {}, .max_age = {}, .dry_run = true}, run);
        usage.unreferenced_blobs = unreferenced.blobs;
        usage.unreferenced_bytes = unreferenced.bytes;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Integrity) {
            throw;
        }
        run.progress->notice(NoticeLevel::Warning, error.what());
    }
    return usage;
}

}  // namespace cooper::oci
