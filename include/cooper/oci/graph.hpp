// What a name points at, whole: a manifest or an index, all manifests below it, and the blobs that they name.
//
// This is what moves between places: exact bytes, so every digest stays. One platform of it as a value to look at and
// to edit is an Image (image.hpp).
#pragma once

#include "cooper/oci/image.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace cooper::oci {

/// Indexes in indexes are followed this deep (containerd follows them, registries allow them).
inline constexpr int kMaxIndexDepth = 4;
/// All manifests below one root, and all distinct blobs.
inline constexpr std::size_t kMaxGraphManifests = 10'000;
inline constexpr std::size_t kMaxGraphBlobs = 100'000;

struct Graph {
    ManifestKind kind = ManifestKind::Image;  ///< of the root
    /// Each once, children before parents; the last is the root. Never empty.
    std::vector<RawManifest> manifests;
    /// Configs, layers and what else the manifests name, each digest once, in order of first use.
    std::vector<Descriptor> blobs;
    std::shared_ptr<const Blobs> source;

    [[nodiscard]] const RawManifest& root() const { return manifests.back(); }
    /// nullptr: not in the graph.
    [[nodiscard]] const RawManifest* find(const Digest& manifest) const;
};

/// Fetches one manifest by its descriptor (bytes checked against the digest by the caller of the function).
using ManifestFetcher = std::function<ClassifiedManifest(const Descriptor&)>;

/// Everything below `root`. Artifacts (signatures, attestations, charts) are taken along like images; blobs of
/// manifests that are no image manifests are those of `config` and `layers`. Throws Error: NotFound (a child that its
/// place does not hold: named with its platform), Integrity (a child that is not what its descriptor says),
/// InvalidInput (deeper or larger than the limits above).
Graph read_graph(ClassifiedManifest root, const ManifestFetcher& children, std::shared_ptr<const Blobs> source,
                 const Run& run);

/// An image's own graph: one manifest.
Graph graph_of(const Image& image);

/// The image for `platform` in `graph`, with its config fetched and verified. nullopt: linux/host architecture; with a
/// single manifest of another platform a warning is given. Throws Error{NotFound} that lists the platforms present,
/// Error{Unsupported} for what is no image. `name` stands in messages.
Image image_of(const Graph& graph, const std::optional<Platform>& platform, const std::string& name, const Run& run);

/// All images, in the index's order; attestations and other artifacts are left out.
std::vector<Image> images_of(const Graph& graph, const Run& run);

/// Platform and manifest of every image listed by the root, as the index says it (a single manifest: as its config
/// says).
std::vector<Descriptor> platforms_of(const Graph& graph, const Run& run);

}  // namespace cooper::oci
