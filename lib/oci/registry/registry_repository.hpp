// Requests to one repository: redirects, authorization and further tries.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/ranged.hpp"

#include "oci/registry/registry_auth.hpp"
#include "oci/registry/registry_host.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

inline constexpr int kMaxRedirects = 10;

struct RepositoryRequest {
    std::string method = "GET";
    std::string path;          ///< below /v2/NAME: "/manifests/latest"
    Headers headers;           ///< without Authorization
    std::string what;          ///< for messages: "manifest ghcr.io/acme/app:1"
    std::optional<Url> url{};  ///< instead of `path`: where the registry sent us (an upload session, the next page)
    std::shared_ptr<const Ranged> body{};
};

struct RepositoryAnswer {
    HttpResponse response;
    Url url;  ///< who answered, after redirects
    bool at_registry = true;
};

/// Thread-safe. Borrows the context.
class RegistryRepository {
public:
    /// `scopes` are asked for when the registry wants a token; what it names itself is added.
    RegistryRepository(RegistryContext& context, std::shared_ptr<RegistryHost> host, const Reference& repository,
                       std::vector<std::string> scopes);

    /// The answer, whatever its status is below 500 but 401, 403 (thrown), 408 and 429 (tried again). Throws
    /// Unavailable when `retrier` allows no further try.
    RepositoryAnswer send(const RepositoryRequest& request, Retrier& retrier, const Run& run);

    /// One try: what may pass is thrown as BusyError, or Error{Unavailable} for a broken connection. 400, 401 and 403
    /// of another server, where `request.url` is, are answers.
    RepositoryAnswer send_once(const RepositoryRequest& request, const Run& run);

    /// Where the Location or Link `reference` of `answer` leads. What is at the registry keeps the scheme and port by
    /// which we reach it: proxies often hide both from the registry. Throws Error{Unsupported} for a step from https
    /// down to http.
    [[nodiscard]] Url locate(const RepositoryAnswer& answer, std::string_view reference) const;
    /// Credentials may go to `url`.
    [[nodiscard]] bool is_at_registry(const Url& url) const { return url.same_origin(host_->url("/")); }

    /// Throws what `response` means.
    [[noreturn]] void refuse(HttpResponse& response, const RepositoryRequest& request, const Run& run);

    [[nodiscard]] Retrier retrier(const Run& run) { return {context_.options.retry, host_->budget(), run}; }
    [[nodiscard]] const Reference& reference() const noexcept { return reference_; }

private:
    RepositoryAnswer follow(const RepositoryRequest& request, const Secret& authorization, const Run& run);
    RepositoryAnswer send_first(const RepositoryRequest& request, const HttpRequest& message,
                                const Secret& authorization, const Run& run);
    HttpResponse send_to(const Url& url, HttpRequest message, const Secret& authorization, const Run& run);

    RegistryContext& context_;
    std::shared_ptr<RegistryHost> host_;
    Reference reference_;
    RegistryAuthenticator authenticator_;
};

/// One more try after `error`, as `retrier` allows: false when the error is no passing one or no try is left.
bool may_try_again(const Error& error, Retrier& retrier);

/// Reads a short body to its end, so that the connection can be used again.
void drain(HttpResponse& response);

}  // namespace cooper::oci
