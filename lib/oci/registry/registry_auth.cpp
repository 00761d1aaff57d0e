#include "oci/registry/registry_auth.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "oci/printable.hpp"
#include "oci/registry/registry_error.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::oci {

namespace {

constexpr std::size_t kMaxTokenReply = 1024 * 1024;
constexpr std::size_t kMaxScopes = 16;  // one repository needs one; a refused mount names two
constexpr std::chrono::seconds kDefaultLife{60};
constexpr std::chrono::seconds kMaxLife{24 * 3600};
constexpr int kMaxTokenRedirects = 5;
constexpr std::string_view kClientId = "cooper";

bool is_header_safe(std::string_view token) {
    return !token.empty() && std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Secret basic(const RegistryCredentials& credentials) {
    return Secret("Basic " + to_base64(as_bytes(credentials.username + ":" + credentials.password.reveal())));
}

std::string form_field(std::string_view name, std::string_view value) {
    return std::string(name) + "=" + percent_encode(value);
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : " ") + word;
    }
    return text;
}

/// "repository:a:pull,push" covers "repository:a:pull": services that read one scope only get all of it.
bool covers(std::string_view scope, std::string_view wanted) {
    const std::size_t actions = scope.rfind(':') + 1;
    if (scope.substr(0, actions) != wanted.substr(0, wanted.rfind(':') + 1)) {
        return false;
    }
    const std::vector<std::string_view> granted = split(scope.substr(actions), ',');
    const std::vector<std::string_view> asked = split(wanted.substr(actions), ',');
    return std::all_of(asked.begin(), asked.end(), [&](std::string_view action) {
        return std::find(granted.begin(), granted.end(), action) != granted.end();
    });
}

}  // namespace

TokenReply parse_token_reply(std::string_view body, const std::string& service) {
    const json::Value document = json::parse(body, "the answer of token service " + service);
    const auto text = [&](std::string_view key) { return json::find_string(document, key, service).value_or(""); };
    TokenReply reply;
    std::string token = text("token");
    reply.token = Secret(token.empty() ? text("access_token") : std::move(token));
    if (!is_header_safe(reply.token.reveal())) {
        throw Error(ErrorCode::AccessDenied, "token service " + service + " gave no usable token");
    }
    reply.refresh_token = Secret(text("refresh_token"));
    const std::int64_t life = json::find_int(document, "expires_in", service).value_or(0);
    reply.life = life <= 0 ? kDefaultLife : std::chrono::seconds(std::min<std::int64_t>(life, kMaxLife.count()));
    return reply;
}

Url checked_realm(const std::string& realm, const Url& registry) {
    const auto refuse = [&](const std::string& why) {
        throw Error(ErrorCode::AccessDenied, "registry " + registry.authority() + " names the token service " +
                                                 redact(printable(realm)) + ": " + why);
    };
    Url url;
    try {
        url = Url::parse(realm);
    } catch (const Error&) {
        refuse("not an http or https URL");
    }
    if (url.scheme == "http" && registry.scheme != "http") {
        refuse("plain http is refused when the registry is asked by https");
    }
    return url;
}

std::string repository_scope(const Reference& repository, std::string_view actions) {
    return "repository:" + repository.path() + ":" + std::string(actions);
}

RegistryAuthenticator::RegistryAuthenticator(RegistryContext& context, Reference repository,
                                             std::vector<std::string> scopes)
    : context_(context), repository_(std::move(repository)), scopes_(std::move(scopes)) {}

RegistryAuthenticator::Ticket RegistryAuthenticator::ticket(const Run& run) {
    const std::scoped_lock lock(mutex_);
    if (method_ == Method::Bearer && run.clock->now() >= renew_at_) {
        fetch_token(run);
    }
    return {authorization_, generation_};
}

bool RegistryAuthenticator::refused(const Ticket& used, bool fresh, const std::vector<std::string>& fields,
                                    const Url& registry, const Run& run) {
    const std::scoped_lock lock(mutex_);
    if (used.generation != generation_) {
        return true;  // another thread was faster
    }
    const std::vector<Challenge> challenges = parse_challenges(fields);
    for (const Challenge& challenge : challenges) {
        if (challenge.scheme == "bearer" && !challenge.parameter("realm").empty()) {
            return answer_bearer(used, fresh, challenge, registry, run);
        }
    }
    return std::any_of(challenges.begin(), challenges.end(), [](const Challenge& c) { return c.scheme == "basic"; }) &&
           answer_basic(used, run);
}

bool RegistryAuthenticator::answer_basic(const Ticket& used, const Run& run) {
    if (!used.authorization.empty() || !credentials(run) || credentials_->username.empty()) {
        return false;
    }
    method_ = Method::Basic;
    set_authorization(basic(*credentials_));
    return true;
}

bool RegistryAuthenticator::answer_bearer(const Ticket& used, bool fresh, const Challenge& challenge,
                                          const Url& registry, const Run& run) {
    if (credentials(run) && !credentials_->registry_token.empty()) {
        if (!used.authorization.empty()) {
            return false;
        }
        set_authorization(Secret("Bearer " + credentials_->registry_token.reveal()));
        return true;
    }
    const bool wider = widen_scope(challenge.parameter("scope"));
    if (fresh && !used.authorization.empty() && !wider) {
        return false;
    }
    realm_ = checked_realm(challenge.parameter("realm"), registry);
    registry_ = registry;
    service_ = challenge.parameter("service");
    method_ = Method::Bearer;
    fetch_token(run);
    return true;
}

const std::optional<RegistryCredentials>& RegistryAuthenticator::credentials(const Run& run) {
    if (!credentials_known_) {
        credentials_ = context_.credentials.find(repository_, run);
        credentials_known_ = true;
        if (credentials_) {
            refresh_token_ = credentials_->identity_token;
        }
    }
    return credentials_;
}

bool RegistryAuthenticator::widen_scope(const std::string& wanted) {
    bool wider = false;
    for (const std::string_view one : split(wanted, ' ')) {
        const bool known = one.empty() || std::any_of(scopes_.begin(), scopes_.end(),
                                                      [&](const std::string& scope) { return covers(scope, one); });
        if (!known && scopes_.size() < kMaxScopes) {
            scopes_.emplace_back(one);
            wider = true;
        }
    }
    return wider;
}

void RegistryAuthenticator::set_authorization(Secret value) {
    authorization_ = std::move(value);
    ++generation_;
}

void RegistryAuthenticator::fetch_token(const Run& run) {
    // Life counts from before the request by our own clock: the service's may be wrong.
    const auto asked_at = run.clock->now();
    const TokenReply reply = refresh_token_.empty() ? ask_by_get(run) : ask_by_post(run);
    if (!reply.refresh_token.empty() && !refresh_token_.empty()) {
        refresh_token_ = reply.refresh_token;
    }
    renew_at_ = asked_at + std::chrono::duration_cast<std::chrono::milliseconds>(reply.life) * 4 / 5;
    set_authorization(Secret("Bearer " + reply.token.reveal()));
}

TokenReply RegistryAuthenticator::ask_by_get(const Run& run) {
    HttpRequest request;
    request.url = realm_;
    const auto add = [&](std::string_view name, std::string_view value) {
        request.url.query += (request.url.query.empty() ? "" : "&") + form_field(name, value);
    };
    if (!service_.empty()) {
        add("service", service_);
    }
    for (const std::string& scope : scopes_) {
        add("scope", scope);
    }
    const bool known_user = credentials_ && !credentials_->username.empty();
    if (known_user) {
        add("account", credentials_->username);
        request.headers.set("Authorization", basic(*credentials_).reveal());
    }
    add("client_id", kClientId);
    HttpResponse response = send_to_realm(std::move(request), run);
    if (known_user && (response.status == 404 || response.status == 405)) {
        return ask_by_post(run);  // a service that knows OAuth2 only
    }
    return read_reply(response, run);
}

TokenReply RegistryAuthenticator::ask_by_post(const Run& run) {
    HttpRequest request;
    request.method = "POST";
    request.url = realm_;
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    std::string form = form_field("service", service_) + "&" + form_field("client_id", kClientId) + "&" +
                       form_field("scope", joined(scopes_));
    if (!refresh_token_.empty()) {
        form += "&grant_type=refresh_token&" + form_field("refresh_token", refresh_token_.reveal());
    } else {
        form += "&grant_type=password&" + form_field("username", credentials_->username) + "&" +
                form_field("password", credentials_->password.reveal());
    }
    request.body = std::make_shared<MemoryRanged>(std::move(form));
    HttpResponse response = send_to_realm(std::move(request), run);
    return read_reply(response, run);
}

HttpResponse RegistryAuthenticator::send_to_realm(HttpRequest request, const Run& run) {
    const bool has_secret = request.headers.find("Authorization").has_value() || request.body != nullptr;
    if (has_secret && realm_.host != registry_.host && realm_.scheme != "https" && !realm_.is_loopback()) {
        throw Error(ErrorCode::AccessDenied, "registry " + registry_.authority() + " names the token service " +
                                                 realm_.redacted() +
                                                 ": credentials do not go to another host by plain http");
    }
    request.headers.set("Accept", "application/json");
    for (int redirects = 0;; ++redirects) {
        HttpResponse response = context_.send_where_chosen(request, registry_, run);
        const auto location = response.headers.find("Location");
        if (request.method != "GET" || !is_redirect(response.status) || !location || redirects == kMaxTokenRedirects) {
            return response;
        }
        const Url next = request.url.resolve(*location);
        checked_realm(next.text(), request.url);
        if (!next.same_origin(request.url)) {
            request.headers.remove("Authorization");
        }
        request.url = next;
    }
}

TokenReply RegistryAuthenticator::read_reply(HttpResponse& response, const Run& run) {
    const std::string service = realm_.authority();
    if (response.status == 200) {
        return parse_token_reply(read_all(*response.body, kMaxTokenReply, "the answer of token service " + service),
                                 service);
    }
    throw_token_refusal(response, "token service " + service, repository_.repository(),
                        credentials_ ? credentials_->origin : "", run);
}

std::string RegistryAuthenticator::identity() const {
    const std::scoped_lock lock(mutex_);
    return credentials_ ? "with the credentials from " + credentials_->origin : "anonymously";
}

}  // namespace cooper::oci
