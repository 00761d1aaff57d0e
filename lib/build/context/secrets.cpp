#include "build/context/secrets.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/ignore.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace cooper::build {

namespace {

/// Where a key stands behind a chain of certificates, that is longer than most but not than this.
constexpr std::size_t kEvidenceWithin = 1024 * 1024;

/// One kind of file. `pattern` is a name, with at most one '*' for any characters, or a path's last components with
/// '/' between them; in lower case, as the path is when they are compared.
struct SecretRule {
    std::string_view pattern;
    std::string_view reason;
    /// Names that many harmless files have: it must hold one of these words ('|' between them).
    std::string_view evidence = {};
};

constexpr std::string_view kPrivateKey = "a private key";
constexpr std::string_view kKeyStore = "a store of keys";
constexpr std::string_view kEnvironment = "environment variables, usually with passwords";
constexpr std::string_view kPassword = "a user name and password";
constexpr std::string_view kCloud = "the credentials of a cloud account";
constexpr std::string_view kToken = "an access token";

constexpr SecretRule kRules[] = {
    // ssh-keygen's names; what ends in .pub is not named so.
    {"id_rsa", kPrivateKey},
    {"id_dsa", kPrivateKey},
    {"id_ecdsa", kPrivateKey},
    {"id_ed25519", kPrivateKey},
    {"id_ecdsa_sk", kPrivateKey},
    {"id_ed25519_sk", kPrivateKey},
    // Certificates are often public (ca.pem), and lie in the same kind of file as their keys.
    {"*.pem", kPrivateKey, "PRIVATE KEY"},
    {"*.key", kPrivateKey},
    {"*.p8", kPrivateKey},
    {"*.ppk", kPrivateKey},
    {"*.p12", kKeyStore},
    {"*.pfx", kKeyStore},
    {"*.jks", kKeyStore},
    {"*.keystore", kKeyStore},
    {"*.kdbx", kKeyStore},
    {"secring.gpg", kPrivateKey},
    {"private-keys-v1.d/*", kPrivateKey},
    // dotenv; examples of it are kAcquitted below.
    {".env", kEnvironment},
    {".env.*", kEnvironment},
    {".envrc", kEnvironment, "PASSWORD|password|SECRET|secret|TOKEN|token|API_KEY|api_key"},
    // The configuration of programs that log in.
    {".netrc", kPassword},
    {"_netrc", kPassword},
    {".git-credentials", kPassword},
    {".pgpass", kPassword},
    {".my.cnf", kPassword},
    {".htpasswd", kPassword},
    {".pypirc", kToken},
    {".npmrc", kToken, "_auth|_password"},
    {".yarnrc.yml", kToken, "npmAuth"},
    {".dockercfg", kPassword},
    {".docker/config.json", kPassword, "auth|identitytoken"},
    {".vault-token", kToken},
    {".cargo/credentials", kToken},
    {".cargo/credentials.toml", kToken},
    {".gem/credentials", kToken},
    {".config/gh/hosts.yml", kToken},
    // Clouds and clusters.
    {".aws/credentials", kCloud},
    {".s3cfg", kCloud},
    {".boto", kCloud},
    {"credentials.json", kCloud},
    {"application_default_credentials.json", kCloud},
    {"client_secret*.json", kCloud},
    {"service-account*.json", kCloud, "private_key"},
    {"service_account*.json", kCloud, "private_key"},
    {".kube/config", "the credentials of a cluster"},
    {"kubeconfig", "the credentials of a cluster"},
    {"*.tfstate", "what Terraform knows, passwords among it"},
    {"*.tfstate.backup", "what Terraform knows, passwords among it"},
    {"secrets.json", "secrets, as its name says"},
    {"secrets.yml", "secrets, as its name says"},
    {"secrets.yaml", "secrets, as its name says"},
    {"secrets.toml", "secrets, as its name says"},
};

/// Endings of files that show what the real one would look like.
constexpr std::array<std::string_view, 6> kAcquitted = {".example", ".sample",   ".template",
                                                        ".dist",    ".defaults", ".tmpl"};

bool matches(std::string_view name, std::string_view pattern) {
    const auto star = pattern.find('*');
    if (star == std::string_view::npos) {
        return name == pattern;
    }
    const auto before = pattern.substr(0, star);
    const auto after = pattern.substr(star + 1);
    return name.size() >= before.size() + after.size() && name.starts_with(before) && name.ends_with(after);
}

/// The last components of `path`, as many as `pattern` has.
std::string_view tail_for(std::string_view path, std::string_view pattern) {
    auto parts = std::count(pattern.begin(), pattern.end(), '/') + 1;
    for (std::size_t at = path.size(); at > 0; --at) {
        if (path[at - 1] == '/' && --parts == 0) {
            return path.substr(at);
        }
    }
    return path;
}

const SecretRule* rule_for(std::string_view path) {
    const std::string lower = to_lower(path);
    const auto is_example = [&](auto ending) { return lower.ends_with(ending); };
    if (std::any_of(kAcquitted.begin(), kAcquitted.end(), is_example)) {
        return nullptr;
    }
    const auto* found = std::find_if(std::begin(kRules), std::end(kRules), [&](const SecretRule& rule) {
        return matches(tail_for(lower, rule.pattern), rule.pattern);
    });
    return found == std::end(kRules) ? nullptr : found;
}

bool holds_one_of(std::string_view text, std::string_view words) {
    const auto all = split(words, '|');
    return std::any_of(all.begin(), all.end(), [&](auto word) { return text.find(word) != std::string_view::npos; });
}

}  // namespace

bool looks_like_secret(std::string_view path) {
    return rule_for(path) != nullptr;
}

void check_secrets(const ContextMembers& members, const std::vector<std::string>& allowed, const Run& run) {
    const auto allowing = in_context("in the list of allowed secrets", [&] { return Dockerignore(allowed); });
    std::vector<std::string> refused;
    for (const auto& member : members.members) {
        if (member.kind != EntryKind::File) {
            continue;
        }
        const auto path = members.path_of(member);
        const auto* rule = rule_for(path);
        if (rule == nullptr || allowing.excludes(path)) {
            continue;
        }
        run.check();
        if (!rule->evidence.empty() &&
            !holds_one_of(members.files->beginning(path, member.status, kEvidenceWithin), rule->evidence)) {
            continue;
        }
        refused.push_back(members.files->shown(path) + " (" + std::string(rule->reason) + ")");
    }
    if (refused.empty()) {
        return;
    }
    throw Error(ErrorCode::InvalidInput,
                (refused.size() == 1 ? "this file looks" : "these files look") +
                    std::string(" like credentials, which whoever has the image could read: ") + some_of(refused))
        .advise("leave them out (--ignore, .dockerignore), or allow what is none with --allow-secret PATH");
}

}  // namespace cooper::build
