#include "delivery/explain/sides.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/archive_reader.hpp"
#include "cooper/oci/layout.hpp"

#include "build/paths.hpp"
#include "oci/archive/listing.hpp"
#include "oci/archive/members.hpp"
#include "oci/archive/spool.hpp"
#include "oci/copy/access.hpp"
#include "oci/layout/entries.hpp"

#include <algorithm>

namespace cooper::delivery {

namespace {

using Kind = oci::PlaceName::Kind;

/// `open({})`, and with the spool if it turns out to be needed.
template <class F>
auto with_spool(const oci::PlaceName& place, const oci::PlaceAccess& access, F&& open) {
    try {
        return open(std::filesystem::path());
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Unsupported) {
            throw;
        }
    }
    return open(oci::spool_for(place, access));
}

std::string name_of_entry(const oci::Descriptor& entry) {
    for (const auto key : {oci::kContainerdNameAnnotation, oci::kRefNameAnnotation}) {
        if (const auto found = entry.annotations.find(std::string(key)); found != entry.annotations.end()) {
            return found->second;
        }
    }
    return "";
}

void add_graph(OpenedSide& side, const oci::Graph& graph, const std::string& name, const Run& run) {
    for (auto& image : oci::images_of(graph, run)) {
        side.images.push_back({name, std::move(image), true});
    }
}

OpenedSide open_archive_images(const oci::PlaceName& place, const ScannedArchive& scanned,
                               const oci::PlaceAccess& access, const Run& run) {
    const auto file = with_spool(place, access, [&](const std::filesystem::path& spool) {
        return oci::ArchiveFile::open(place.path, spool, run);
    });
    OpenedSide side;
    if (!file.images().empty()) {
        for (std::size_t i = 0; i < file.images().size(); ++i) {
            auto image = file.image(i, run);
            image.check();
            const bool has_manifest = scanned.find(oci::blob_path(image.manifest.raw.digest)) != nullptr;
            const auto& tags = file.images()[i].repo_tags;
            side.images.push_back({tags.empty() ? "" : tags.front(), std::move(image), has_manifest});
        }
        return side;
    }
    const auto index = file.oci_index();
    for (std::size_t i = 0; index && i < index->manifests.size(); ++i) {
        const auto& entry = index->manifests[i];
        if (entry.artifact_type.empty()) {
            add_graph(side, file.graph("@" + std::to_string(i), run), name_of_entry(entry), run);
        }
    }
    return side;
}

OpenedSide open_other(const oci::PlaceName& place, const oci::PlaceAccess& access, const Run& run) {
    OpenedSide side;
    const bool made = place.kind == Kind::DockerDaemon || place.kind == Kind::DockerArchive;
    for (const auto& opened : oci::open_places(place, std::nullopt, true, access, run)) {
        const auto first = side.images.size();
        add_graph(side, opened.graph, opened.names.empty() ? "" : opened.names.front().text(), run);
        for (const auto& manifest : opened.graph.manifests) {
            if (opened.graph.kind == oci::ManifestKind::Index && manifest.digest == opened.graph.root().digest) {
                side.indexes.push_back(manifest);
            }
        }
        for (auto i = first; i < side.images.size(); ++i) {
            side.images[i].has_manifest = !made;
        }
    }
    return side;
}

/// Roles of the directory of a layer, as docker save once had them: "HEX/layer.tar", "HEX/json", "HEX/VERSION".
void add_directory_roles(MemberRoles& roles, const ScannedArchive& archive,
                         const std::map<std::string, std::string>& directories) {
    for (const auto& member : archive.members) {
        const bool is_directory = directories.contains(member.name);
        const std::string parent(build::parent_path(member.name));
        if (const auto found = directories.find(is_directory ? member.name : parent); found != directories.end()) {
            const auto file = is_directory ? std::string("directory") : std::string(build::file_name(member.name));
            roles.try_emplace(member.name, file + " beside " + found->second);
        }
    }
}

}  // namespace

bool is_whole_archive(const oci::PlaceName& place) {
    std::error_code ignored;
    return (place.kind == Kind::DockerArchive || place.kind == Kind::OciArchive) && !place.reference &&
           place.which.empty() && std::filesystem::is_regular_file(place.path, ignored);
}

std::shared_ptr<const FileRanged> open_plain(const oci::PlaceName& place, const oci::PlaceAccess& access,
                                             const Run& run) {
    return with_spool(place, access,
                      [&](const std::filesystem::path& spool) { return oci::open_archive(place.path, spool, run); });
}

OpenedSide open_side(const oci::PlaceName& place, const ScannedArchive* scanned, const oci::PlaceAccess& access,
                     const Run& run) {
    try {
        return scanned != nullptr ? open_archive_images(place, *scanned, access, run) : open_other(place, access, run);
    } catch (const Error& error) {
        if (scanned == nullptr || error.code() != ErrorCode::Integrity) {
            throw;
        }
        OpenedSide side;
        side.damage = error.what();
        return side;
    }
}

std::vector<ImagePair> pair_images(const OpenedSide& a, const OpenedSide& b) {
    std::vector<ImagePair> pairs;
    std::vector<bool> taken(b.images.size());
    const auto take = [&](const SideImage& image, bool by_name) -> const SideImage* {
        for (std::size_t i = 0; i < b.images.size(); ++i) {
            const auto& other = b.images[i];
            const bool named = other.name == image.name && !image.name.empty() &&
                               other.image.config.platform == image.image.config.platform;
            if (!taken[i] && (named || !by_name)) {
                taken[i] = true;
                return &other;
            }
        }
        return nullptr;
    };
    for (const auto& image : a.images) {
        pairs.push_back({&image, take(image, true), ""});
    }
    for (auto& pair : pairs) {
        pair.b = pair.b == nullptr ? take(*pair.a, false) : pair.b;
    }
    for (std::size_t i = 0; i < b.images.size(); ++i) {
        if (!taken[i]) {
            pairs.push_back({nullptr, &b.images[i], ""});
        }
    }
    for (std::size_t i = 0; pairs.size() > 1 && i < pairs.size(); ++i) {
        const auto& image = pairs[i].a != nullptr ? *pairs[i].a : *pairs[i].b;
        pairs[i].label = " of " + (image.name.empty() ? "image " + std::to_string(i + 1) : image.name);
    }
    return pairs;
}

MemberRoles roles_in(const ScannedArchive& archive, const std::vector<const SideImage*>& images) {
    MemberRoles roles;
    std::map<std::string, std::string> directories;
    const auto add = [&](const std::string& member, const std::string& role) {
        if (const auto name = oci::member_name(member)) {
            roles.try_emplace(*name, role);
        }
    };
    std::map<std::string, std::vector<oci::Listing>> by_config;
    if (const auto table = archive.text("manifest.json")) {
        for (auto& listing : oci::parse_manifest_json(*table)) {
            const auto config = archive.text(listing.config);
            by_config[config ? sha256(*config).text() : ""].push_back(std::move(listing));
        }
    }
    for (std::size_t i = 0; i < images.size(); ++i) {
        if (images[i] == nullptr) {
            continue;
        }
        const auto& image = images[i]->image;
        const auto of = " of image " + std::to_string(i + 1);
        add(oci::blob_path(image.manifest.raw.digest), "manifest" + of);
        add(oci::blob_path(image.manifest.config.digest), "config" + of);
        for (std::size_t n = 0; n < image.manifest.layers.size(); ++n) {
            add(oci::blob_path(image.manifest.layers[n].digest), "layer " + std::to_string(n + 1) + of);
        }
        for (const auto& listing : by_config[image.config.image_id().text()]) {
            add(listing.config, "config" + of);
            for (std::size_t n = 0; n < listing.layers.size(); ++n) {
                const auto role = "layer " + std::to_string(n + 1) + of;
                add(listing.layers[n], role);
                const std::string directory(build::parent_path(listing.layers[n]));
                if (!directory.empty() && !directory.starts_with("blobs")) {
                    directories.try_emplace(directory, role);
                }
            }
        }
    }
    add_directory_roles(roles, archive, directories);
    return roles;
}

}  // namespace cooper::delivery
