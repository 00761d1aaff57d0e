// Docker's engine, and podman's compatible service, over the HTTP API: images in and out.
// Docker Engine API 1.24 to 1.48, as dockerd 1.12 to 29 speak it (`registry-and-engine.md` section 7).
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/http.hpp"
#include "cooper/oci/docker_archive.hpp"
#include "cooper/oci/reference.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// Where an engine listens.
struct EngineEndpoint {
    enum class Kind { Unix, Tcp };
    Kind kind = Kind::Unix;
    std::string socket;  ///< Unix: absolute path
    Url url;             ///< Tcp: http, or https with `tls`
    std::shared_ptr<const TlsSettings> tls;
    std::string origin;  ///< where it was found ("DOCKER_HOST", "context desktop"), for messages

    /// `host` (--host) if not empty, else DOCKER_HOST, DOCKER_CONTEXT, the current context of config.json,
    /// /var/run/docker.sock, $XDG_RUNTIME_DIR/docker.sock, CONTAINER_HOST, podman's sockets: the first that is set or
    /// exists. TLS by DOCKER_TLS_VERIFY, DOCKER_TLS and DOCKER_CERT_PATH, or the context's. Throws Error: NotFound (no
    /// engine; all places asked are listed), Unsupported (ssh://, npipe://, with what to do instead), InvalidInput.
    static EngineEndpoint find(const Environment& environment, const std::string& host = "");
};

/// What the engine says of an image.
struct EngineImage {
    std::string id;                      ///< "sha256:…": of the config, or of the manifest (containerd image store)
    std::vector<std::string> repo_tags;  ///< as the engine spells them
    std::vector<std::string> repo_digests;
    std::vector<Digest> diff_ids;
    Platform platform;
    std::uint64_t size = 0;  ///< of the unpacked layers, as the engine counts it
};

struct EngineOptions {
    std::chrono::milliseconds stall_timeout{600'000};  ///< the engine is silent while it packs or registers layers
};

/// Talks to one engine. Negotiates the API version on the first call. Safe from several threads. Borrows the client.
class EngineClient {
public:
    EngineClient(HttpClient& http, EngineEndpoint endpoint, EngineOptions options = {});
    ~EngineClient();
    EngineClient(const EngineClient&) = delete;
    EngineClient& operator=(const EngineClient&) = delete;

    [[nodiscard]] const EngineEndpoint& endpoint() const noexcept;

    /// nullopt: no such image. `name` is a reference, or an image ID ("sha256:…", 12 hex digits or more).
    [[nodiscard]] std::optional<EngineImage> find(const std::string& name, const Run& run);

    /// Streams `docker save` of the images into `archive` (a docker-archive, hybrid or classic as the engine writes
    /// it), which is not finished: that is the caller's. Never more than a buffer in memory. An unknown name is
    /// Error{NotFound} naming it, an archive without its end Error{Unavailable}. `platform` is asked for where the
    /// engine's API knows it (1.48).
    void save(const std::vector<std::string>& names, Sink& archive, const std::optional<Platform>& platform,
              const Run& run);

    struct Loaded {
        std::vector<std::string> names;  ///< as the engine told them
        std::vector<std::string> ids;    ///< of images without a name
    };
    /// Streams the archive into the engine while its blobs are fetched and verified. Success is told only when the
    /// stream of answers ended without an error and every image of the plan is there afterwards under the ID that it
    /// must have (config digest, or manifest digest in a containerd store; podman's own manifests: config digest).
    /// Throws Error: Integrity (loaded as another image), Unavailable, and what the engine refused with its own words.
    Loaded load(const std::vector<ArchiveImage>& images, const ArchivePlan& plan, const std::string& task,
                const Run& run);

    /// Gives image `id_or_name` another name.
    void tag(const std::string& id_or_name, const Reference& name, const Run& run);
    /// Removes a name, and the image with its last name. False: it was not there.
    bool remove(const std::string& name, bool force, const Run& run);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cooper::oci
