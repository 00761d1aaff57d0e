// Manifests and indexes, read strictly and never re-serialised: the raw bytes stay with the parsed view.
// OCI image specification 1.1, manifest.md and image-index.md; Docker image manifest version 2, schema 2.
#pragma once

#include "cooper/oci/descriptor.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// The limit of registries and of containers/image for manifests, indexes and configs.
inline constexpr std::size_t kMaxDocument = 4 * 1024 * 1024;
inline constexpr std::size_t kMaxLayers = 1000;
inline constexpr std::size_t kMaxIndexEntries = 10'000;

enum class ManifestKind { Image, Index };

/// The exact bytes of a manifest or index and what names them.
struct RawManifest {
    std::string bytes;
    std::string media_type;
    Digest digest;
};

/// What the document is, by its own mediaType, else `content_type` (parameters ignored), else its shape. Refuses schema
/// 1 (Unsupported), both `layers` and `manifests`, a mediaType that contradicts Content-Type or shape (Integrity), more
/// than kMaxDocument. Fills in media_type and digest.
struct ClassifiedManifest {
    ManifestKind kind;
    RawManifest raw;
};
ClassifiedManifest classify_manifest(std::string bytes, std::string_view content_type);

/// One platform's manifest.
struct Manifest {
    RawManifest raw;
    Descriptor config;
    std::vector<Descriptor> layers;
    std::string artifact_type;
    std::map<std::string, std::string> annotations;

    /// Throws Error{InvalidInput} naming the member, Error{Unsupported} for an artifact that is not an image (config
    /// type) and for foreign layers (non-distributable media types).
    static Manifest parse(RawManifest raw);
};

struct Index {
    RawManifest raw;
    std::vector<Descriptor> manifests;
    static Index parse(RawManifest raw);
};

/// The entry of `index` for `wanted`: attestations, unknown/unknown and non-image entries are skipped. Throws
/// Error{NotFound} that lists the platforms present. An entry without platform is taken if it is the only one.
const Descriptor& choose_platform(const Index& index, const Platform& wanted);

/// One of the OCI or Docker layer media types (plain, gzip, zstd); foreign ones are not.
bool is_layer_media_type(std::string_view media_type) noexcept;
bool is_foreign_layer(std::string_view media_type) noexcept;

}  // namespace cooper::oci
