// One blob on its way into a repository. OCI distribution specification 1.1, "Pushing blobs".
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/image.hpp"

#include "oci/registry/blob_feed.hpp"
#include "oci/registry/registry_repository.hpp"
#include "oci/registry/upload_sessions.hpp"

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace cooper::oci {

/// Another repository of the same registry that may hold blobs already.
struct MountSource {
    MountSource(Reference from, std::shared_ptr<RegistryRepository> into)
        : repository(std::move(from)), target(std::move(into)) {}

    Reference repository;
    std::shared_ptr<RegistryRepository> target;  ///< with scopes for both repositories
    std::atomic<bool> refused = false;           ///< once refused, not asked again for each blob
};

/// Where blobs go, and what was learned about it; shared by all uploads of a push. Thread-safe.
struct UploadTarget {
    std::shared_ptr<RegistryRepository> repository;
    std::list<MountSource> mounts;
    /// Bytes per PATCH; 0: one PUT for the whole blob. Falls when the registry refuses larger requests.
    std::atomic<std::uint64_t> chunk_size = 0;

    void lower_chunk_size(std::uint64_t to);
};

enum class Presence { There, Absent, OtherSize, Unknown };
/// By HEAD. Unknown: it may not be asked (a storage server may refuse HEAD with a URL that was signed for GET).
Presence find_blob(RegistryRepository& repository, const Descriptor& blob, const Run& run);

/// Throws what `response` means, with advice for somebody who pushes.
[[noreturn]] void refuse_push(RegistryRepository& repository, HttpResponse& response, const RepositoryRequest& request,
                              const Run& run);

enum class Arrival { Mounted, Sent };
struct UploadOutcome {
    Arrival how = Arrival::Sent;
    std::uint64_t inherited = 0;  ///< bytes that an earlier process had sent
};

/// Sends one blob, however often connection and session break. What the server took is never sent again unless it
/// forgets it. One thread; borrows everything.
class BlobUpload {
public:
    BlobUpload(UploadTarget& target, const Descriptor& blob, const Blobs& source, UploadSession* session,
               BlobFeed::Moved moved, const Run& run);

    /// Returns when the registry has the blob. Throws as RegistryClient::push does.
    UploadOutcome send();

private:
    void step();
    void begin();
    /// True: the registry has the blob now. A registry that does not mount opens a session instead.
    bool mount();
    void open_session(RepositoryAnswer& answer, const RepositoryRequest& request);
    /// Asks the server what it has.
    void resume();
    void send_chunk();
    void take_chunk(RepositoryAnswer& answer, std::uint64_t length);
    /// The whole blob in one request, or the word that all parts are there.
    void complete();
    void check_completed(const RepositoryAnswer& answer);
    void move_to(const RepositoryAnswer& answer);
    void done();

    void refused(RepositoryAnswer& answer, const RepositoryRequest& request, std::uint64_t length);
    /// True: another way is open.
    bool may_go_on(const HttpError& refusal, bool completes, std::uint64_t length);
    void connection_broke(const Error& error);
    void lose_session(const std::string& why);
    void abandon() noexcept;

    [[nodiscard]] bool in_one_request() const;
    [[nodiscard]] std::uint64_t next_chunk() const;
    [[nodiscard]] RepositoryRequest request(std::string method, std::optional<Url> url) const;

    UploadTarget& target_;
    RegistryRepository& repository_;
    const Descriptor& blob_;
    UploadSession* session_file_;
    Run run_;
    BlobFeed feed_;
    Retrier retrier_;
    std::string what_;

    std::optional<Url> location_;  ///< of the open session
    std::uint64_t offset_ = 0;     ///< what the server has
    std::uint64_t sent_ = 0;       ///< what it may have, since we sent it
    std::uint64_t inherited_ = 0;  ///< of `offset_`, from an earlier process
    std::uint64_t min_chunk_ = 0;  ///< OCI-Chunk-Min-Length
    bool from_earlier_ = false;    ///< the session is one that an earlier process left
    bool unsure_ = false;          ///< only the server knows `offset_`
    bool maybe_there_ = false;     ///< the session went away, perhaps because it was completed
    bool in_parts_ = false;        ///< bytes went up in more than one request
    bool wants_patch_ = false;     ///< the registry takes no PUT with the whole blob
    bool mounted_ = false;
    bool done_ = false;
    bool gave_up_ = false;
    int lost_sessions_ = 0;
    int wrong_digests_ = 0;
    int breaks_ = 0;  ///< broken connections in a row that left nothing at the server
};

/// "0-4999" (the form of uploads, without a unit), also "bytes=0-4999": the last byte's offset. nullopt: something
/// else.
std::optional<std::uint64_t> parse_upload_range(std::string_view text);

}  // namespace cooper::oci
