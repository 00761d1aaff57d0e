#include "build/cache/cache_transfer.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/layout.hpp"

#include "oci/layout/entries.hpp"

namespace cooper::build {

namespace {

oci::RegistryClient& registry_of(const oci::PlaceAccess& access) {
    if (!access.registry) {
        throw Error(ErrorCode::InvalidInput, "there is no registry client here");
    }
    return access.registry();
}

OpenedCache open_registry(const CachePlace& place, const oci::PlaceAccess& access, const Run& run) {
    const auto reference = oci::Reference::parse(place.reference);
    oci::RegistryClient& registry = registry_of(access);
    const oci::ManifestFetcher fetch = [&](const oci::Descriptor& child) {
        return registry.manifest(reference.with_digest(child.digest), run);
    };
    const oci::ClassifiedManifest root = registry.manifest(reference, run);
    auto blobs = registry.blobs(reference);
    return {read_cache(root, fetch, *blobs, run), blobs};
}

OpenedCache open_directory(const CachePlace& place, const Run& run) {
    const auto layout = oci::OciLayout::open(place.directory);
    auto blobs = layout.blobs();
    const oci::ManifestFetcher fetch = [&](const oci::Descriptor& manifest) {
        return oci::read_manifest(manifest, *blobs, run);
    };
    const oci::Index index = layout.index();
    const std::string_view which = index.manifests.size() == 1 ? std::string_view() : kLocalCacheName;
    return {read_cache(fetch(oci::choose_entry(index, which)), fetch, *blobs, run), blobs};
}

}  // namespace

std::string name_of(const CachePlace& place) {
    return place.type == CachePlace::Type::Local ? place.directory.string() : place.reference;
}

OpenedCache open_cache(const CachePlace& place, const oci::PlaceAccess& access, const Run& run) {
    return place.type == CachePlace::Type::Local ? open_directory(place, run) : open_registry(place, access, run);
}

void write_cache(const CachePlace& place, const oci::Graph& graph, const oci::PlaceAccess& access, const Run& run) {
    if (place.type == CachePlace::Type::Local) {
        oci::OciLayout::WriteOptions options;
        options.task = name_of(place);
        static_cast<void>(
            oci::OciLayout::open_or_create(place.directory).write(graph, {std::string(kLocalCacheName)}, options, run));
        return;
    }
    oci::PushOptions options;
    options.sessions = access.upload_sessions;
    options.task = name_of(place);
    static_cast<void>(registry_of(access).push(oci::Reference::parse(place.reference), graph, options, run));
}

}  // namespace cooper::build
