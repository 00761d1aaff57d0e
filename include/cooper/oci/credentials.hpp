// Where registry credentials come from: docker's config.json, containers' auth.json, credential helpers
// (`registry-and-engine.md` 4.3). Nothing found means anonymous.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/secret.hpp"
#include "cooper/oci/reference.hpp"

#include <memory>
#include <optional>
#include <string>

namespace cooper::oci {

struct RegistryCredentials {
    std::string username;
    Secret password;
    Secret identity_token;  ///< a refresh token for the OAuth2 flow; username may be empty
    Secret registry_token;  ///< used as Bearer as it is
    std::string origin;     ///< where it was found, for -v ("~/.docker/config.json, helper pass")
};

/// Finds credentials for a repository. Implemented by the ecosystem's files, by fixed values, and by tests.
/// Thread-safe.
class RegistryCredentialSource {
public:
    virtual ~RegistryCredentialSource() = default;
    /// nullopt: go on anonymously. Throws when a file cannot be read or a helper fails for another reason than absence.
    [[nodiscard]] virtual std::optional<RegistryCredentials> find(const Reference& repository,
                                                                  const Run& run) const = 0;
};

/// DOCKER_AUTH_CONFIG, REGISTRY_AUTH_FILE, $DOCKER_CONFIG or ~/.docker/config.json, containers' auth.json,
/// ~/.dockercfg, in this order; first hit wins. `auth_file` (--authfile), when not empty, is the only one asked.
std::unique_ptr<RegistryCredentialSource> make_ecosystem_credentials(const Environment& environment,
                                                                     std::string auth_file = "");

/// Always these (--creds USER:PASSWORD).
std::unique_ptr<RegistryCredentialSource> make_fixed_credentials(RegistryCredentials credentials);

}  // namespace cooper::oci
