#include "cooper/oci/credentials.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/process.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <mutex>
#include <vector>

namespace cooper::oci {

namespace {

constexpr std::size_t kMaxAuthFile = 1024 * 1024;
constexpr std::size_t kMaxHelperOutput = 1024 * 1024;
constexpr std::chrono::seconds kHelperTimeout{30};
constexpr std::string_view kHub = "docker.io";
/// What docker stores the Hub's credentials under, and what it asks helpers for.
constexpr std::string_view kHubServer = "https://index.docker.io/v1/";
/// What every helper says when it has nothing (docker-credential-helpers, credentials/error.go).
constexpr std::string_view kHelperHasNothing = "credentials not found in native keychain";
constexpr std::string_view kIdentityTokenUser = "<token>";

/// An auth file, or a variable that holds one.
struct Place {
    std::string name;            ///< for messages
    std::filesystem::path path;  ///< empty: `text` holds the document
    std::string text;
    bool required = false;   ///< named by the user: absence is an error
    bool announced = false;  ///< named by a variable: absence is worth a word
    bool bare = false;       ///< ~/.dockercfg: the auths map without the wrapper
};

std::vector<Place> find_places(const Environment& environment, const std::string& auth_file) {
    const auto file = [](const std::filesystem::path& path) {
        return Place{path.string(), path, "", false, false, false};
    };
    std::vector<Place> places;
    if (!auth_file.empty()) {
        places.push_back(file(auth_file));
        places.back().required = true;
        return places;
    }
    if (const auto text = environment.get("DOCKER_AUTH_CONFIG")) {
        places.push_back({"DOCKER_AUTH_CONFIG", {}, *text, false, false, false});
    }
    if (const auto path = environment.get("REGISTRY_AUTH_FILE")) {
        places.push_back(file(*path));
        places.back().announced = true;
    }
    const std::filesystem::path home = environment.home();
    places.push_back(
        file(std::filesystem::path(environment.get("DOCKER_CONFIG").value_or(home / ".docker")) / "config.json"));
    if (const auto runtime = environment.get("XDG_RUNTIME_DIR")) {
        places.push_back(file(std::filesystem::path(*runtime) / "containers/auth.json"));
    } else {
        places.push_back(file("/run/containers/" + std::to_string(getuid()) + "/auth.json"));
    }
    places.push_back(file(std::filesystem::path(environment.get("XDG_CONFIG_HOME").value_or(home / ".config")) /
                          "containers/auth.json"));
    places.push_back(file(home / ".dockercfg"));
    places.back().bare = true;
    return places;
}

/// A key of an auths map as host[:port][/namespace…]: without scheme, API version and slashes at the end, the Hub by
/// its one name.
std::string normalised_key(std::string_view key) {
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (key.starts_with(scheme)) {
            key.remove_prefix(scheme.size());
        }
    }
    while (key.ends_with('/')) {
        key.remove_suffix(1);
    }
    for (const std::string_view version : {"/v1", "/v2"}) {
        if (key.ends_with(version)) {
            key.remove_suffix(version.size());
        }
    }
    const std::size_t slash = std::min(key.find('/'), key.size());
    const std::string host = to_lower(key.substr(0, slash));
    const bool hub = host == "index.docker.io" || host == "registry-1.docker.io" || host == kHub;
    return (hub ? std::string(kHub) : host) + std::string(key.substr(slash));
}

/// Keys that fit the repository, the most specific first: host/ns/repo, host/ns, host.
std::vector<std::string> candidate_keys(const Reference& repository) {
    std::vector<std::string> keys;
    std::string key = to_lower(repository.domain()) + "/" + repository.path();
    while (true) {
        keys.push_back(key);
        const std::size_t slash = key.rfind('/');
        if (slash == std::string::npos) {
            return keys;
        }
        key.resize(slash);
    }
}

/// The member of `map` that fits best. Of several spellings of one key, the one that tools write now wins.
const json::Value* find_best(const json::Value* map, const Reference& repository) {
    if (map == nullptr || !map->is_object()) {
        return nullptr;
    }
    for (const std::string& candidate : candidate_keys(repository)) {
        const std::string_view preferred = candidate == kHub ? kHubServer : std::string_view(candidate);
        if (const json::Value* exact = json::find_member(*map, preferred)) {
            return exact;
        }
        for (const auto& [key, value] : map->items()) {
            if (normalised_key(key) == candidate) {
                return &value;
            }
        }
    }
    return nullptr;
}

RegistryCredentials read_entry(const json::Value& entry, const Place& place) {
    RegistryCredentials credentials;
    credentials.origin = place.name;
    const auto text = [&](std::string_view key) { return json::find_string(entry, key, place.name).value_or(""); };
    credentials.username = text("username");
    credentials.password = Secret(text("password"));
    if (const std::string encoded = text("auth"); !encoded.empty()) {
        const auto decoded = from_base64(encoded);
        const std::size_t colon = decoded ? decoded->find(':') : std::string::npos;
        if (colon == std::string::npos) {
            throw Error(ErrorCode::InvalidInput, place.name + ": an \"auth\" is not base64 of USER:PASSWORD");
        }
        credentials.username = decoded->substr(0, colon);
        // Old docker clients padded the password with NULs.
        const std::string_view password = std::string_view(*decoded).substr(colon + 1);
        credentials.password = Secret(std::string(password.substr(0, password.find('\0'))));
    }
    credentials.identity_token = Secret(text("identitytoken"));
    credentials.registry_token = Secret(text("registrytoken"));
    if (credentials.username == kIdentityTokenUser && credentials.identity_token.empty()) {
        credentials.identity_token = credentials.password;
        credentials.username.clear();
        credentials.password = Secret();
    }
    return credentials;
}

bool is_empty(const RegistryCredentials& credentials) {
    return credentials.username.empty() && credentials.password.empty() && credentials.identity_token.empty() &&
           credentials.registry_token.empty();
}

bool is_helper_name(std::string_view name) {
    return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    });
}

class EcosystemCredentials final : public RegistryCredentialSource {
public:
    EcosystemCredentials(const Environment& environment, const std::string& auth_file)
        : environment_(environment), places_(find_places(environment, auth_file)) {}

    [[nodiscard]] std::optional<RegistryCredentials> find(const Reference& repository, const Run& run) const override {
        for (const Place& place : places_) {
            if (auto found = find_in(place, repository, run)) {
                return found;
            }
        }
        return std::nullopt;
    }

private:
    [[nodiscard]] std::optional<RegistryCredentials> find_in(const Place& place, const Reference& repository,
                                                             const Run& run) const;
    [[nodiscard]] std::optional<std::string> read(const Place& place, const Run& run) const;
    [[nodiscard]] std::optional<RegistryCredentials> ask_helper(const std::string& name, const std::string& server,
                                                                const Place& place, const Run& run) const;

    Environment environment_;
    std::vector<Place> places_;
    mutable std::mutex mutex_;
    /// Answers by helper and server: a run over many images of one registry starts its helper once.
    mutable std::map<std::pair<std::string, std::string>, std::optional<RegistryCredentials>> helper_answers_;
};

std::optional<std::string> EcosystemCredentials::read(const Place& place, const Run& run) const {
    if (place.path.empty()) {
        return place.text;
    }
    auto text = find_file(place.path, kMaxAuthFile);
    if (!text && place.required) {
        throw Error(ErrorCode::NotFound, "there is no auth file " + place.name);
    }
    if (!text && place.announced) {
        run.progress->notice(NoticeLevel::Warning, "REGISTRY_AUTH_FILE names " + place.name + ", which does not exist");
    }
    return text;
}

std::optional<RegistryCredentials> EcosystemCredentials::find_in(const Place& place, const Reference& repository,
                                                                 const Run& run) const {
    const auto text = read(place, run);
    if (!text || trim(*text).empty()) {
        return std::nullopt;
    }
    const json::Value document = json::parse(*text, place.name);
    const std::string server = repository.domain() == kHub ? std::string(kHubServer) : repository.domain();
    std::optional<std::string> helper;
    if (const json::Value* named = find_best(json::find_member(document, "credHelpers"), repository)) {
        if (!named->is_string()) {
            throw Error(ErrorCode::InvalidInput, place.name + ": credHelpers holds something else than strings");
        }
        helper = named->get<std::string>();
    } else if (!place.bare) {
        helper = json::find_string(document, "credsStore", place.name);
    }
    if (helper && !helper->empty()) {
        if (auto found = ask_helper(*helper, server, place, run)) {
            return found;
        }
    }
    const json::Value* entry = find_best(place.bare ? &document : json::find_member(document, "auths"), repository);
    if (entry == nullptr || !entry->is_object()) {
        return std::nullopt;
    }
    RegistryCredentials credentials = read_entry(*entry, place);
    if (is_empty(credentials)) {
        return std::nullopt;  // docker writes {} beside a credsStore
    }
    return credentials;
}

RegistryCredentials read_answer(const std::string& output, const std::string& program, const std::string& origin) {
    const json::Value answer = json::parse(output, "the answer of " + program);
    RegistryCredentials credentials;
    credentials.origin = origin;
    std::string username = json::find_string(answer, "Username", program).value_or("");
    Secret secret(json::find_string(answer, "Secret", program).value_or(""));
    if (username == kIdentityTokenUser) {
        credentials.identity_token = std::move(secret);
    } else {
        credentials.username = std::move(username);
        credentials.password = std::move(secret);
    }
    return credentials;
}

std::optional<RegistryCredentials> EcosystemCredentials::ask_helper(const std::string& name, const std::string& server,
                                                                    const Place& place, const Run& run) const {
    if (!is_helper_name(name)) {
        throw Error(ErrorCode::InvalidInput,
                    place.name + ": \"" + printable(name) + "\" is not the name of a credential helper");
    }
    const std::scoped_lock lock(mutex_);  // held while it runs: two threads must not start (and unlock) it twice
    const auto known = helper_answers_.find({name, server});
    if (known != helper_answers_.end()) {
        return known->second;
    }
    const std::string program = "docker-credential-" + name;
    ProcessRequest request;
    request.arguments = {program, "get"};
    request.input = server;
    request.environment = environment_.all();
    request.timeout = kHelperTimeout;
    request.output_limit = kMaxHelperOutput;
    ProcessResult result;
    try {
        result = run_process(request, run);
    } catch (Error& error) {
        error.add_context(place.name + " names the credential helper " + name);
        error.advise("Install " + program + ", or take \"" + name + "\" out of credsStore and credHelpers.");
        throw;
    }
    std::optional<RegistryCredentials> answer;
    if (result.exit_status == 0) {
        answer = read_answer(result.output, program, place.name + ", helper " + name);
        if (is_empty(*answer)) {
            answer.reset();
        }
    } else if (result.output.find(kHelperHasNothing) == std::string::npos) {
        const std::string_view said = trim(result.output).empty() ? trim(result.error_output) : trim(result.output);
        throw Error(ErrorCode::CommandFailed, program + " failed (status " + std::to_string(result.exit_status) +
                                                  ") for " + server + ": " + redact(printable(said)));
    }
    helper_answers_.emplace(std::pair(name, server), answer);
    return answer;
}

class FixedCredentials final : public RegistryCredentialSource {
public:
    explicit FixedCredentials(RegistryCredentials credentials) : credentials_(std::move(credentials)) {}
    [[nodiscard]] std::optional<RegistryCredentials> find(const Reference& /*repository*/,
                                                          const Run& /*run*/) const override {
        return credentials_;
    }

private:
    RegistryCredentials credentials_;
};

}  // namespace

std::unique_ptr<RegistryCredentialSource> make_ecosystem_credentials(const Environment& environment,
                                                                     std::string auth_file) {
    return std::make_unique<EcosystemCredentials>(environment, auth_file);
}

std::unique_ptr<RegistryCredentialSource> make_fixed_credentials(RegistryCredentials credentials) {
    return std::make_unique<FixedCredentials>(std::move(credentials));
}

}  // namespace cooper::oci
