// AWS credentials, found as the AWS CLI finds them and refreshed before they expire (`s3.md` section 5).
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/secret.hpp"

#include <memory>
#include <optional>
#include <string>

namespace cooper::s3 {

struct Credentials {
    std::string access_key_id;
    Secret secret_access_key;
    Secret session_token;              ///< empty for long-lived keys
    std::optional<TimePoint> expires;  ///< nullopt: never, or not known (then session_token tells)
    std::string origin;                ///< "environment", "profile prod (role …)", for -v and for advice
};

/// Gives valid credentials at any time. Thread-safe: ask before every request, it refreshes when needed (one thread
/// does, others go on while what they have is still good).
class CredentialsProvider {
public:
    virtual ~CredentialsProvider() = default;
    virtual Credentials get(const Run& run) = 0;
    /// The server said that they are expired: forget them, so that the next get() fetches anew.
    virtual void invalidate() {}
};

struct CredentialsOptions {
    std::string profile;   ///< --profile; empty: AWS_PROFILE, else "default"
    std::string region;    ///< for STS; empty: from the settings
    std::string role_arn;  ///< --role-arn: in GitHub Actions exchanged for the job's OIDC token, else assumed
};

/// The chain: environment, role of a profile, web identity (and GitHub OIDC with a role), SSO cache, credentials file,
/// process, config file, container, instance metadata v2. Throws Error{AccessDenied} that lists what was tried when
/// nothing is found (on get(), not here).
std::unique_ptr<CredentialsProvider> make_credentials_chain(HttpClient& http, const Environment& environment,
                                                            CredentialsOptions options = {});

std::unique_ptr<CredentialsProvider> make_fixed_credentials(Credentials credentials);

}  // namespace cooper::s3
