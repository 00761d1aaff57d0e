// Caches in registries and directories: what is at a place, and how it gets there (private).
#pragma once

#include "build/cache/cache_documents.hpp"

#include <memory>
#include <string>

namespace cooper::build {

/// What a cache in a layout is called there.
inline constexpr std::string_view kLocalCacheName = "latest";

/// The place, for messages.
std::string name_of(const CachePlace& place);

/// A cache whose records were read. Its blobs are opened when somebody wants one.
struct OpenedCache {
    FoundCache found;
    std::shared_ptr<const oci::Blobs> blobs;
};
/// Throws Error: NotFound, InvalidInput, Integrity, AccessDenied, Unavailable. Borrows what `access` gives.
OpenedCache open_cache(const CachePlace& place, const oci::PlaceAccess& access, const Run& run);

/// Puts `graph` where `place` says, in one go: until its end another cache stays there. Throws Error.
void write_cache(const CachePlace& place, const oci::Graph& graph, const oci::PlaceAccess& access, const Run& run);

}  // namespace cooper::build
