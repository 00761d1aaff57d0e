// Registries, both ways: OCI distribution specification 1.1, Docker registry HTTP API v2, token authentication.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/oci/credentials.hpp"
#include "cooper/oci/graph.hpp"
#include "cooper/oci/reference.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::oci {

struct RegistryOptions {
    bool insecure = false;        ///< plain http and unverified certificates allowed for any host
    std::string ca_file;          ///< trusted besides the default
    std::string certs_directory;  ///< instead of the certs.d directories of docker and containers
    RetryPolicy retry;
    /// No byte for this long is a broken connection. Never a limit on a whole transfer.
    std::chrono::milliseconds stall_timeout{60'000};
};

/// How blobs and manifests go up.
struct PushOptions {
    unsigned connections = 4;  ///< blobs under way at once
    /// Repositories of the same registry that may hold blobs already, asked for a cross-repository mount.
    std::vector<Reference> mount_from;
    /// 0: one PUT per blob, chunks only where the registry refuses that (413, a connection reset again and again);
    /// else chunks of this size from the start, never below the registry's OCI-Chunk-Min-Length.
    std::uint64_t chunk_size = 0;
    /// Where open upload sessions are remembered (0600 files), so that a push that was cut goes on where the server
    /// stopped; empty: not across processes. Session URLs may carry signatures: they are never printed.
    std::filesystem::path sessions;
    /// Tags besides the reference's own.
    std::vector<std::string> tags;
    std::string task;  ///< name in progress events
};

struct Pushed {
    Digest manifest;
    std::uint64_t blobs_sent = 0;
    std::uint64_t blobs_mounted = 0;
    std::uint64_t blobs_there = 0;
    std::uint64_t bytes_sent = 0;    ///< of blobs, as taken by the server
    std::uint64_t bytes_reused = 0;  ///< there already, or mounted
};

/// Talks to every registry that references name: finds scheme and certificates per host, credentials and tokens per
/// repository, follows redirects without taking credentials along, resumes blobs in the middle. Loopback hosts may
/// speak plain http; others only with `insecure`. Safe from several threads; keep one per run: it pools tokens. Borrows
/// client and credentials, which must outlive it and every Image and Source that came from it.
class RegistryClient {
public:
    RegistryClient(HttpClient& http, const RegistryCredentialSource& credentials, const Environment& environment,
                   RegistryOptions options = {});
    ~RegistryClient();
    RegistryClient(const RegistryClient&) = delete;
    RegistryClient& operator=(const RegistryClient&) = delete;

    /// The manifest or index behind tag or digest: exact bytes, hashed here; checked against the digest when one was
    /// given.
    [[nodiscard]] ClassifiedManifest manifest(const Reference& reference, const Run& run);

    /// The digest that the tag names now, by HEAD (a hint until a GET hashed right); nullopt when there is no such
    /// manifest.
    [[nodiscard]] std::optional<Digest> find_digest(const Reference& reference, const Run& run);

    /// One platform's image with verified manifest and config. A tag is resolved once; all else is asked by digest.
    /// `platform` nullopt: linux/host architecture; with a single manifest of another platform a warning is given, and
    /// Error{NotFound} if the platform was asked for.
    [[nodiscard]] Image image(const Reference& reference, const std::optional<Platform>& platform, const Run& run);

    /// Everything below the name: manifests fetched and verified, by digest once the root is known.
    [[nodiscard]] Graph graph(const Reference& reference, const Run& run);

    /// The repository's blobs.
    [[nodiscard]] std::shared_ptr<const Blobs> blobs(const Reference& repository);

    /// By HEAD; false when it is not there or cannot be told.
    [[nodiscard]] bool has_blob(const Reference& repository, const Descriptor& blob, const Run& run);

    /// Makes `graph` be at `to`: blobs first (asked for, mounted, or sent: verified, several at once, the largest
    /// first), manifests by digest, children before parents, then the tags. Foreign layers stay where they are. Nothing
    /// is named before everything is there. A blob that arrived is never sent again, whatever fails after it;
    /// credentials that expire on the way are renewed. Throws Error: AccessDenied, NotFound (repository must be made
    /// first), Conflict (an immutable tag), Integrity (blobs that are not what they are called, or the registry says
    /// so), Unavailable.
    Pushed push(const Reference& to, const Graph& graph, const PushOptions& options, const Run& run);

    /// One manifest's exact bytes under a tag or digest; returns its digest. For those who push blobs by themselves.
    Digest put_manifest(const Reference& to, const RawManifest& manifest, const Run& run);

    /// All tags of the repository, sorted. Bounded: 1,000 pages.
    [[nodiscard]] std::vector<std::string> tags(const Reference& repository, const Run& run);

    /// The tags of the repository that name `manifest` now: by a request for each tag.
    [[nodiscard]] std::vector<std::string> tags_of(const Reference& repository, const Digest& manifest, const Run& run);

    /// What refers to the manifest `subject` (a reference with a digest; a tag is resolved): the referrers API, else
    /// the tag schema sha256-HEX. `artifact_type` empty: all.
    [[nodiscard]] std::vector<Descriptor> referrers(const Reference& subject, const std::string& artifact_type,
                                                    const Run& run);

    /// Deletes a tag, or with a digest the manifest and so all its tags. False: it was not there. Throws
    /// Error{Unsupported} where the registry does not delete (with what its administrator must set).
    bool remove(const Reference& reference, const Run& run);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace cooper::oci
