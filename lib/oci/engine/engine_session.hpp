// Requests to one engine: where it is, which version of its API it speaks, and what its refusals mean.
#pragma once

#include "cooper/oci/engine.hpp"

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::oci {

/// A version of the API, "1.41" as {1, 41}.
struct ApiVersion {
    unsigned major = 0;
    unsigned minor = 0;
    /// nullopt for what is none.
    static std::optional<ApiVersion> parse(std::string_view text);
    [[nodiscard]] std::string text() const { return std::to_string(major) + "." + std::to_string(minor); }
    auto operator<=>(const ApiVersion&) const = default;
};

/// What we ask for: saving one platform came with 1.48. dockerd 29 takes 1.44 (from 29.3 on 1.40) and later only.
inline constexpr ApiVersion kNewestApi{1, 48};
/// dockerd 1.12 (2016); what podman claims is above it.
inline constexpr ApiVersion kOldestApi{1, 24};

/// Safe from several threads.
class EngineSession {
public:
    EngineSession(HttpClient& http, EngineEndpoint endpoint, EngineOptions options);

    [[nodiscard]] const EngineEndpoint& endpoint() const noexcept { return endpoint_; }
    /// "the engine at /run/docker.sock", for messages.
    [[nodiscard]] std::string name() const;
    struct Dialect {
        ApiVersion version;  ///< the newest that both sides speak
        bool podman = false;
    };
    /// Asked for once. Throws Error: Unavailable and AccessDenied with what to do about it, Unsupported when there is
    /// no common version.
    Dialect dialect(const Run& run);

    struct Call {
        std::string method = "GET";
        std::string path{};   ///< below the version: "/images/json"
        std::string query{};  ///< without "?"
        std::shared_ptr<const Ranged> body{};
        bool works_in_silence = false;  ///< packs, unpacks or deletes layers meanwhile
        Headers headers{};
        std::chrono::milliseconds longest_silence{0};  ///< zero: as `works_in_silence` says
    };
    /// Any status is an answer.
    HttpResponse send(const Call& call, const Run& run);
    /// Throws what `response`, which is no success, means: HttpError with the engine's own words.
    [[noreturn]] void refuse(HttpResponse& response, const std::string& what) const;

private:
    [[nodiscard]] HttpRequest request(const std::string& method, const std::string& path,
                                      const std::string& query) const;
    [[nodiscard]] HttpResponse ping(const Run& run) const;
    [[nodiscard]] Dialect negotiate(const Run& run) const;
    [[nodiscard]] std::optional<ApiVersion> oldest_version(const Run& run) const;

    HttpClient& http_;
    EngineEndpoint endpoint_;
    EngineOptions options_;
    std::mutex mutex_;
    std::optional<Dialect> dialect_;
};

}  // namespace cooper::oci
