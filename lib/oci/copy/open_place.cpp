#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/oci/archive_reader.hpp"
#include "cooper/oci/copy.hpp"

#include "oci/copy/access.hpp"
#include "oci/copy/store_first.hpp"
#include "oci/layout/entries.hpp"
#include "oci/manifest_entries.hpp"

namespace cooper::oci {

namespace {

using Kind = PlaceName::Kind;

/// What of an index is wanted.
struct Wanted {
    const std::optional<Platform>& platform;
    bool whole = false;
};

/// The place with the graph below `root`, or of the one platform that is wanted.
OpenedPlace read_wanted(ClassifiedManifest root, const ManifestFetcher& fetch, std::shared_ptr<const Blobs> blobs,
                        const Wanted& wanted, const std::string& name, const Run& run) {
    OpenedPlace opened;
    opened.text = name;
    if (root.kind == ManifestKind::Index && (wanted.platform || !wanted.whole)) {
        opened.index = Index::parse(std::move(root.raw));
        const Descriptor& entry = choose_platform(*opened.index, wanted.platform.value_or(Platform::host()));
        root = fetch(entry);
        check_is(root.raw, entry);
    }
    opened.graph = read_graph(std::move(root), fetch, std::move(blobs), run);
    if (opened.graph.kind == ManifestKind::Image && wanted.platform && !opened.index) {
        static_cast<void>(image_of(opened.graph, wanted.platform, name, run));  // throws if it is another platform's
    }
    return opened;
}

/// Manifests that lie among the blobs of a layout.
ManifestFetcher fetch_among(std::shared_ptr<const Blobs> blobs, const Run& run) {
    return [blobs = std::move(blobs), run](const Descriptor& manifest) { return read_manifest(manifest, *blobs, run); };
}

std::vector<Reference> name_of(const Reference& reference) {
    const auto tag = reference.effective_tag();
    return tag ? std::vector{reference.with_tag(*tag)} : std::vector<Reference>{};
}

/// Names in archives and layouts are texts; those that are no NAME:TAG (a bare tag, a path) name nothing elsewhere.
std::vector<Reference> names_in(const std::vector<std::string>& texts) {
    std::vector<Reference> names;
    for (const std::string& text : texts) {
        try {
            if (Reference name = Reference::parse(text); name.tag() && !name.digest()) {
                names.push_back(std::move(name));
            }
        } catch (const Error&) {
            continue;
        }
    }
    return names;
}

OpenedPlace open_registry(const PlaceName& place, const Wanted& wanted, const PlaceAccess& access, const Run& run) {
    const Reference& reference = *place.reference;
    RegistryClient& registry = registry_for(place, access);
    const ManifestFetcher fetch = [&](const Descriptor& child) {
        return registry.manifest(reference.with_digest(child.digest), run);
    };
    OpenedPlace opened = read_wanted(registry.manifest(reference, run), fetch,
                                     through_store(registry.blobs(reference), access), wanted, reference.text(), run);
    opened.names = name_of(reference);
    opened.repositories = {reference};
    return opened;
}

OpenedPlace open_index_entry(const PlaceName& place, const Index& index, std::shared_ptr<const Blobs> blobs,
                             const Wanted& wanted, const Run& run) {
    const Descriptor entry = find_entry(index, place.which, *blobs, run);
    const ManifestFetcher fetch = fetch_among(blobs, run);
    ClassifiedManifest root = fetch(entry);
    std::vector<std::string> names{place.which};
    for (const std::string_view key : {kContainerdNameAnnotation, kRefNameAnnotation}) {
        if (const auto found = entry.annotations.find(std::string(key)); found != entry.annotations.end()) {
            names.push_back(found->second);
        }
    }
    auto own = names_in(names);
    if (own.size() > 1) {
        own.erase(own.begin() + 1, own.end());  // the one asked for, else the full one
    }
    OpenedPlace opened = read_wanted(std::move(root), fetch, std::move(blobs), wanted, place.text(), run);
    opened.names = std::move(own);
    return opened;
}

OpenedPlace open_layout(const PlaceName& place, const Wanted& wanted, const Run& run) {
    const OciLayout layout = OciLayout::open(place.path);
    return open_index_entry(place, layout.index(), layout.blobs(), wanted, run);
}

OpenedPlace open_store(const PlaceName& place, const Wanted& wanted, const PlaceAccess& access, const Run& run) {
    const Store& store = store_for(place, access);
    PlaceName entry = place;
    entry.which = place.reference->digest() ? place.reference->digest()->text() : name_of(*place.reference)[0].text();
    const OciLayout layout = store.layout();
    OpenedPlace opened = open_index_entry(entry, layout.index(), store.through(nullptr), wanted, run);
    opened.names = name_of(*place.reference);
    opened.text = place.text();
    return opened;
}

ArchiveFile open_archive_file(const PlaceName& place, const PlaceAccess& access, const Run& run) {
    if (place.is_stream()) {
        return ArchiveFile::read(input_for(place, access), "standard input", spool_for(place, access), run);
    }
    try {
        return ArchiveFile::open(place.path, {}, run);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Unsupported) {
            throw;
        }
    }
    return ArchiveFile::open(place.path, spool_for(place, access), run);  // a pipe, or compressed as a whole
}

/// The engine's own archive of the images, below the spool.
ArchiveFile save_from_engine(const PlaceName& place, const std::optional<Platform>& platform, const PlaceAccess& access,
                             const Run& run) {
    const std::string name = place.reference ? place.reference->text() : place.which;
    const auto file = spool_for(place, access) / ("engine-" + std::string(sha256(name).hex()) + ".tar");
    AtomicFile archive(file);
    engine_for(place, access).save({name}, archive, platform, run);
    archive.commit();
    ArchiveFile opened = ArchiveFile::open(file, {}, run);
    std::filesystem::remove(file);  // it is open, so its space goes with it
    return opened;
}

OpenedPlace archived(const ArchiveFile& file, std::size_t index, const PlaceName& place,
                     const std::optional<Platform>& platform, const Run& run) {
    const Image image = file.image(index, run);
    check_platform(image.config, platform ? platform : image.config.platform, place.text(), run);
    return {graph_of(image), names_in(file.images()[index].repo_tags), place.text(), {}, std::nullopt};
}

}  // namespace

std::vector<OpenedPlace> open_places(const PlaceName& place, const std::optional<Platform>& platform, bool whole,
                                     const PlaceAccess& access, const Run& run) {
    const Wanted wanted{platform, whole};
    switch (place.kind) {
        case Kind::Registry:
            return {open_registry(place, wanted, access, run)};
        case Kind::OciLayout:
            return {open_layout(place, wanted, run)};
        case Kind::Store:
            return {open_store(place, wanted, access, run)};
        case Kind::DockerDaemon: {
            OpenedPlace opened = archived(save_from_engine(place, platform, access, run), 0, place, platform, run);
            if (place.reference) {
                opened.names = name_of(*place.reference);
            }
            return {std::move(opened)};
        }
        case Kind::DockerArchive:
        case Kind::OciArchive:
            break;
    }
    const ArchiveFile file = open_archive_file(place, access, run);
    const auto index = file.oci_index();
    if (index && file.images().empty() && place.reference) {
        throw Error(ErrorCode::InvalidInput, place.path + " is an OCI archive, its names are texts of their own")
            .advise("oci-archive:" + place.path + ":NAME");
    }
    if (index && (place.kind == Kind::OciArchive || file.images().empty())) {
        return {open_index_entry(place, *index, file.blobs(), wanted, run)};
    }
    if (place.reference || !place.which.empty() || file.images().size() == 1) {
        return {archived(file, file.find(place.reference, place.which), place, platform, run)};
    }
    std::vector<OpenedPlace> all;
    for (std::size_t i = 0; i < file.images().size(); ++i) {
        all.push_back(archived(file, i, place, platform, run));
    }
    return all;
}

OpenedPlace open_place(const PlaceName& place, const std::optional<Platform>& platform, bool whole,
                       const PlaceAccess& access, const Run& run) {
    std::vector<OpenedPlace> opened = open_places(place, platform, whole, access, run);
    if (opened.size() == 1) {
        return std::move(opened[0]);
    }
    std::string names;
    for (const OpenedPlace& each : opened) {
        for (const Reference& name : each.names) {
            names += (names.empty() ? "" : ", ") + name.familiar();
        }
    }
    throw Error(ErrorCode::InvalidInput, place.text() + " holds " + std::to_string(opened.size()) + " images")
        .advise("name one: " + place.text() + ":NAME:TAG or " + place.text() + ":@0" +
                (names.empty() ? std::string() : " (" + names + ")"));
}

}  // namespace cooper::oci
