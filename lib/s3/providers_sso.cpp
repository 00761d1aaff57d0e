// IAM Identity Center: the token that `aws sso login` left in its cache, exchanged for a role's session.
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "s3/endpoint.hpp"
#include "s3/legacy_hash.hpp"
#include "s3/providers.hpp"

#include <nlohmann/json.hpp>

namespace cooper::s3 {

namespace {

constexpr int kAttempts = 3;
constexpr std::size_t kMaxCache = 256 * 1024;
constexpr std::chrono::minutes kRenewBefore{15};

/// What the profile says of its SSO.
struct SsoProfile {
    std::string session;  ///< of [sso-session]; empty: the old form, by start URL
    std::string start_url;
    std::string region;
    std::string account;
    std::string role;

    [[nodiscard]] std::string login_command(const std::string& profile) const {
        return "aws sso login --profile " + profile;
    }
};

std::optional<SsoProfile> read_profile(const ProviderContext& context, const std::string& profile) {
    const Profiles& profiles = context.profiles;
    SsoProfile sso;
    sso.account = profiles.get(profile, "sso_account_id").value_or("");
    sso.role = profiles.get(profile, "sso_role_name").value_or("");
    sso.session = profiles.get(profile, "sso_session").value_or("");
    if (sso.account.empty() || sso.role.empty()) {
        return std::nullopt;
    }
    const std::string what = "profile " + profile;
    if (sso.session.empty()) {
        sso.start_url = profiles.get(profile, "sso_start_url").value_or("");
        sso.region = profiles.get(profile, "sso_region").value_or("");
    } else {
        const IniSection* section = profiles.section("sso-session", sso.session);
        if (section == nullptr) {
            throw Error(ErrorCode::InvalidInput,
                        what + " names sso_session " + sso.session + ", which the config file does not have");
        }
        const auto value = [section](std::string_view key) {
            const auto at = section->find(key);
            return at == section->end() ? std::string() : at->second;
        };
        sso.start_url = value("sso_start_url");
        sso.region = value("sso_region");
    }
    if (sso.start_url.empty() || !is_region_name(sso.region)) {
        throw Error(ErrorCode::InvalidInput, what + ": sso_start_url or sso_region is missing");
    }
    return sso;
}

std::string cache_path(const ProviderContext& context, const SsoProfile& sso) {
    const std::string& name = sso.session.empty() ? sso.start_url : sso.session;
    return context.environment.home() + "/.aws/sso/cache/" +
           to_hex(as_bytes(legacy_hash(LegacyHash::Sha1, as_bytes(name)))) + ".json";
}

Url service_url(const ProviderContext& context, std::string_view service, std::string_view host,
                const SsoProfile& sso) {
    const auto endpoint = configured_endpoint(context.environment, context.profiles, context.profile, service);
    Url url = Url::parse(endpoint ? *endpoint
                                  : "https://" + std::string(host) + "." + sso.region + "." +
                                        std::string(dns_suffix(sso.region)));
    if (url.path.ends_with('/')) {
        url.path.pop_back();
    }
    return url;
}

[[noreturn]] void fail_login(const std::string& why, const SsoProfile& sso, const std::string& profile) {
    throw Error(ErrorCode::AccessDenied, "profile " + profile + ": " + why)
        .advise("run \"" + sso.login_command(profile) + "\"");
}

/// A new access token by the refresh token; the cache is rewritten as the AWS CLI does, since the old refresh token may
/// be void.
std::optional<std::string> renew(const ProviderContext& context, const SsoProfile& sso, json::Value cache,
                                 const std::string& path, const Run& run) {
    const std::string what = "the SSO cache";
    const auto refresh = json::find_string(cache, "refreshToken", what);
    const auto client = json::find_string(cache, "clientId", what);
    const auto secret = json::find_string(cache, "clientSecret", what);
    const auto registered = parse_rfc3339(json::find_string(cache, "registrationExpiresAt", what).value_or(""));
    if (!refresh || !client || !secret || (registered && *registered <= run.clock->now_seconds())) {
        return std::nullopt;
    }
    HttpRequest request;
    request.method = "POST";
    request.url = service_url(context, "sso_oidc", "oidc", sso);
    request.url.path += "/token";
    request.headers.add("content-type", "application/json");
    request.body = std::make_shared<MemoryRanged>(json::write({{"clientId", *client},
                                                               {"clientSecret", *secret},
                                                               {"grantType", "refresh_token"},
                                                               {"refreshToken", *refresh}}));
    const ServiceAnswer answer = ask_service(context.http, request, kAttempts, run);
    if (answer.status != 200) {
        return std::nullopt;
    }
    const json::Value fresh = json::parse(answer.body, "the answer of SSO");
    std::string token = json::string_member(fresh, "accessToken", "the answer of SSO");
    const auto seconds = json::find_int(fresh, "expiresIn", "the answer of SSO").value_or(0);
    cache["accessToken"] = token;
    cache["expiresAt"] = format_rfc3339(run.clock->now_seconds() + std::chrono::seconds(seconds));
    if (const auto next = json::find_string(fresh, "refreshToken", "the answer of SSO")) {
        cache["refreshToken"] = *next;
    }
    write_file(path, json::write(cache), 0600);
    return token;
}

std::string access_token(const ProviderContext& context, const SsoProfile& sso, const std::string& profile,
                         const Run& run) {
    const std::string path = cache_path(context, sso);
    const auto text = find_file(path, kMaxCache);
    if (!text) {
        fail_login("not logged in to SSO (" + sso.start_url + ")", sso, profile);
    }
    const std::string what = "the SSO cache " + path;
    json::Value cache = json::parse(*text, what);
    std::string token = json::string_member(cache, "accessToken", what);
    const auto expires = parse_rfc3339(json::string_member(cache, "expiresAt", what));
    const TimePoint now = run.clock->now_seconds();
    if (expires && *expires - now >= kRenewBefore) {
        return token;
    }
    if (auto renewed = renew(context, sso, std::move(cache), path, run)) {
        return *renewed;
    }
    if (!expires || *expires <= now) {
        fail_login("the SSO login has ended", sso, profile);
    }
    return token;
}

}  // namespace

Found find_sso(const ProviderContext& context, const std::string& profile, const Run& run) {
    const auto sso = read_profile(context, profile);
    if (!sso) {
        return {std::nullopt, "no sso_account_id and sso_role_name"};
    }
    HttpRequest request;
    request.url = service_url(context, "sso", "portal.sso", *sso);
    request.url.path += "/federation/credentials";
    request.url.query = "account_id=" + percent_encode(sso->account) + "&role_name=" + percent_encode(sso->role);
    request.headers.add("x-amz-sso_bearer_token", access_token(context, *sso, profile, run));
    const ServiceAnswer answer = ask_service(context.http, request, kAttempts, run);
    if (answer.status == 401 || answer.status == 403) {
        fail_login("SSO refuses the login for role " + sso->role + " of account " + sso->account, *sso, profile);
    }
    const std::string what = "the SSO credentials of profile " + profile;
    if (answer.status != 200) {
        throw HttpError(ErrorCode::Unavailable, what + ": SSO answered " + std::to_string(answer.status), answer.status,
                        "");
    }
    const json::Value document = json::parse(answer.body, what);
    const json::Value& given = json::member(document, "roleCredentials", what);
    Credentials credentials;
    credentials.access_key_id = json::string_member(given, "accessKeyId", what);
    credentials.secret_access_key = Secret(json::string_member(given, "secretAccessKey", what));
    credentials.session_token = Secret(json::find_string(given, "sessionToken", what).value_or(""));
    if (const auto milliseconds = json::find_int(given, "expiration", what)) {
        credentials.expires = TimePoint(std::chrono::seconds(*milliseconds / 1000));
    }
    credentials.origin = "profile " + profile + " (SSO role " + sso->role + ")";
    return {checked(std::move(credentials)), ""};
}

}  // namespace cooper::s3
