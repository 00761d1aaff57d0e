// Requests to one repository: redirects, authorization and further tries.
#pragma once

#include "cooper/base/digest.hpp"

#include "oci/registry/registry_auth.hpp"
#include "oci/registry/registry_host.hpp"

#include <memory>
#include <optional>
#include <string>

namespace cooper::oci {

inline constexpr int kMaxRedirects = 10;

struct RepositoryRequest {
    std::string method = "GET";
    std::string path;  ///< below /v2/NAME: "/manifests/latest"
    Headers headers;   ///< without Authorization
    std::string what;  ///< for messages: "manifest ghcr.io/acme/app:1"
};

/// Thread-safe. Borrows the context.
class RegistryRepository {
public:
    RegistryRepository(RegistryContext& context, std::shared_ptr<RegistryHost> host, const Reference& repository);

    /// The answer, whatever its status is below 500 but 401, 403 (thrown), 408 and 429 (tried again). Throws
    /// Unavailable when `retrier` allows no further try.
    HttpResponse send(const RepositoryRequest& request, Retrier& retrier, const Run& run);

    /// Throws what `response` means.
    [[noreturn]] void refuse(HttpResponse& response, const RepositoryRequest& request, const Run& run);

    [[nodiscard]] Retrier retrier(const Run& run) { return {context_.options.retry, host_->budget(), run}; }
    [[nodiscard]] const Reference& reference() const noexcept { return reference_; }

private:
    /// Where an answer came from.
    struct Hop {
        HttpResponse response;
        Url url;
        bool at_registry = true;
    };
    HttpResponse try_once(const RepositoryRequest& request, const Run& run);
    Hop follow(const RepositoryRequest& request, const Secret& authorization, const Run& run);
    Hop send_to(const Url& url, HttpRequest message, const Secret& authorization, const Run& run);

    RegistryContext& context_;
    std::shared_ptr<RegistryHost> host_;
    Reference reference_;
    RegistryAuthenticator authenticator_;
};

/// One more try after `error`, as `retrier` allows: false when the error is no passing one or no try is left.
bool may_try_again(const Error& error, Retrier& retrier);

}  // namespace cooper::oci
