// Questions about an index's entries and manifests that several readers ask (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/config.hpp"
#include "cooper/oci/manifest.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cooper::oci {

/// The OCI or Docker type of a manifest, of an index.
bool is_image_type(std::string_view media_type) noexcept;
bool is_index_type(std::string_view media_type) noexcept;

/// An image manifest that is neither an attestation nor for unknown/unknown.
bool is_image_entry(const Descriptor& entry);

/// Digest, size and media type of `manifest` are those that `descriptor` promises; throws IntegrityError.
void check_is(const RawManifest& manifest, const Descriptor& descriptor);

/// A single manifest has its platform in the config only: Error{NotFound} when it is not the one asked for, a warning
/// when none was asked for and it is not this machine's.
void check_platform(const Config& config, const std::optional<Platform>& asked, const std::string& name,
                    const Run& run);

}  // namespace cooper::oci
