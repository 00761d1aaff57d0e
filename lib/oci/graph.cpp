#include "cooper/oci/graph.hpp"

#include "cooper/base/error.hpp"

#include "oci/descriptor_json.hpp"
#include "oci/manifest_entries.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

namespace cooper::oci {

namespace {

/// "sha256:0123… (linux/arm64)".
std::string told(const Descriptor& manifest) {
    return manifest.digest.shortened() +
           (manifest.platform ? " (" + printable(manifest.platform->text()) + ")" : std::string());
}

/// Config and layers of any manifest that is no index, an image or not.
std::vector<Descriptor> blobs_of(const RawManifest& manifest) {
    const json::Value document = json::parse(manifest.bytes, "manifest");
    std::vector<Descriptor> blobs;
    blobs.push_back(read_descriptor(json::member(document, "config", "manifest"), "manifest: config"));
    if (find_filled(document, "layers") != nullptr) {
        for (const json::Value& layer : read_array(document, "layers", kMaxLayers, "manifest")) {
            blobs.push_back(read_descriptor(layer, "manifest: layers[" + std::to_string(blobs.size() - 1) + "]"));
        }
    }
    return blobs;
}

/// Walks from the root down and collects children before parents.
class GraphReader {
public:
    GraphReader(const ManifestFetcher& fetch, const Run& run) : fetch_(fetch), run_(run) {}

    void take(ClassifiedManifest manifest, int depth) {
        run_.check();
        if (!seen_manifests_.insert(manifest.raw.digest).second) {
            return;
        }
        if (seen_manifests_.size() > kMaxGraphManifests) {
            throw Error(ErrorCode::InvalidInput,
                        "there are more than " + std::to_string(kMaxGraphManifests) + " manifests below the index");
        }
        if (manifest.kind == ManifestKind::Image) {
            for (Descriptor& blob : blobs_of(manifest.raw)) {
                take_blob(std::move(blob));
            }
        } else {
            take_children(Index::parse(manifest.raw), depth);
        }
        manifests_.push_back(std::move(manifest.raw));
    }

    Graph finish(ManifestKind kind, std::shared_ptr<const Blobs> source) && {
        return {kind, std::move(manifests_), std::move(blobs_), std::move(source)};
    }

private:
    void take_children(const Index& index, int depth) {
        if (depth == kMaxIndexDepth) {
            throw Error(ErrorCode::InvalidInput,
                        "indexes are nested more than " + std::to_string(kMaxIndexDepth) + " deep");
        }
        for (const Descriptor& child : index.manifests) {
            if (!seen_manifests_.contains(child.digest)) {
                in_context("manifest " + told(child), [&] { take(checked(child), depth + 1); });
            }
        }
    }

    ClassifiedManifest checked(const Descriptor& child) const {
        ClassifiedManifest manifest = fetch_(child);
        check_is(manifest.raw, child);
        return manifest;
    }

    void take_blob(Descriptor blob) {
        const auto [known, added] = sizes_.emplace(blob.digest, blob.size);
        if (!added) {
            if (known->second != blob.size) {
                throw IntegrityError("blob " + blob.digest.text() + " has two sizes", std::to_string(known->second),
                                     std::to_string(blob.size));
            }
            return;
        }
        if (blobs_.size() == kMaxGraphBlobs) {
            throw Error(ErrorCode::InvalidInput,
                        "there are more than " + std::to_string(kMaxGraphBlobs) + " blobs below the index");
        }
        blobs_.push_back(std::move(blob));
    }

    const ManifestFetcher& fetch_;
    const Run& run_;
    std::set<Digest> seen_manifests_;
    std::map<Digest, std::uint64_t> sizes_;
    std::vector<RawManifest> manifests_;
    std::vector<Descriptor> blobs_;
};

Config config_of(const Manifest& manifest, const Blobs& blobs, const Run& run) {
    const auto source =
        verified(blobs.open(manifest.config, 0, run), manifest.config.digest, manifest.config.size, "the config");
    return Config::parse(read_all(*source, kMaxDocument, "the config"));
}

Image load_image(const RawManifest& raw, const Graph& graph, const Run& run) {
    Manifest manifest = Manifest::parse(raw);
    Config config = config_of(manifest, *graph.source, run);
    Image image{std::move(manifest), std::move(config), graph.source};
    image.check();
    return image;
}

const RawManifest& child_of(const Graph& graph, const Descriptor& entry) {
    if (const RawManifest* child = graph.find(entry.digest)) {
        return *child;
    }
    throw Error(ErrorCode::NotFound, "manifest " + told(entry) + " is listed by the index, but it is not there");
}

}  // namespace

void check_is(const RawManifest& manifest, const Descriptor& descriptor) {
    const std::string what = "manifest " + descriptor.digest.shortened();
    if (manifest.digest != descriptor.digest) {
        throw IntegrityError(what, descriptor.digest.text(), manifest.digest.text());
    }
    if (manifest.bytes.size() != descriptor.size) {
        throw IntegrityError(what + ": size", std::to_string(descriptor.size), std::to_string(manifest.bytes.size()));
    }
    if (!descriptor.media_type.empty() && manifest.media_type != descriptor.media_type) {
        throw IntegrityError(what + ": media type", descriptor.media_type, manifest.media_type);
    }
}

const RawManifest* Graph::find(const Digest& manifest) const {
    const auto found = std::find_if(manifests.begin(), manifests.end(),
                                    [&](const RawManifest& each) { return each.digest == manifest; });
    return found == manifests.end() ? nullptr : &*found;
}

Graph read_graph(ClassifiedManifest root, const ManifestFetcher& children, std::shared_ptr<const Blobs> source,
                 const Run& run) {
    const ManifestKind kind = root.kind;
    GraphReader reader(children, run);
    reader.take(std::move(root), 0);
    return std::move(reader).finish(kind, std::move(source));
}

Graph graph_of(const Image& image) {
    const Run run;
    const ManifestFetcher nothing = [](const Descriptor&) -> ClassifiedManifest {
        throw std::logic_error("an image manifest lists no manifests");
    };
    GraphReader reader(nothing, run);
    reader.take({ManifestKind::Image, image.manifest.raw}, 0);
    return std::move(reader).finish(ManifestKind::Image, image.blobs);
}

void check_platform(const Config& config, const std::optional<Platform>& asked, const std::string& name,
                    const Run& run) {
    const Platform wanted = asked ? asked->normalised() : Platform::host();
    const std::vector<Platform> fitting = acceptable(wanted);
    if (std::find(fitting.begin(), fitting.end(), config.platform) != fitting.end()) {
        return;
    }
    const std::string message = name + " is an image for " + config.platform.text() + " only, not for " + wanted.text();
    if (asked) {
        throw Error(ErrorCode::NotFound, message);
    }
    run.progress->notice(NoticeLevel::Warning, message);
}

Image image_of(const Graph& graph, const std::optional<Platform>& platform, const std::string& name, const Run& run) {
    return in_context(name, [&] {
        if (graph.kind == ManifestKind::Image) {
            Image image = load_image(graph.root(), graph, run);
            check_platform(image.config, platform, name, run);
            return image;
        }
        const Index index = Index::parse(graph.root());
        const Descriptor& entry = choose_platform(index, platform.value_or(Platform::host()));
        return load_image(child_of(graph, entry), graph, run);
    });
}

std::vector<Image> images_of(const Graph& graph, const Run& run) {
    if (graph.kind == ManifestKind::Image) {
        return {load_image(graph.root(), graph, run)};
    }
    std::vector<Image> images;
    for (const Descriptor& entry : Index::parse(graph.root()).manifests) {
        if (is_image_entry(entry)) {
            images.push_back(load_image(child_of(graph, entry), graph, run));
        }
    }
    return images;
}

std::vector<Descriptor> platforms_of(const Graph& graph, const Run& run) {
    if (graph.kind == ManifestKind::Image) {
        const RawManifest& raw = graph.root();
        Descriptor self{raw.media_type, raw.digest, raw.bytes.size(), {}, {}, std::nullopt, {}};
        self.platform = load_image(raw, graph, run).config.platform;
        return {std::move(self)};
    }
    std::vector<Descriptor> platforms;
    for (Descriptor& entry : Index::parse(graph.root()).manifests) {
        if (is_image_entry(entry)) {
            platforms.push_back(std::move(entry));
        }
    }
    return platforms;
}

}  // namespace cooper::oci
