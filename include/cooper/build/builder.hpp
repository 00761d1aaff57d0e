// Who turns a build context into an image: one interface, so that another builder can be added without touching the
// callers. Engines and the Runtime API are here.
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/remote_builder.hpp"
#include "cooper/build/reuse.hpp"
#include "cooper/oci/credentials.hpp"
#include "cooper/oci/engine.hpp"
#include "cooper/oci/platform.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

struct BuildRequest {
    std::shared_ptr<const Ranged> context;  ///< a tar, plain or gzip-compressed, with a Dockerfile at its root
    std::vector<std::string> names;         ///< REPOSITORY:TAG each, most specific first; the first is the result's
    std::optional<oci::Platform> platform;  ///< nullopt: the builder's own
    std::vector<std::pair<std::string, std::string>> args;
    std::string target;                    ///< the stage; empty: the last
    std::vector<std::string> base_images;  ///< whose registries may need credentials (images_of_dockerfile())
    bool pull = false;      ///< base images are asked for at their registries even where the builder has them
    bool no_cache = false;  ///< every step is run again
};

/// What a builder cannot be asked for must be in the Dockerfile already (standalone_dockerfile()).
struct BuilderAbilities {
    bool args_and_target = true;
    bool platforms = true;
    bool pull_and_no_cache = true;  ///< no Dockerfile can say that instead
};

/// The builder did what it was asked, and a step of the Dockerfile failed: nothing is wrong with cooper, engine or
/// network. what() has the step, its exit status where the builder tells it, and its last lines. CommandFailed.
class BuildFailed : public Error {
public:
    explicit BuildFailed(const std::string& message) : Error(ErrorCode::CommandFailed, message) {}
};

/// Safe from several threads.
class Builder {
public:
    virtual ~Builder() = default;
    /// "the engine at /run/docker.sock", "the Runtime API at https://…", for messages.
    [[nodiscard]] virtual std::string description() const = 0;
    [[nodiscard]] virtual BuilderAbilities abilities() const = 0;
    /// Builds, gives the image all of the names, and returns the first as the builder spells it. When it throws, no
    /// name has moved that belongs to an unfinished build. What the build prints is told line by line, as notices.
    /// Throws Error{CommandFailed} for a build that failed, with the step and its last lines; Error{InvalidInput} for
    /// requests that make no sense; Error{Unsupported} for what abilities() denies; Cancelled.
    virtual std::string build(const BuildRequest& request, const Run& run) = 0;
    /// The builder has an image of this name, or would find it without being told where. Lenient: only a failure to ask
    /// throws.
    virtual bool image_exists(const std::string& name, const Run& run) = 0;
};

/// POST /build of Docker's engine, and of podman's service. Borrows the engine and the credentials (may be null), which
/// must outlive it. The context is streamed as it is. Each registry of base_images gets its own credentials with the
/// request (X-Registry-Config), no others. The names are given when the build is done, least specific first.
class EngineBuilder final : public Builder {
public:
    EngineBuilder(oci::EngineClient& engine, const oci::RegistryCredentialSource* credentials)
        : engine_(engine), credentials_(credentials) {}
    [[nodiscard]] std::string description() const override;
    [[nodiscard]] BuilderAbilities abilities() const override { return {}; }
    std::string build(const BuildRequest& request, const Run& run) override;
    bool image_exists(const std::string& name, const Run& run) override;

private:
    oci::EngineClient& engine_;
    const oci::RegistryCredentialSource* credentials_;
};

/// The Runtime API as a builder. Borrows the client. A context that is not compressed is compressed into `spool` first.
class RuntimeApiBuilder final : public Builder {
public:
    RuntimeApiBuilder(const RemoteBuilder& api, std::string base_url, std::filesystem::path spool)
        : api_(api), base_url_(std::move(base_url)), spool_(std::move(spool)) {}
    [[nodiscard]] std::string description() const override;
    [[nodiscard]] BuilderAbilities abilities() const override { return {false, false, false}; }
    std::string build(const BuildRequest& request, const Run& run) override;
    bool image_exists(const std::string& name, const Run& run) override { return api_.image_exists(name, run); }

private:
    const RemoteBuilder& api_;
    std::string base_url_;
    std::filesystem::path spool_;
};

}  // namespace cooper::build
