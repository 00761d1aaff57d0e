// Who we are towards a registry: Basic, and Bearer tokens from the service that the registry names.
// Docker Registry v2 authentication: token specification (GET) and OAuth2 (POST).
#pragma once

#include "cooper/base/secret.hpp"

#include "oci/registry/registry_challenge.hpp"
#include "oci/registry/registry_host.hpp"

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// What a token service answered.
struct TokenReply {
    Secret token;
    Secret refresh_token;  ///< empty: none
    std::chrono::seconds life{60};
};
/// Throws Error{AccessDenied} when it holds no usable token.
TokenReply parse_token_reply(std::string_view body, const std::string& service);

/// The token service that `challenge` names, if a registry at `registry` may send us there: an https URL, or http when
/// the registry itself is asked by http. Throws Error{AccessDenied}.
Url checked_realm(const std::string& realm, const Url& registry);

/// "repository:NAME:ACTIONS", as token services read it.
std::string repository_scope(const Reference& repository, std::string_view actions);

/// One repository's authorization. Several threads may ask; one of them fetches, the others wait for it.
class RegistryAuthenticator {
public:
    RegistryAuthenticator(RegistryContext& context, Reference repository, std::vector<std::string> scopes);

    /// The Authorization value to send now (empty: none) and which one it is.
    struct Ticket {
        Secret authorization;
        std::uint64_t generation = 0;
    };
    /// Renews a token at 80% of its life.
    Ticket ticket(const Run& run);

    /// The registry at `registry` answered `used` with 401 and `fields` of WWW-Authenticate. True when ticket() now
    /// gives something else to try. `fresh`: `used` was made for this very request, so only a wider scope can help.
    bool refused(const Ticket& used, bool fresh, const std::vector<std::string>& fields, const Url& registry,
                 const Run& run);

    /// "anonymously", "with the credentials from …": for messages.
    [[nodiscard]] std::string identity() const;

private:
    enum class Method { None, Basic, Bearer };
    bool answer_basic(const Ticket& used, const Run& run);
    bool answer_bearer(const Ticket& used, bool fresh, const Challenge& challenge, const Url& registry, const Run& run);
    const std::optional<RegistryCredentials>& credentials(const Run& run);
    /// True when `scope` holds something new.
    bool widen_scope(const std::string& scope);
    void fetch_token(const Run& run);
    TokenReply ask_by_get(const Run& run);
    TokenReply ask_by_post(const Run& run);
    HttpResponse send_to_realm(HttpRequest request, const Run& run);
    TokenReply read_reply(HttpResponse& response, const Run& run);
    void set_authorization(Secret value);

    RegistryContext& context_;
    Reference repository_;
    mutable std::mutex mutex_;
    std::optional<RegistryCredentials> credentials_;
    bool credentials_known_ = false;
    Method method_ = Method::None;
    Url realm_;
    Url registry_;
    std::string service_;
    std::vector<std::string> scopes_;
    Secret refresh_token_;  ///< newer than the one in the credentials
    Secret authorization_;
    std::chrono::system_clock::time_point renew_at_ = std::chrono::system_clock::time_point::max();
    std::uint64_t generation_ = 0;
};

}  // namespace cooper::oci
