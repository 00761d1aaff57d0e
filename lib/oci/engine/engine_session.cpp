#include "oci/engine/engine_session.hpp"

#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "oci/printable.hpp"
#include "oci/registry/registry_error.hpp"

#include <nlohmann/json.hpp>

namespace cooper::oci {

namespace {

/// A name that is no path: Host is made of it, and the engine refuses others with 400.
constexpr const char* kSocketUrl = "http://localhost/";

ErrorCode code_of(int status) {
    switch (status) {
        case 400:
            return ErrorCode::InvalidInput;
        case 401:
        case 403:
            return ErrorCode::AccessDenied;
        case 404:
            return ErrorCode::NotFound;
        case 409:
            return ErrorCode::Conflict;
        default:
            return status >= 500 ? ErrorCode::Unavailable : ErrorCode::Unsupported;
    }
}

std::string advice_without_socket(const EngineEndpoint& endpoint, ErrorCode code) {
    if (code == ErrorCode::AccessDenied) {
        return "The socket belongs to a group, mostly docker: usermod -aG docker USER and a new login let you in; or "
               "run as root; or name a rootless engine's socket with DOCKER_HOST=unix:///PATH.";
    }
    return "Is the daemon running (systemctl status docker; podman: systemctl start podman.socket)? The address comes "
           "from " +
           endpoint.origin + "; DOCKER_HOST=unix:///PATH or tcp://HOST:PORT names another.";
}

std::string advice_without_tcp(const EngineEndpoint& endpoint, ErrorCode code) {
    if (code == ErrorCode::AccessDenied) {
        return "DOCKER_CERT_PATH names a directory with ca.pem, cert.pem and key.pem; a context keeps its own.";
    }
    return "Is the daemon running and does it listen there? The address comes from " + endpoint.origin + "." +
           (endpoint.tls ? "" : " If it speaks TLS, set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH.");
}

}  // namespace

std::optional<ApiVersion> ApiVersion::parse(std::string_view text) {
    constexpr std::uint64_t kLargest = 1'000'000;
    const std::size_t point = text.find('.');
    if (point == std::string_view::npos) {
        return std::nullopt;
    }
    const auto major = parse_uint(text.substr(0, point));
    const auto minor = parse_uint(text.substr(point + 1));
    if (!major || !minor || *major > kLargest || *minor > kLargest) {
        return std::nullopt;
    }
    return ApiVersion{static_cast<unsigned>(*major), static_cast<unsigned>(*minor)};
}

EngineSession::EngineSession(HttpClient& http, EngineEndpoint endpoint, EngineOptions options)
    : http_(http), endpoint_(std::move(endpoint)), options_(options) {}

std::string EngineSession::name() const {
    return "the engine at " +
           (endpoint_.kind == EngineEndpoint::Kind::Unix ? endpoint_.socket : endpoint_.url.authority());
}

HttpRequest EngineSession::request(const std::string& method, const std::string& path, const std::string& query) const {
    HttpRequest request;
    request.method = method;
    if (endpoint_.kind == EngineEndpoint::Kind::Unix) {
        request.url = Url::parse(kSocketUrl);
        request.url.path = path;
        request.unix_socket = endpoint_.socket;
    } else {
        request.url = endpoint_.url;
        request.url.path = (endpoint_.url.path == "/" ? "" : endpoint_.url.path) + path;
        request.tls = endpoint_.tls;
    }
    request.url.query = query;
    return request;
}

EngineSession::Dialect EngineSession::dialect(const Run& run) {
    const std::scoped_lock lock(mutex_);
    if (!dialect_) {
        dialect_ = negotiate(run);
    }
    return *dialect_;
}

HttpResponse EngineSession::ping(const Run& run) const {
    try {
        return http_.send(request("GET", "/_ping", ""), run);
    } catch (Error& error) {
        const bool on_socket = endpoint_.kind == EngineEndpoint::Kind::Unix;
        if (error.code() == ErrorCode::Unavailable || error.code() == ErrorCode::AccessDenied) {
            error.advise(on_socket ? advice_without_socket(endpoint_, error.code())
                                   : advice_without_tcp(endpoint_, error.code()));
        }
        error.add_context("asking the engine");
        throw;
    }
}

EngineSession::Dialect EngineSession::negotiate(const Run& run) const {
    HttpResponse response = ping(run);
    if (response.status != 200) {
        const std::string words = read_server_word(read_error_body(response)).text;
        HttpError error(code_of(response.status),
                        name() + " answered " + std::to_string(response.status) + " to a ping" +
                            (words.empty() ? "" : ": " + words),
                        response.status, "");
        if (words.find("HTTPS server") != std::string::npos) {  // Go's net/http, to plain text on a TLS port
            error.advise("It speaks TLS: set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH.");
        }
        throw error;
    }
    const std::string said = response.headers.find("Api-Version").value_or("");
    const auto newest = ApiVersion::parse(said);
    if (!newest) {
        throw Error(ErrorCode::Unsupported, name() + " does not say which version of Docker's API it speaks")
            .advise("Is it Docker or podman system service? The address comes from " + endpoint_.origin + ".");
    }
    if (*newest < kOldestApi) {
        throw Error(ErrorCode::Unsupported, name() + " speaks version " + newest->text() +
                                                " of Docker's API; cooper needs " + kOldestApi.text())
            .advise("Docker 1.12 and later speak it.");
    }
    const bool podman = response.headers.find("Libpod-Api-Version").has_value();
    if (*newest <= kNewestApi || podman) {  // podman answers to every version
        return {std::min(*newest, kNewestApi), podman};
    }
    if (const auto oldest = oldest_version(run); oldest && *oldest > kNewestApi) {
        throw Error(ErrorCode::Unsupported, name() + " takes versions from " + oldest->text() +
                                                " on of Docker's API; cooper speaks up to " + kNewestApi.text())
            .advise("A newer cooper is needed, or DOCKER_MIN_API_VERSION=" + kNewestApi.text() +
                    " in the daemon's environment.");
    }
    return {kNewestApi, podman};
}

/// MinAPIVersion of /version; nullopt when it does not say.
std::optional<ApiVersion> EngineSession::oldest_version(const Run& run) const {
    HttpResponse response = http_.send(request("GET", "/version", ""), run);
    if (response.status != 200) {
        return std::nullopt;
    }
    const std::string what = "what " + name() + " says of its version";
    const json::Value document = json::parse(read_all(*response.body, kMaxDocument, what), what);
    return ApiVersion::parse(json::find_string(document, "MinAPIVersion", what).value_or(""));
}

HttpResponse EngineSession::send(const Call& call, const Run& run) {
    HttpRequest request = this->request(call.method, "/v" + dialect(run).version.text() + call.path, call.query);
    request.headers = call.headers;
    if (call.body) {
        request.body = call.body;
        // A form is what servers take a body for that has no type.
        request.headers.add("Content-Type", "application/x-tar");
    }
    if (call.works_in_silence) {
        request.stall_timeout = options_.stall_timeout;
    }
    if (call.longest_silence > std::chrono::milliseconds(0)) {
        request.stall_timeout = call.longest_silence;
    }
    return in_context(name(), [&] { return http_.send(request, run); });
}

void EngineSession::refuse(HttpResponse& response, const std::string& what) const {
    const ServerWord word = read_server_word(read_error_body(response));
    HttpError error(code_of(response.status),
                    what + ": " + name() + " answered " + std::to_string(response.status) +
                        (word.text.empty() ? "" : ": " + word.text),
                    response.status, word.code);
    throw error;
}

}  // namespace cooper::oci
