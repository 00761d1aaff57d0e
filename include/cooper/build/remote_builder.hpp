// Builds that the Runtime API makes: it takes a finished build context and the names, builds, and pushes (`tags.md`
// 11).
//
//     const auto http = make_http_client({}, environment);
//     RemoteBuilderOptions options;
//     options.base_url = "https://runtime.example.com/api";
//     options.api_key = Secret(key);
//     const RemoteBuilder builder(*http, options);
//     const std::string repository = runtime_repository(builder.registry_prefix(run));
//     const auto context = std::make_shared<FileRanged>("context.tar.gz");
//     const std::string image = builder.build(context, {repository + ":" + tags.source, repository + ":" + tags.lock},
//     run);
//
// Errors, of every operation: HttpError for an answer that is no success (its status, what the server says about it in
// `detail`; AccessDenied 401 and 403, NotFound 404 and 410, Unavailable 408, 429 and 5xx, InvalidInput other 4xx,
// Unsupported a redirect, for none is followed: it would take the key elsewhere); Error{Unavailable} for a server that
// cannot be reached or answers something else than the API's JSON; Cancelled, also while it waits. What a server says
// is cut to one bounded line, and the key is taken out of it.
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/secret.hpp"
#include "cooper/build/reuse.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// Which of the API's clients to be like. They differ in how the context travels, in how they ask and for how long, and
/// in what they make of errors.
enum class RuntimeApiDialect : std::uint8_t {
    /// OpenHands' RemoteRuntimeBuilder: multipart form; a poll that fails ends the wait; SUCCESS must name the image;
    /// the base URL is used as it is, a slash at its end included.
    V0,
    /// The SDK's build_for_runtime_api.py: multipart form; a poll that fails counts as one and the next is made;
    /// without
    /// an image in SUCCESS it is the name that was asked for; slashes at the end of the base URL are dropped.
    V1Script,
    /// That script before its upload worked: JSON body, one name only, status at /build_status/ID and in words of its
    /// own: "completed", "failed", "pending", "running". Any other word ends the wait with an error.
    V1ScriptJson,
};

/// How long it asks and waits. Take a dialect's set and change what differs: zeros are refused.
struct RemoteBuilderTimings {
    std::chrono::milliseconds poll_interval{0};  ///< between two questions for the status
    std::chrono::milliseconds limit{0};  ///< no further question when more than this has passed since the build began
    int polls = 0;                       ///< questions for the status at most; 0: as many as fit in `limit`
    int rate_limit_tries = 0;            ///< of one request while the answer is 429, 1, 2, 4, … s apart, at least 4 s
    /// build() only: when those tries are used up it pauses for this long and begins with them anew, as long as `limit`
    /// allows. Zero: the 429 is the error. A Retry-After that is longer than a wait or pause replaces it.
    std::chrono::milliseconds rate_limit_pause{0};
    std::chrono::milliseconds upload_stall{0};   ///< POST /build: no byte in either direction for this long is an error
    std::chrono::milliseconds request_stall{0};  ///< all other requests

    /// Every 30 s for 30 min; a 429 three times 4 s apart, then pauses of 30 s (which the original means to make).
    static RemoteBuilderTimings v0();
    /// Every 10 s, 60 times; a 429 is an error like others. Within an hour, should the server ask for long waits.
    static RemoteBuilderTimings v1_script();
    static RemoteBuilderTimings of(RuntimeApiDialect dialect);
};

struct RemoteBuilderOptions {
    std::string base_url;  ///< "https://runtime.example.com/api"; without query
    Secret api_key;        ///< for X-API-Key; empty: the header is not sent
    RuntimeApiDialect dialect = RuntimeApiDialect::V0;
    std::optional<RemoteBuilderTimings> timings;  ///< nullopt: the dialect's
    /// The key may go over plain http to hosts other than loopback (a service inside a cluster).
    bool plain_http = false;
};

/// A build that the server began and that came to no image: its status is one of the API's words for failure. The
/// message holds what the server says of it. CommandFailed.
class RemoteBuildError : public Error {
public:
    RemoteBuildError(const std::string& message, std::string build_id, std::string status);
    ~RemoteBuildError() override;
    [[nodiscard]] const std::string& build_id() const noexcept { return build_id_; }
    [[nodiscard]] const std::string& status() const noexcept { return status_; }  ///< "FAILURE", "TIMEOUT", …
    /// A step of the Dockerfile failed; other words (TIMEOUT, INTERNAL_ERROR, EXPIRED, …) speak of the server.
    [[nodiscard]] bool is_failed_step() const noexcept { return status_ == "FAILURE" || status_ == "failed"; }

private:
    std::string build_id_;
    std::string status_;
};

/// One Runtime API. Borrows the client, which must outlive it. Safe from several threads. Keeps nothing of a context in
/// memory but the piece that is on its way.
class RemoteBuilder {
public:
    /// Throws Error{InvalidInput} for a base URL that is none or has a query, a key that no header can hold, plain http
    /// without `plain_http`, timings that make no sense.
    RemoteBuilder(HttpClient& http, const RemoteBuilderOptions& options);
    RemoteBuilder(const RemoteBuilder&) = delete;
    RemoteBuilder& operator=(const RemoteBuilder&) = delete;
    ~RemoteBuilder();

    /// What names in the server's registry begin with: "registry.example.com/project", as the server has it.
    [[nodiscard]] std::string registry_prefix(const Run& run) const;

    /// Sends `context` (a tar, gzip-compressed: else Error{InvalidInput}) to be built under the first of `names` and
    /// given the others as well, waits, and returns the image's name as the server has it. Status changes are notices;
    /// the upload is the task "build context". Stopping ends the wait, not the build: the API has no way to. Throws
    /// besides: RemoteBuildError; Error{Unavailable} when it takes too long; Error{InvalidInput} for no names, empty
    /// ones, ones with control characters, more than one in V1ScriptJson; Error{Integrity} for a context that is cut
    /// while it is read.
    [[nodiscard]] std::string build(const std::shared_ptr<const Ranged>& context, const std::vector<std::string>& names,
                                    const Run& run) const;

    [[nodiscard]] bool image_exists(const std::string& image, const Run& run) const;

private:
    struct State;
    std::unique_ptr<const State> state_;
};

/// Looks images up where they are built. Borrows the builder.
class RemoteLookup final : public ImageLookup {
public:
    explicit RemoteLookup(const RemoteBuilder& builder) : builder_(builder) {}
    bool exists(const std::string& image, bool pull, const Run& run) override;

private:
    const RemoteBuilder& builder_;
};

/// V0's repository for runtime images: the prefix without slashes at its end, and "/runtime".
std::string runtime_repository(std::string_view registry_prefix);

/// The script's name for what it builds: "PREFIX/agent-server:SHORT_SHA-TAG" with the first of the comma-separated
/// custom tags, exactly as it is written there; an empty prefix is left out with its slash.
std::string agent_server_image(std::string_view registry_prefix, std::string_view short_sha,
                               std::string_view custom_tags);

}  // namespace cooper::build
