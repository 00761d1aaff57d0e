// What refers to a manifest, by the API or by the tag schema. OCI distribution specification 1.1, "Listing Referrers"
// and "Unavailable Referrers API".
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/manifest.hpp"

#include "oci/registry/manifest_upload.hpp"
#include "oci/registry/registry_repository.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cooper::oci {

/// The manifest that `manifest` says it is about.
std::optional<Descriptor> subject_of(const RawManifest& manifest);

/// Enters `referrer` in the index under the subject's tag, or takes it out: for registries that keep no list
/// themselves. Others may write the same index; what got lost on the way is written again.
void list_referrer(RegistryRepository& repository, ManifestUpload& upload, const Descriptor& subject,
                   const RawManifest& referrer, const Run& run);
void unlist_referrer(RegistryRepository& repository, ManifestUpload& upload, const Descriptor& subject,
                     const Digest& referrer, const Run& run);

/// `artifact_type` empty: all.
std::vector<Descriptor> find_referrers(RegistryRepository& repository, const Digest& subject,
                                       const std::string& artifact_type, const Run& run);

}  // namespace cooper::oci
