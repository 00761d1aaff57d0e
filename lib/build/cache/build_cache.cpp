#include "cooper/build/build_cache.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "build/cache/cache_documents.hpp"
#include "build/cache/step_records.hpp"
#include "build/memory_file.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <map>
#include <mutex>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".step";
/// A find() is a use, and is noted so seldom that it costs nothing: file systems without access times do as well.
constexpr std::chrono::hours kNoteUse{1};

/// Where the blobs of imported records are.
class ImportedBlobs final : public oci::Blobs {
public:
    explicit ImportedBlobs(const oci::Store& store) : store_(store), stored_(store.through(nullptr)) {}

    void add(const Digest& blob, const std::shared_ptr<const oci::Blobs>& place) {
        const std::scoped_lock lock(mutex_);
        places_.emplace(blob, place);
    }

    [[nodiscard]] std::unique_ptr<Source> open(const oci::Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override {
        return place_of(blob.digest)->open(blob, offset, run);
    }
    [[nodiscard]] bool verifies() const noexcept override { return stored_->verifies(); }

private:
    [[nodiscard]] std::shared_ptr<const oci::Blobs> place_of(const Digest& blob) const {
        const std::scoped_lock lock(mutex_);
        const auto found = places_.find(blob);
        return found == places_.end() ? stored_ : found->second;
    }

    const oci::Store& store_;
    std::shared_ptr<const oci::Blobs> stored_;
    mutable std::mutex mutex_;
    std::map<Digest, std::shared_ptr<const oci::Blobs>> places_;
};

std::string told(const CachePlace& place) {
    return place.type == CachePlace::Type::Local ? place.directory.string() : place.reference;
}

/// A place that is open for reading.
struct OpenedCache {
    oci::ClassifiedManifest root;
    oci::ManifestFetcher fetch;
    std::shared_ptr<const oci::Blobs> blobs;
};

OpenedCache open_registry(const CachePlace& place, const oci::PlaceAccess& access, const Run& run) {
    if (!access.registry) {
        throw Error(ErrorCode::InvalidInput, "there is no registry client here");
    }
    const auto reference = oci::Reference::parse(place.reference);
    oci::RegistryClient& registry = access.registry();
    auto root = registry.manifest(reference, run);
    return {std::move(root),
            [&registry, reference, run](const oci::Descriptor& child) {
                return registry.manifest(reference.with_digest(child.digest), run);
            },
            registry.blobs(reference)};
}

}  // namespace

struct BuildCache::State {
    State(const oci::Store& blob_store, fs::path records)
        : store(blob_store), directory(std::move(records)), blobs(std::make_shared<ImportedBlobs>(blob_store)) {}

    [[nodiscard]] fs::path file_of(const Digest& key) const {
        return directory / (std::string(key.hex()) + std::string(kSuffix));
    }

    const oci::Store& store;
    fs::path directory;
    std::mutex mutex;
    std::map<Digest, StepRecord> imported;
    std::shared_ptr<ImportedBlobs> blobs;
};

namespace {

std::optional<StepRecord> read_step(const fs::path& file) {
    const auto text = read_memory(file, kMaxStepFile);
    if (!text) {
        return std::nullopt;
    }
    try {
        return step_from_json(*text, "step");
    } catch (const Error&) {
        return std::nullopt;
    }
}

void note_use(const fs::path& file) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0) {
        return;
    }
    const auto used = std::chrono::system_clock::from_time_t(status.st_mtime);
    if (std::chrono::system_clock::now() - used > kNoteUse) {
        utimensat(AT_FDCWD, file.c_str(), nullptr, 0);  // that it fails costs an earlier collection
    }
}

}  // namespace

BuildCache::BuildCache(const oci::Store& store, fs::path directory)
    : state_(std::make_unique<State>(store, std::move(directory))) {}
BuildCache::~BuildCache() = default;

std::optional<StepRecord> BuildCache::find(const Digest& key) const {
    const fs::path file = state_->file_of(key);
    if (auto record = read_step(file); record && record->key == key) {
        note_use(file);
        return record;
    }
    const std::scoped_lock lock(state_->mutex);
    const auto found = state_->imported.find(key);
    return found == state_->imported.end() ? std::nullopt : std::optional(found->second);
}

void BuildCache::remember(const StepRecord& record) {
    const fs::path file = state_->file_of(record.key);
    const std::string text = step_to_json(record);
    if (const auto known = read_step(file); known && known->key == record.key && known->diff_id == record.diff_id) {
        if (!record.blob || step_to_json(*known) == text) {
            return;
        }
    }
    write_memory(file, text);
}

void BuildCache::import(const CachePlace& place, const oci::PlaceAccess& access, const Run& run) {
    try {
        const auto take = [&](const OpenedCache& opened) {
            FoundCache found = read_cache(opened.root, opened.fetch, *opened.blobs, run);
            const auto through = state_->store.through(opened.blobs);
            const std::scoped_lock lock(state_->mutex);
            for (StepRecord& record : found.records) {
                state_->blobs->add(record.blob->digest, through);
                const Digest key = record.key;
                state_->imported.emplace(key, std::move(record));
            }
            if (found.left_out > 0) {
                run.progress->notice(NoticeLevel::Warning,
                                     "the cache " + told(place) + " names " + std::to_string(found.left_out) +
                                         " layers that it does not hold; their steps are not used");
            }
        };
        if (place.type != CachePlace::Type::Local) {
            take(open_registry(place, access, run));
            return;
        }
        const auto layout = oci::OciLayout::open(place.directory);
        const oci::Graph graph = layout.graph(layout.index().manifests.size() == 1 ? "" : kLocalCacheName, run);
        take({{graph.kind, graph.root()},
              [&](const oci::Descriptor& child) {
                  const oci::RawManifest* manifest = graph.find(child.digest);
                  if (manifest == nullptr) {
                      throw Error(ErrorCode::NotFound, "manifest " + child.digest.shortened() + " is not there");
                  }
                  return oci::classify_manifest(manifest->bytes, manifest->media_type);
              },
              layout.blobs()});
    } catch (const Error& error) {
        run.progress->notice(NoticeLevel::Warning, "the cache " + told(place) + " is not used: " + error.what());
    }
}

std::shared_ptr<const oci::Blobs> BuildCache::blobs() const {
    return state_->blobs;
}

void BuildCache::export_to(const CachePlace& place, const std::vector<StepRecord>& records,
                           const oci::PlaceAccess& access, const Run& run) const {
    const CacheGraph made = make_cache_graph(records, blobs());
    if (made.left_out > 0) {
        run.progress->notice(NoticeLevel::Warning, "the cache " + told(place) + ": " + std::to_string(made.left_out) +
                                                       " of " + std::to_string(records.size()) + " steps are left out");
    }
    try {
        in_context("writing the cache " + told(place), [&] {
            if (place.type == CachePlace::Type::Local) {
                oci::OciLayout::open_or_create(place.directory)
                    .write(made.graph, {std::string(kLocalCacheName)}, {.task = told(place)}, run);
                return;
            }
            if (place.type == CachePlace::Type::Inline || !access.registry) {
                throw Error(ErrorCode::InvalidInput, "there is no registry to write it to");
            }
            oci::PushOptions push;
            push.sessions = access.upload_sessions;
            push.task = told(place);
            access.registry().push(oci::Reference::parse(place.reference), made.graph, push, run);
        });
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
    std::error_code gone;
    const auto now = run.clock->now();
    for (const auto& item : fs::directory_iterator(state_->directory, gone)) {
        run.check();
        struct stat status {};
        if (stat(item.path().c_str(), &status) != 0) {
            continue;
        }
        const bool old = now - std::chrono::system_clock::from_time_t(status.st_mtime) > max_age;
        const auto record = old ? std::nullopt : read_step(item.path());
        const bool needed =
            record && (has_snapshot(record->diff_id) || (record->blob && state_->store.has(record->blob->digest)));
        if (!needed && (dry_run || fs::remove(item.path(), gone))) {
            ++removed;
        }
    }
    return removed;
}

}  // namespace cooper::build
