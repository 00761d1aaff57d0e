// A cache that travels (private): an OCI manifest of an artifact type of its own, whose config holds the records and
// whose layers are the steps' blobs; or an annotation of an image's manifest.
#pragma once

#include "cooper/build/build_cache.hpp"
#include "cooper/oci/graph.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace cooper::build {

inline constexpr std::string_view kCacheArtifact = "application/vnd.cooper.build.cache.v1";
inline constexpr std::string_view kCacheConfig = "application/vnd.cooper.build.cache.records.v1+json";
inline constexpr std::string_view kInlineAnnotation = "io.cooper.build.cache";
/// Beyond, an image's manifest (4 MiB at most) would be filled by what is no part of the image.
inline constexpr std::size_t kMaxInlineCache = 512 * 1024;
/// Images of one name that are looked at for an inline cache.
inline constexpr std::size_t kMaxInlineImages = 64;

/// The manifest and the documents and blobs below it; blobs come from `blobs`. Records without a blob are left out,
/// and those that do not fit into one manifest (kMaxLayers, kMaxDocument): the first ones stay. The same records give
/// the same bytes.
struct CacheGraph {
    oci::Graph graph;
    std::size_t records = 0;
    std::size_t left_out = 0;
};
CacheGraph make_cache_graph(const std::vector<StepRecord>& records, std::shared_ptr<const oci::Blobs> blobs);

/// What was found at a place.
struct FoundCache {
    std::vector<StepRecord> records;  ///< each with a blob that its manifest lists
    std::size_t left_out = 0;         ///< records of blobs that the manifest does not list, or lists otherwise
};

/// `root` is a cache, an image, or an index of either (`fetch` gets its manifests). Throws Error{NotFound} for what
/// holds no cache of ours, InvalidInput or Integrity for a damaged one.
FoundCache read_cache(const oci::ClassifiedManifest& root, const oci::ManifestFetcher& fetch, const oci::Blobs& blobs,
                      const Run& run);

}  // namespace cooper::build
