// RegistryClient::push: blobs side by side, then manifests, then names.
#include "cooper/base/error.hpp"
#include "cooper/oci/registry.hpp"

#include "base/workers.hpp"
#include "oci/registry/blob_upload.hpp"
#include "oci/registry/manifest_upload.hpp"
#include "oci/registry/registry_state.hpp"
#include "oci/registry/upload_sessions.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

namespace cooper::oci {

namespace {

/// Each costs a request per blob that is not there.
constexpr std::size_t kMaxMountSources = 4;
/// Smaller blobs are sent again rather than remembered.
constexpr std::uint64_t kWorthRemembering = 256 * 1024;
constexpr unsigned kMaxConnections = 64;

/// Bytes of all blobs, as one task.
class PushProgress {
public:
    PushProgress(const std::string& task, const std::vector<Descriptor>& blobs, Progress& progress)
        : task_(task), progress_(progress) {
        std::uint64_t total = 0;
        for (const Descriptor& blob : blobs) {
            total += blob.size;
        }
        if (!task_.empty()) {
            progress_.begin(task_, total);
        }
    }
    PushProgress(const PushProgress&) = delete;
    PushProgress& operator=(const PushProgress&) = delete;
    ~PushProgress() {
        if (!task_.empty()) {
            progress_.end(task_);
        }
    }

    void add(std::uint64_t bytes) {
        const std::scoped_lock lock(mutex_);
        done_ += bytes;
        if (!task_.empty()) {
            progress_.advance(task_, done_);
        }
    }

private:
    const std::string& task_;
    Progress& progress_;
    std::mutex mutex_;
    std::uint64_t done_ = 0;
};

/// What is to be there, the largest first: they decide how long all takes.
std::vector<Descriptor> blobs_to_send(const Graph& graph) {
    std::vector<Descriptor> blobs;
    std::copy_if(graph.blobs.begin(), graph.blobs.end(), std::back_inserter(blobs),
                 [](const Descriptor& blob) { return !is_foreign_layer(blob.media_type); });
    std::stable_sort(blobs.begin(), blobs.end(),
                     [](const Descriptor& a, const Descriptor& b) { return a.size > b.size; });
    return blobs;
}

/// Blobs that were sent, counted from several threads.
class BlobPush {
public:
    BlobPush(UploadTarget& target, const Graph& graph, const PushOptions& options, const Run& run)
        : target_(target),
          source_(*graph.source),
          options_(options),
          blobs_(blobs_to_send(graph)),
          sessions_(options.sessions, run),
          progress_(options.task, blobs_, *run.progress) {}

    Pushed send_all(const Run& run) {
        Workers workers(run);
        const std::size_t count =
            std::min<std::size_t>(blobs_.size(), std::clamp(options_.connections, 1U, kMaxConnections));
        for (std::size_t i = 0; i < count; ++i) {
            workers.start([this, run = workers.run()] {
                for (std::size_t next = next_++; next < blobs_.size(); next = next_++) {
                    send(blobs_[next], run);
                }
            });
        }
        workers.join();
        return {.manifest = sha256(""),
                .blobs_sent = sent_,
                .blobs_mounted = mounted_,
                .blobs_there = there_,
                .bytes_sent = bytes_sent_,
                .bytes_reused = bytes_reused_};
    }

private:
    void send(const Descriptor& blob, const Run& run) {
        run.check();
        if (find_blob(*target_.repository, blob, run) == Presence::There) {
            ++there_;
            return reuse(blob);
        }
        const auto session =
            blob.size >= kWorthRemembering ? sessions_.claim(target_.repository->reference(), blob.digest) : nullptr;
        BlobUpload upload(
            target_, blob, source_, session.get(), [this](std::uint64_t bytes) { progress_.add(bytes); }, run);
        const UploadOutcome outcome = upload.send();
        if (outcome.how == Arrival::Mounted) {
            ++mounted_;
            return reuse(blob);
        }
        ++sent_;
        bytes_sent_ += blob.size - outcome.inherited;
        bytes_reused_ += outcome.inherited;
    }

    void reuse(const Descriptor& blob) {
        bytes_reused_ += blob.size;
        progress_.add(blob.size);
    }

    UploadTarget& target_;
    const Blobs& source_;
    const PushOptions& options_;
    std::vector<Descriptor> blobs_;
    UploadSessions sessions_;
    PushProgress progress_;
    std::atomic<std::size_t> next_ = 0;
    std::atomic<std::uint64_t> sent_ = 0;
    std::atomic<std::uint64_t> mounted_ = 0;
    std::atomic<std::uint64_t> there_ = 0;
    std::atomic<std::uint64_t> bytes_sent_ = 0;
    std::atomic<std::uint64_t> bytes_reused_ = 0;
};

/// The repositories of `wanted` that can give blobs to `to`, each once.
std::vector<Reference> mount_sources(const std::vector<Reference>& wanted, const Reference& to) {
    std::vector<Reference> sources;
    for (const Reference& source : wanted) {
        const bool known = std::any_of(sources.begin(), sources.end(),
                                       [&](const Reference& each) { return each.path() == source.path(); });
        if (source.domain() == to.domain() && source.path() != to.path() && !known &&
            sources.size() < kMaxMountSources) {
            sources.push_back(source);
        }
    }
    return sources;
}

/// The names that the root gets, each once.
std::vector<std::string> names_of(const Reference& to, const std::vector<std::string>& more) {
    std::vector<std::string> tags;
    if (const auto own = to.effective_tag()) {
        tags.push_back(*own);
    }
    for (const std::string& tag : more) {
        const std::string checked = to.with_tag(tag).tag().value_or(tag);
        if (std::find(tags.begin(), tags.end(), checked) == tags.end()) {
            tags.push_back(checked);
        }
    }
    return tags;
}

void put_manifests(const Graph& graph, const std::vector<std::string>& tags,
                   const std::shared_ptr<RegistryRepository>& repository, const Run& run) {
    ManifestUpload manifests(repository, run);
    for (const RawManifest& manifest : graph.manifests) {
        manifests.put(manifest);
    }
    for (const std::string& tag : tags) {
        manifests.name(graph.root(), tag);
    }
}

}  // namespace

Pushed RegistryClient::push(const Reference& to, const Graph& graph, const PushOptions& options, const Run& run) {
    const RawManifest& root = graph.root();
    if (to.digest() && to.digest()->algorithm() == root.digest.algorithm() && *to.digest() != root.digest) {
        throw Error(ErrorCode::InvalidInput, "cannot push to " + to.text() + ": the manifest is " + root.digest.text());
    }
    const std::vector<std::string> tags = names_of(to, options.tags);
    try {
        return in_context("pushing to " + to.text(), [&] {
            UploadTarget target;
            target.repository = state_->to_push(to);
            target.chunk_size = options.chunk_size;
            for (const Reference& source : mount_sources(options.mount_from, to)) {
                target.mounts.emplace_back(source, state_->repository(to, {repository_scope(to, "pull,push"),
                                                                           repository_scope(source, "pull")}));
            }
            Pushed pushed = BlobPush(target, graph, options, run).send_all(run);
            put_manifests(graph, tags, target.repository, run);
            pushed.manifest = root.digest;
            return pushed;
        });
    } catch (Error& error) {
        if (error.code() == ErrorCode::AccessDenied && error.advice().empty()) {
            error.advise("Log in to " + to.domain() + " with an account that may push to " + to.path() + ".");
        }
        throw;
    }
}

bool RegistryClient::has_blob(const Reference& repository, const Descriptor& blob, const Run& run) {
    return find_blob(*state_->to_pull(repository), blob, run) == Presence::There;
}

}  // namespace cooper::oci
