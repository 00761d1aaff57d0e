#include "oci/engine/engine_endpoint.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include <algorithm>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxConfigFile = 1024 * 1024;
constexpr std::uint16_t kPlainPort = 2375;  // IANA: docker, docker-s
constexpr std::uint16_t kTlsPort = 2376;
constexpr std::string_view kDefaultContext = "default";  // docker's name for "no context"

/// Of a host setting, all but what may hold a password.
std::string shown(std::string_view text) {
    const std::size_t scheme = text.find("://");
    const std::size_t from = scheme == std::string_view::npos ? 0 : scheme + 3;
    const std::size_t at = text.rfind('@');
    const std::string_view rest = at == std::string_view::npos || at < from ? text.substr(from) : text.substr(at + 1);
    return printable(std::string(text.substr(0, from)) + std::string(rest));
}

[[noreturn]] void refuse_scheme(const std::string& text, const std::string& scheme, const std::string& origin) {
    const std::string what = origin + " is " + shown(text);
    if (scheme == "ssh") {
        const std::string machine = shown(text).substr(std::string_view("ssh://").size());
        throw Error(ErrorCode::Unsupported, what + ": cooper does not speak ssh")
            .advise("Forward the socket: ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock " +
                    machine.substr(0, machine.find_first_of(":/")) + " &, then DOCKER_HOST=unix:///tmp/engine.sock.");
    }
    if (scheme == "npipe") {
        throw Error(ErrorCode::Unsupported, what + ": named pipes are Windows'")
            .advise(
                "Run cooper in the same WSL distribution as the engine's unix socket, or let the engine listen on "
                "tcp://127.0.0.1:2375.");
    }
    throw Error(ErrorCode::InvalidInput, what + ": there is no such way to an engine")
        .advise("Known are unix:///PATH and tcp://HOST:PORT.");
}

EngineEndpoint unix_endpoint(std::string path, const std::string& origin) {
    if (!path.starts_with('/')) {
        throw Error(ErrorCode::InvalidInput, origin + " is unix://" + printable(path) + ": the path must be absolute")
            .advise("Three slashes: unix:///run/docker.sock.");
    }
    return {EngineEndpoint::Kind::Unix, std::move(path), {}, nullptr, origin};
}

EngineEndpoint tcp_endpoint(std::string_view authority, bool https, std::shared_ptr<const TlsSettings> tls,
                            const std::string& origin) {
    if (https && !tls) {
        tls = std::make_shared<const TlsSettings>();
    }
    Url url = in_context(origin, [&] { return Url::parse((tls ? "https://" : "http://") + std::string(authority)); });
    if (!url.query.empty()) {
        throw Error(ErrorCode::InvalidInput, origin + " is " + url.redacted() + ": an engine's address has no query");
    }
    if (!url.port) {
        url.port = tls ? kTlsPort : kPlainPort;
    }
    while (url.path.size() > 1 && url.path.ends_with('/')) {
        url.path.pop_back();
    }
    return {EngineEndpoint::Kind::Tcp, "", std::move(url), std::move(tls), origin};
}

bool is_there(const fs::path& path) {
    std::error_code failed;
    return fs::exists(path, failed) && !failed;
}

bool is_socket(const std::string& path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode);
}

fs::path docker_directory(const Environment& environment) {
    return environment.get("DOCKER_CONFIG").value_or(environment.home() + "/.docker");
}

/// DOCKER_TLS_VERIFY: with verification; DOCKER_TLS: without; null: plain. Any text but the empty one switches them on,
/// "0" as well, as docker has it.
std::shared_ptr<const TlsSettings> tls_by_variables(const Environment& environment) {
    const bool verify = environment.get("DOCKER_TLS_VERIFY").has_value();
    if (!verify && !environment.get("DOCKER_TLS")) {
        return nullptr;
    }
    const auto named = environment.get("DOCKER_CERT_PATH");
    const fs::path directory = named ? fs::path(*named) : docker_directory(environment);
    if (named && !fs::is_directory(directory)) {
        throw Error(ErrorCode::NotFound, "DOCKER_CERT_PATH names " + *named + ", which is no directory")
            .advise("It holds ca.pem, cert.pem and key.pem.");
    }
    return std::make_shared<const TlsSettings>(engine_certificates(directory, verify));
}

/// DOCKER_CONTEXT or config.json's currentContext, and which of them; nullopt: none, or the default one.
std::optional<std::pair<std::string, std::string>> chosen_context(const Environment& environment,
                                                                  const fs::path& directory) {
    std::string origin = "DOCKER_CONTEXT";
    std::optional<std::string> name = environment.get("DOCKER_CONTEXT");
    if (!name) {
        const fs::path file = directory / "config.json";
        origin = file.string();
        const auto text = find_file(file, kMaxConfigFile);
        if (text && !trim(*text).empty()) {
            name = json::find_string(json::parse(*text, origin), "currentContext", origin);
        }
    }
    if (!name || name->empty() || *name == kDefaultContext) {
        return std::nullopt;
    }
    return std::pair(*name, origin);
}

[[noreturn]] void throw_no_engine(const fs::path& directory, const std::vector<std::string>& sockets) {
    std::string places = "DOCKER_HOST, DOCKER_CONTEXT and CONTAINER_HOST are not set, " +
                         (directory / "config.json").string() + " names no context, no socket is at ";
    for (std::size_t i = 0; i < sockets.size(); ++i) {
        places += (i == 0 ? "" : " or ") + sockets[i];
    }
    throw Error(ErrorCode::NotFound, "no container engine was found: " + places)
        .advise(
            "Start one (systemctl start docker; systemctl --user start podman.socket), or name it: "
            "DOCKER_HOST=unix:///PATH.");
}

}  // namespace

TlsSettings engine_certificates(const fs::path& directory, bool verify) {
    TlsSettings tls;
    tls.verify = verify;
    if (verify && is_there(directory / "ca.pem")) {
        tls.extra_ca_files = {(directory / "ca.pem").string()};
    }
    const bool ours = is_there(directory / "cert.pem");
    if (ours != is_there(directory / "key.pem")) {
        throw Error(ErrorCode::InvalidInput, directory.string() + " has only one of cert.pem and key.pem");
    }
    if (ours) {
        tls.client_certificate = (directory / "cert.pem").string();
        tls.client_key = (directory / "key.pem").string();
    }
    return tls;
}

EngineEndpoint parse_engine_host(const std::string& text, const EngineTls& tls, const std::string& origin) {
    if (text.starts_with('/')) {
        return unix_endpoint(text, origin);
    }
    const std::size_t end = text.find("://");
    const std::string scheme = end == std::string::npos ? "tcp" : to_lower(text.substr(0, end));
    const std::string rest = end == std::string::npos ? text : text.substr(end + 3);
    if (scheme == "unix") {
        return unix_endpoint(rest, origin);
    }
    if (scheme != "tcp" && scheme != "http" && scheme != "https") {
        refuse_scheme(text, scheme, origin);
    }
    return tcp_endpoint(rest, scheme == "https", tls(), origin);
}

EngineEndpoint read_engine_context(const fs::path& directory, const std::string& name, const std::string& origin) {
    const std::string context = "context " + printable(name);
    const std::string hash(sha256(name).hex());
    const fs::path file = directory / "contexts/meta" / hash / "meta.json";
    const auto text = find_file(file, kMaxConfigFile);
    if (!text) {
        throw Error(ErrorCode::NotFound, origin + " names the " + context + ", but there is no " + file.string())
            .advise("docker context ls lists those that exist.");
    }
    const json::Value document = json::parse(*text, file.string());
    const json::Value* const endpoints = json::find_member(document, "Endpoints");
    const json::Value* const docker = endpoints == nullptr ? nullptr : json::find_member(*endpoints, "docker");
    const auto host = docker == nullptr ? std::nullopt : json::find_string(*docker, "Host", file.string());
    if (!host || host->empty()) {
        throw Error(ErrorCode::InvalidInput, "the " + context + " has no docker endpoint (" + file.string() + ")");
    }
    const json::Value* const skips = json::find_member(*docker, "SkipTLSVerify");
    const bool skip_verify = skips != nullptr && skips->is_boolean() && skips->get<bool>();
    const fs::path certificates = directory / "contexts/tls" / hash / "docker";
    const auto tls = [&]() -> std::shared_ptr<const TlsSettings> {
        if (!skip_verify && !is_there(certificates)) {
            return nullptr;
        }
        return std::make_shared<const TlsSettings>(engine_certificates(certificates, !skip_verify));
    };
    return parse_engine_host(*host, tls, context);
}

EngineEndpoint find_engine(const Environment& environment, const std::string& host, const EngineSockets& sockets) {
    const EngineTls tls = [&] { return tls_by_variables(environment); };
    if (!host.empty()) {
        return parse_engine_host(host, tls, "--host");
    }
    if (const auto named = environment.get("DOCKER_HOST")) {
        return parse_engine_host(*named, tls, "DOCKER_HOST");
    }
    const fs::path directory = docker_directory(environment);
    if (const auto context = chosen_context(environment, directory)) {
        return read_engine_context(directory, context->first, context->second);
    }
    std::vector<std::string> docker = {sockets.docker};
    std::vector<std::string> podman = {sockets.podman};
    if (const auto runtime = environment.get("XDG_RUNTIME_DIR")) {
        docker.push_back(*runtime + "/docker.sock");
        podman.push_back(*runtime + "/podman/podman.sock");
    }
    if (const auto found = std::find_if(docker.begin(), docker.end(), is_socket); found != docker.end()) {
        return unix_endpoint(*found, *found);
    }
    if (const auto named = environment.get("CONTAINER_HOST")) {
        return parse_engine_host(
            *named, [] { return nullptr; }, "CONTAINER_HOST");
    }
    if (const auto found = std::find_if(podman.begin(), podman.end(), is_socket); found != podman.end()) {
        return unix_endpoint(*found, *found);
    }
    docker.insert(docker.end(), podman.begin(), podman.end());
    throw_no_engine(directory, docker);
}

EngineEndpoint EngineEndpoint::find(const Environment& environment, const std::string& host) {
    return find_engine(environment, host, {});
}

}  // namespace cooper::oci
