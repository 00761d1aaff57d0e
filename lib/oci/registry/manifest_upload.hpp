// Manifests on their way into a repository. OCI distribution specification 1.1, "Pushing Manifests".
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/manifest.hpp"

#include "oci/registry/registry_repository.hpp"

#include <memory>
#include <string>

namespace cooper::oci {

/// Puts manifests into one repository, by digest and then under names. One thread; borrows nothing but the run's seams.
class ManifestUpload {
public:
    ManifestUpload(std::shared_ptr<RegistryRepository> repository, const Run& run)
        : repository_(std::move(repository)), run_(run) {}

    /// By digest. A manifest with a `subject` becomes one of its referrers, also where the registry keeps no list.
    void put(const RawManifest& manifest);
    /// Under `tag`, which is moved. Throws Error{Conflict} where tags do not move.
    void name(const RawManifest& manifest, const std::string& tag);

private:
    HttpResponse send(const RawManifest& manifest, const std::string& name);
    HttpResponse send_until_taken(const RepositoryRequest& request);
    void explain(HttpError& error, const std::string& what) const;

    std::shared_ptr<RegistryRepository> repository_;
    Run run_;
};

}  // namespace cooper::oci
