// The places where AWS credentials are found, one function each; credentials.cpp puts them in order and refreshes.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/run.hpp"
#include "cooper/s3/credentials.hpp"

#include "s3/profile.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::s3 {

/// What all of them look at.
struct ProviderContext {
    HttpClient& http;
    Environment environment;
    Profiles profiles;
    std::string profile;
    bool profile_by_flag = false;
    std::string region;
};

/// Credentials, or why there are none. A place that is configured but does not work throws instead.
struct Found {
    std::optional<Credentials> credentials;
    std::string reason;
};

Found find_environment(const ProviderContext& context);
/// role_arn of a profile: with source_profile or credential_source (AssumeRole), or web_identity_token_file.
Found find_profile_role(const ProviderContext& context, const std::string& profile, std::vector<std::string> visited,
                        const Run& run);
/// AWS_WEB_IDENTITY_TOKEN_FILE with `role_arn`, or with AWS_ROLE_ARN when that is empty.
Found find_web_identity(const ProviderContext& context, const std::string& role_arn, const Run& run);
/// The job's OIDC token of GitHub Actions for `role_arn`, or for AWS_ROLE_ARN when that is empty.
Found find_github(const ProviderContext& context, const std::string& role_arn, const Run& run);
Found find_sso(const ProviderContext& context, const std::string& profile, const Run& run);
Found find_credentials_file(const ProviderContext& context, const std::string& profile);
Found find_login_session(const ProviderContext& context, const std::string& profile);
Found find_process(const ProviderContext& context, const std::string& profile, const Run& run);
Found find_config_file(const ProviderContext& context, const std::string& profile);
Found find_container(const ProviderContext& context, const Run& run);
Found find_instance(const ProviderContext& context, const Run& run);

/// What STS is asked for.
struct RoleRequest {
    std::string role_arn;
    std::string session_name;
    std::string external_id;
    std::optional<std::chrono::seconds> duration;
};
/// AWS_ROLE_SESSION_NAME, else one that names the CI run or the time.
std::string default_session_name(const ProviderContext& context, const Run& run);
Credentials assume_role(const ProviderContext& context, const Credentials& source, const RoleRequest& request,
                        const Run& run);
Credentials assume_role_with_token(const ProviderContext& context, const Secret& token, const RoleRequest& request,
                                   const Run& run);

inline constexpr std::string_view kInstanceOrigin = "instance metadata";

// Shared by several of them.

/// An answer of a credential service: bounded, never logged.
struct ServiceAnswer {
    int status = 0;
    std::string body;
};
/// Sends, and again (`attempts` in all) when nothing or a 5xx came.
ServiceAnswer ask_service(HttpClient& http, const HttpRequest& request, int attempts, const Run& run);

/// A JSON document with AccessKeyId, SecretAccessKey, `token_name`, Expiration.
Credentials parse_session(std::string_view text, std::string_view token_name, const std::string& what);
/// Throws Error{InvalidInput} for keys that are no keys (a line break in them would end up in a header).
Credentials checked(Credentials credentials);

/// The words of a command line by the shell's quoting, nothing else of a shell; throws Error{InvalidInput}.
std::vector<std::string> split_command(std::string_view text);

}  // namespace cooper::s3
