#include "cooper/build/build_cache.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "build/cache/cache_transfer.hpp"
#include "build/cache/step_records.hpp"
#include "build/memory_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <map>
#include <mutex>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".step";
/// A find() is a use. It is noted seldom enough to cost nothing, and as the file's time, since many file systems keep
/// no times of access.
constexpr std::chrono::hours kNoteUse{1};

using SystemClock = std::chrono::system_clock;

/// Those of the store, and those of imported records through it.
class KnownBlobs final : public oci::Blobs {
public:
    explicit KnownBlobs(const oci::Store& store) : stored_(store.through(nullptr)) {}

    void add(const Digest& blob, const std::shared_ptr<const oci::Blobs>& place) {
        const std::scoped_lock lock(mutex_);
        places_.emplace(blob, place);
    }

    [[nodiscard]] bool is_imported(const Digest& blob) const {
        const std::scoped_lock lock(mutex_);
        return places_.contains(blob);
    }

    [[nodiscard]] std::unique_ptr<Source> open(const oci::Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override {
        return place_of(blob.digest)->open(blob, offset, run);
    }
    [[nodiscard]] bool verifies() const noexcept override { return true; }

private:
    [[nodiscard]] std::shared_ptr<const oci::Blobs> place_of(const Digest& blob) const {
        const std::scoped_lock lock(mutex_);
        const auto found = places_.find(blob);
        return found == places_.end() ? stored_ : found->second;
    }

    std::shared_ptr<const oci::Blobs> stored_;
    mutable std::mutex mutex_;
    std::map<Digest, std::shared_ptr<const oci::Blobs>> places_;
};

std::optional<StepRecord> read_step(const fs::path& file) {
    const auto text = read_memory(file, kMaxStepFile);
    if (!text) {
        return std::nullopt;
    }
    try {
        return step_from_json(*text, "step");
    } catch (const Error&) {
        return std::nullopt;  // of another version
    }
}

std::optional<SystemClock::time_point> last_use(const fs::path& file) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0) {
        return std::nullopt;
    }
    return SystemClock::from_time_t(status.st_mtime);
}

void note_use(const fs::path& file) {
    const auto used = last_use(file);
    if (used && SystemClock::now() - *used > kNoteUse) {
        utimensat(AT_FDCWD, file.c_str(), nullptr, 0);  // where it fails the record goes earlier than it should
    }
}

}  // namespace

struct BuildCache::State {
    State(const oci::Store& blob_store, fs::path records)
        : store(blob_store), directory(std::move(records)), blobs(std::make_shared<KnownBlobs>(blob_store)) {}

    [[nodiscard]] fs::path file_of(const Digest& key) const {
        return directory / (std::string(key.hex()) + std::string(kSuffix));
    }
    [[nodiscard]] std::optional<StepRecord> find_local(const Digest& key) const {
        auto record = read_step(file_of(key));
        return record && record->key == key ? std::move(record) : std::nullopt;
    }
    [[nodiscard]] std::optional<StepRecord> find_imported(const Digest& key) {
        const std::scoped_lock lock(mutex);
        const auto found = imported.find(key);
        return found == imported.end() ? std::nullopt : std::optional(found->second);
    }

    const oci::Store& store;
    fs::path directory;
    std::shared_ptr<KnownBlobs> blobs;
    std::mutex mutex;
    std::map<Digest, StepRecord> imported;  ///< under the mutex
};

BuildCache::BuildCache(const oci::Store& store, fs::path directory)
    : state_(std::make_unique<State>(store, std::move(directory))) {}
BuildCache::~BuildCache() = default;

std::optional<StepRecord> BuildCache::find(const Digest& key) const {
    auto local = state_->find_local(key);
    if (!local) {
        return state_->find_imported(key);
    }
    note_use(state_->file_of(key));
    const bool has_blob =
        local->blob && (state_->store.has(local->blob->digest) || state_->blobs->is_imported(local->blob->digest));
    if (has_blob) {
        return local;
    }
    if (auto imported = state_->find_imported(key); imported && imported->diff_id == local->diff_id) {
        return imported;
    }
    local->blob.reset();  // gc had it
    local->compressor.clear();
    return local;
}

void BuildCache::remember(const StepRecord& record) {
    const std::string text = step_to_json(record);
    const auto known = state_->find_local(record.key);
    const bool says_the_same =
        known && known->diff_id == record.diff_id && (!record.blob || step_to_json(*known) == text);
    if (!says_the_same) {
        write_memory(state_->file_of(record.key), text);
    }
}

void BuildCache::import(const CachePlace& place, const oci::PlaceAccess& access, const Run& run) {
    try {
        OpenedCache opened = open_cache(place, access, run);
        const auto blobs = state_->store.through(std::move(opened.blobs));
        for (StepRecord& record : opened.found.records) {
            state_->blobs->add(record.blob->digest, blobs);
            Digest key = record.key;
            const std::scoped_lock lock(state_->mutex);
            state_->imported.emplace(std::move(key), std::move(record));
        }
        if (opened.found.left_out > 0) {
            run.progress->notice(NoticeLevel::Warning, "the cache " + name_of(place) + " lacks the layers of " +
                                                           std::to_string(opened.found.left_out) +
                                                           " steps that it names: they count for nothing");
        }
    } catch (const Error& error) {
        run.progress->notice(NoticeLevel::Warning, "the cache " + name_of(place) + " is not used: " + error.what());
    }
}

std::shared_ptr<const oci::Blobs> BuildCache::blobs() const {
    return state_->blobs;
}

void BuildCache::export_to(const CachePlace& place, const std::vector<StepRecord>& records,
                           const oci::PlaceAccess& access, const Run& run) const {
    const CacheGraph made = make_cache_graph(records, blobs());
    if (made.records == 0) {
        run.progress->notice(NoticeLevel::Info, "there are no steps for the cache " + name_of(place));
        return;
    }
    if (made.left_out > 0) {
        run.progress->notice(NoticeLevel::Warning, "the cache " + name_of(place) + " has no room for " +
                                                       std::to_string(made.left_out) + " of " +
                                                       std::to_string(records.size()) + " steps");
    }
    try {
        in_context("writing the cache " + name_of(place), [&] { write_cache(place, made.graph, access, run); });
    } catch (const Error& error) {
        if (!place.ignore_error) {
            throw;
        }
        run.progress->notice(NoticeLevel::Warning, error.what());
    }
}

std::uint64_t BuildCache::collect(std::chrono::seconds max_age,
                                  const std::function<bool(const Digest& diff_id)>& has_snapshot, bool dry_run,
                                  const Run& run) const {
    std::uint64_t removed = 0;
    const oci::OciLayout stored = state_->store.layout();  // looking is no use: gc may have the blob
    std::error_code gone;                                  // another process collects too
    for (const auto& item : fs::directory_iterator(state_->directory, gone)) {
        run.check();
        const auto used = last_use(item.path());
        if (!used) {
            continue;
        }
        const bool old = std::chrono::duration_cast<std::chrono::seconds>(run.clock->now() - *used) > max_age;
        const auto record = old ? std::nullopt : read_step(item.path());
        const bool needed = record && (has_snapshot(record->diff_id) || (record->blob && stored.has(*record->blob)));
        if (!needed && (dry_run || fs::remove(item.path(), gone))) {
            ++removed;
        }
    }
    return removed;
}

}  // namespace cooper::build
