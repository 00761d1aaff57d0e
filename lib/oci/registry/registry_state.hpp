// What all parts of a RegistryClient share.
#pragma once

#include "oci/registry/registry_host.hpp"
#include "oci/registry/registry_repository.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace cooper::oci {

/// Thread-safe.
struct RegistryClient::State {
    State(HttpClient& http, const RegistryCredentialSource& credentials, const Environment& environment,
          RegistryOptions options)
        : context(http, credentials, environment, std::move(options)) {}

    /// Tokens are kept per repository and what they are for.
    std::shared_ptr<RegistryRepository> repository(const Reference& reference, std::vector<std::string> scopes);
    std::shared_ptr<RegistryRepository> to_pull(const Reference& reference) {
        return repository(reference, {repository_scope(reference, "pull")});
    }
    std::shared_ptr<RegistryRepository> to_push(const Reference& reference) {
        return repository(reference, {repository_scope(reference, "pull,push")});
    }

    RegistryContext context;
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<RegistryHost>> hosts;
    std::map<std::pair<std::string, std::vector<std::string>>, std::shared_ptr<RegistryRepository>> repositories;
};

/// All manifest types that can be read, for Accept.
std::string accepted_manifests();

/// A request for the manifest that `reference` names.
RepositoryRequest manifest_request(const Reference& reference, std::string method);

}  // namespace cooper::oci
