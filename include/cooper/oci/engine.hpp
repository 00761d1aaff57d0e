// Docker's engine, and podman's compatible service, over the HTTP API: images in and out.
// Docker Engine API 1.24 to 1.48, as dockerd 1.12 to 29 speak it (`registry-and-engine.md` section 7).
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/secret.hpp"
#include "cooper/oci/credentials.hpp"
#include "cooper/oci/docker_archive.hpp"
#include "cooper/oci/reference.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
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

/// What an engine is to build.
struct EngineBuild {
    std::shared_ptr<const Ranged> context;  ///< a tar, plain or gzip-compressed; sent as it is
    std::string dockerfile = "Dockerfile";  ///< its path in the context
    std::vector<std::pair<std::string, std::string>> args;
    std::string target;                ///< the stage; empty: the last
    std::optional<Platform> platform;  ///< nullopt: the engine's own
    std::vector<std::pair<std::string, std::string>> labels;
    /// By the registry's domain ("docker.io", "ghcr.io", "localhost:5000"), for base images that the engine pulls.
    std::vector<std::pair<std::string, RegistryCredentials>> credentials;
    bool pull = false;      ///< base images are asked for at their registries even when the engine has them
    bool no_cache = false;  ///< every step is run again
    /// No longer than this in all; zero: as long as it takes. A step may be silent for hours.
    std::chrono::milliseconds limit{0};
    /// Taken out of what the engine says, line by line; too short ones (less than 4 bytes) are not looked for.
    std::vector<Secret> secrets;
    /// Each line that the build prints and that is not empty: without control characters and escape sequences, at most
    /// 4 kB. Of a line that was written over again and again (a bar) what was seen last. May be empty.
    std::function<void(const std::string& line)> on_line;
};

/// A build that the engine began and that came to no image: a step failed. The code is CommandFailed; for a base image
/// that cannot be had AccessDenied, NotFound or Unavailable. what() has the step, the engine's words and output().
class EngineBuildError : public Error {
public:
    EngineBuildError(ErrorCode code, const std::string& message, std::string step, std::vector<std::string> output);
    ~EngineBuildError() override;
    [[nodiscard]] const std::string& step() const noexcept { return step_; }  ///< "Step 3/7 : RUN make"; may be empty
    /// The last lines (at most 20) that this step printed.
    [[nodiscard]] const std::vector<std::string>& output() const noexcept { return output_; }

private:
    std::string step_;
    std::vector<std::string> output_;
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

    /// Builds by POST /build, docker's classic builder or podman's buildah, and returns the ID of the image, which has
    /// no name yet and is of the platform that was asked for. The context goes as the task "build context", layers that
    /// the engine pulls as "pulling ID". A stop ends the connection: dockerd stops the step that runs at once, podman
    /// (4.3) at its end. Throws EngineBuildError; HttpError for a request or Dockerfile that is refused at once (400:
    /// InvalidInput); Error{InvalidInput} for arguments that are no UTF-8; Error{Unsupported} when the engine built for
    /// another platform; Error{Unavailable} for a stream that ended without an image, and beyond the limit.
    std::string build(const EngineBuild& request, const Run& run);

    /// Gives image `id_or_name` another name.
    void tag(const std::string& id_or_name, const Reference& name, const Run& run);
    /// Removes a name, and the image with its last name. False: it was not there.
    bool remove(const std::string& name, bool force, const Run& run);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cooper::oci
