// Roles: AssumeRole and AssumeRoleWithWebIdentity (AWS STS API 2011-06-15), and GitHub's OIDC token.
#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/base/text.hpp"
#include "cooper/s3/sigv4.hpp"

#include "base/json.hpp"
#include "s3/endpoint.hpp"
#include "s3/failure.hpp"
#include "s3/providers.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::s3 {

namespace {

constexpr int kAttempts = 3;
constexpr std::size_t kMaxToken = 64 * 1024;
constexpr std::string_view kForm = "application/x-www-form-urlencoded; charset=utf-8";

Url sts_url(const ProviderContext& context) {
    if (const auto endpoint = configured_endpoint(context.environment, context.profiles, context.profile, "sts")) {
        return Url::parse(*endpoint);
    }
    const bool fips = is_true(context.environment.get("AWS_USE_FIPS_ENDPOINT").value_or(""));
    if (!is_region_name(context.region)) {
        throw Error(ErrorCode::InvalidInput,
                    "\"" + context.region.substr(0, 64) + "\" is not the name of an AWS region");
    }
    return Url::parse(std::string(fips ? "https://sts-fips." : "https://sts.") + context.region + "." +
                      std::string(dns_suffix(context.region)) + "/");
}

NameValues role_form(std::string_view action, const RoleRequest& request) {
    NameValues form{{"Action", std::string(action)},
                    {"Version", "2011-06-15"},
                    {"RoleArn", request.role_arn},
                    {"RoleSessionName", request.session_name}};
    if (!request.external_id.empty()) {
        form.emplace_back("ExternalId", request.external_id);
    }
    if (request.duration) {
        form.emplace_back("DurationSeconds", std::to_string(request.duration->count()));
    }
    return form;
}

HttpRequest sts_request(const ProviderContext& context, const std::string& form) {
    HttpRequest request;
    request.method = "POST";
    request.url = sts_url(context);
    request.headers.add("content-type", std::string(kForm));
    request.body = std::make_shared<MemoryRanged>(form);
    return request;
}

void sign(HttpRequest& request, const std::string& form, const Credentials& source, const std::string& region,
          const Run& run) {
    const Scope scope{run.clock->now_seconds(), region, "sts"};
    SignableRequest signable{request.method, percent_decode(request.url.path), {}, {}, std::string(sha256(form).hex())};
    signable.headers = {{"content-type", std::string(kForm)},
                        {"host", request.url.authority()},
                        {"x-amz-date", format_amz(scope.time)}};
    request.headers.add("x-amz-date", format_amz(scope.time));
    if (!source.session_token.empty()) {
        signable.headers.emplace_back("x-amz-security-token", source.session_token.reveal());
        request.headers.add("x-amz-security-token", source.session_token.reveal());
    }
    const CanonicalRequest canonical = canonicalize(signable, {.double_encode_path = true, .normalise_path = true});
    const std::string hex =
        signature(signing_key(source.secret_access_key, scope), string_to_sign(canonical.text, scope));
    request.headers.add("Authorization", authorization(source, scope, canonical, hex));
}

/// The Credentials element of a good answer, wherever it is.
const xml::Element* find_credentials(const xml::Element& element) {
    if (element.name == "Credentials") {
        return &element;
    }
    for (const xml::Element& child : element.children) {
        if (const xml::Element* found = find_credentials(child)) {
            return found;
        }
    }
    return nullptr;
}

Credentials read_answer(const ServiceAnswer& answer, const std::string& what) {
    if (answer.status != 200) {
        raise(read_failure(answer.status, Headers{}, answer.body), what);
    }
    const auto document = xml::try_parse(answer.body);
    const xml::Element* found = document ? find_credentials(*document) : nullptr;
    if (found == nullptr) {
        throw Error(ErrorCode::Unavailable, what + ": the answer of STS has no credentials");
    }
    Credentials credentials;
    credentials.access_key_id = found->text_of("AccessKeyId");
    credentials.secret_access_key = Secret(std::string(found->text_of("SecretAccessKey")));
    credentials.session_token = Secret(std::string(found->text_of("SessionToken")));
    credentials.expires = parse_rfc3339(found->text_of("Expiration"));
    return checked(std::move(credentials));
}

/// "AWS::…" tokens come from identity providers that STS asks in turn: IDPCommunicationError passes.
ServiceAnswer ask_sts(const ProviderContext& context, const std::function<HttpRequest()>& make, const Run& run) {
    RetryPolicy policy;
    policy.attempts = kAttempts;
    RetryBudget budget;
    Retrier retrier(policy, budget, run);
    for (;;) {
        const ServiceAnswer answer = ask_service(context.http, make(), kAttempts, run);
        const Failure failure = answer.status == 200 ? Failure{} : read_failure(answer.status, Headers{}, answer.body);
        const bool passing = failure.code == "IDPCommunicationError" || (answer.status != 200 && is_throttled(failure));
        if (!passing || !retrier.again()) {
            return answer;
        }
    }
}

RoleRequest role_of_profile(const ProviderContext& context, const std::string& profile, const Run& run) {
    const Profiles& profiles = context.profiles;
    RoleRequest request;
    request.role_arn = profiles.get(profile, "role_arn").value_or("");
    request.session_name = profiles.get(profile, "role_session_name").value_or(default_session_name(context, run));
    request.external_id = profiles.get(profile, "external_id").value_or("");
    if (const auto seconds = parse_uint(profiles.get(profile, "duration_seconds").value_or(""))) {
        request.duration = std::chrono::seconds(std::clamp<std::uint64_t>(*seconds, 900, 43'200));
    }
    return request;
}

/// What a profile has of its own: a role again, SSO, keys, or a process.
Credentials source_credentials(const ProviderContext& context, const std::string& source,
                               const std::vector<std::string>& visited, const Run& run) {
    if (!context.profiles.has(source)) {
        throw Error(ErrorCode::InvalidInput, "source_profile " + source + " is in neither of the AWS files");
    }
    // A profile may name itself: then its own keys are meant.
    const bool itself = !visited.empty() && visited.back() == source;
    Found found;
    if (!itself && context.profiles.get(source, "role_arn")) {
        found = find_profile_role(context, source, visited, run);
    }
    const auto next = [&found](auto&& find) {
        if (!found.credentials) {
            found = find();
        }
    };
    next([&] { return find_sso(context, source, run); });
    next([&] { return find_credentials_file(context, source); });
    next([&] { return find_process(context, source, run); });
    next([&] { return find_config_file(context, source); });
    if (!found.credentials) {
        throw Error(ErrorCode::AccessDenied, "source_profile " + source + " has no credentials");
    }
    return std::move(*found.credentials);
}

Credentials named_source(const ProviderContext& context, const std::string& source, const Run& run) {
    Found found;
    if (source == "Environment") {
        found = find_environment(context);
    } else if (source == "Ec2InstanceMetadata") {
        found = find_instance(context, run);
    } else if (source == "EcsContainer") {
        found = find_container(context, run);
    } else {
        throw Error(ErrorCode::InvalidInput,
                    "credential_source \"" + source + "\" is none of Environment, Ec2InstanceMetadata, EcsContainer");
    }
    if (!found.credentials) {
        throw Error(ErrorCode::AccessDenied, "credential_source " + source + " has no credentials: " + found.reason);
    }
    return std::move(*found.credentials);
}

Secret read_token(const std::string& path) {
    // Read anew each time: the platform replaces it long before it ends.
    return in_context("the web identity token",
                      [&path] { return Secret(std::string(trim(read_file(path, kMaxToken)))); });
}

}  // namespace

std::string default_session_name(const ProviderContext& context, const Run& run) {
    std::string name = context.environment.get("AWS_ROLE_SESSION_NAME").value_or("");
    if (name.empty()) {
        const auto ci_run = context.environment.get("GITHUB_RUN_ID");
        name = "cooper-" + ci_run.value_or(std::to_string(run.clock->now_seconds().time_since_epoch().count()));
    }
    constexpr std::size_t kLongest = 64;
    std::string fit;
    for (const char c : name.substr(0, kLongest)) {
        const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                             std::string_view("_+=,.@-").find(c) != std::string_view::npos;
        fit += allowed ? c : '-';
    }
    return fit.size() < 2 ? "cooper" : fit;
}

Credentials assume_role(const ProviderContext& context, const Credentials& source, const RoleRequest& request,
                        const Run& run) {
    const std::string form = encode_query(role_form("AssumeRole", request));
    const auto make = [&] {
        HttpRequest http = sts_request(context, form);
        sign(http, form, source, context.region, run);
        return http;
    };
    Credentials credentials = read_answer(ask_sts(context, make, run), "taking the role " + request.role_arn);
    credentials.origin = "role " + request.role_arn;
    return credentials;
}

Credentials assume_role_with_token(const ProviderContext& context, const Secret& token, const RoleRequest& request,
                                   const Run& run) {
    NameValues form = role_form("AssumeRoleWithWebIdentity", request);
    form.emplace_back("WebIdentityToken", token.reveal());
    const std::string text = encode_query(form);
    const auto make = [&] { return sts_request(context, text); };  // the token is the proof: nothing is signed
    Credentials credentials =
        read_answer(ask_sts(context, make, run), "exchanging the OIDC token for the role " + request.role_arn);
    credentials.origin = "role " + request.role_arn;
    return credentials;
}

Found find_profile_role(const ProviderContext& context, const std::string& profile, std::vector<std::string> visited,
                        const Run& run) {
    const Profiles& profiles = context.profiles;
    const RoleRequest request = role_of_profile(context, profile, run);
    if (request.role_arn.empty()) {
        return {std::nullopt, "no role_arn"};
    }
    const std::string what = "profile " + profile;
    if (std::find(visited.begin(), visited.end(), profile) != visited.end()) {
        throw Error(ErrorCode::InvalidInput, what + ": source_profile leads back to itself");
    }
    visited.push_back(profile);
    if (profiles.get(profile, "mfa_serial")) {
        throw Error(ErrorCode::Unsupported, what + ": mfa_serial asks for a code, and nobody may be there to type it")
            .advise("take the role with \"aws sts assume-role\" or \"aws configure export-credentials\" first");
    }
    Credentials credentials;
    if (const auto token_file = profiles.get(profile, "web_identity_token_file")) {
        credentials =
            in_context(what, [&] { return assume_role_with_token(context, read_token(*token_file), request, run); });
    } else {
        const auto source = profiles.get(profile, "source_profile");
        const auto place = profiles.get(profile, "credential_source");
        if (source.has_value() == place.has_value()) {
            throw Error(ErrorCode::InvalidInput,
                        what + ": role_arn needs source_profile or credential_source, and not both");
        }
        credentials = in_context(what, [&] {
            return assume_role(
                context,
                source ? source_credentials(context, *source, visited, run) : named_source(context, *place, run),
                request, run);
        });
    }
    credentials.origin = what + " (role " + request.role_arn + ")";
    return {std::move(credentials), ""};
}

Found find_web_identity(const ProviderContext& context, const std::string& role_arn, const Run& run) {
    const auto token_file = context.environment.get("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (!token_file) {
        return {std::nullopt, "AWS_WEB_IDENTITY_TOKEN_FILE is not set"};
    }
    RoleRequest request;
    request.role_arn = !role_arn.empty() ? role_arn : context.environment.get("AWS_ROLE_ARN").value_or("");
    if (request.role_arn.empty()) {
        throw Error(ErrorCode::InvalidInput, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
    }
    request.session_name = default_session_name(context, run);
    Credentials credentials = assume_role_with_token(context, read_token(*token_file), request, run);
    credentials.origin = "web identity (role " + request.role_arn + ")";
    return {std::move(credentials), ""};
}

Found find_github(const ProviderContext& context, const std::string& role_arn, const Run& run) {
    const auto url = context.environment.get("ACTIONS_ID_TOKEN_REQUEST_URL");
    const auto bearer = context.environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    RoleRequest request;
    request.role_arn = !role_arn.empty() ? role_arn : context.environment.get("AWS_ROLE_ARN").value_or("");
    if (!url || !bearer) {
        return {std::nullopt, "no job with id-token: write"};
    }
    if (request.role_arn.empty()) {
        return {std::nullopt, "no role is named"};
    }
    request.session_name = default_session_name(context, run);
    // China's STS has another audience.
    const std::string audience =
        dns_suffix(context.region).ends_with(".cn") ? "sts.amazonaws.com.cn" : "sts.amazonaws.com";
    HttpRequest http;
    http.url = Url::parse(*url + (url->find('?') == std::string::npos ? "?" : "&") + "audience=" + audience);
    if (http.url.scheme != "https" && !http.url.is_loopback()) {
        throw Error(ErrorCode::InvalidInput, "ACTIONS_ID_TOKEN_REQUEST_URL is not https");
    }
    http.headers.add("Authorization", "bearer " + *bearer);
    const std::string what = "GitHub's OIDC token";
    const ServiceAnswer answer = ask_service(context.http, http, kAttempts, run);
    if (answer.status != 200) {
        throw HttpError(ErrorCode::AccessDenied, what + ": GitHub answered " + std::to_string(answer.status),
                        answer.status, "")
            .advise("give the job \"permissions: id-token: write\"");
    }
    const Secret token(json::string_member(json::parse(answer.body, what), "value", what));
    Credentials credentials = assume_role_with_token(context, token, request, run);
    credentials.origin = "GitHub OIDC (role " + request.role_arn + ")";
    return {std::move(credentials), ""};
}

}  // namespace cooper::s3
