#include "build/image/image_writer.hpp"

#include "base/json.hpp"
#include "build/edit/edit_blobs.hpp"
#include "build/edit/manifest_text.hpp"

#include <nlohmann/json.hpp>

namespace cooper::build {

namespace {

bool is_at_hand(const LayerState& layer, const LayerCompression& compression, const ImageBuildServices& services) {
    if (!layer.blob) {
        return false;
    }
    if (!layer.step) {
        return true;  // a base image's, which is never compressed again
    }
    const bool as_wanted = layer.step->compressor == compression.fingerprint();
    return services.store.has(layer.blob->digest) ? as_wanted : as_wanted || !services.snapshots.has(layer.diff_id);
}

}  // namespace

void make_blobs(std::vector<LayerState>& layers, const ImageBuildOptions& options, const ImageBuildServices& services,
                const Run& run) {
    for (LayerState& layer : layers) {
        if (is_at_hand(layer, options.compression, services)) {
            continue;
        }
        const BuiltLayer built = services.snapshots.blob(layer.diff_id, options.compression, services.spool, run);
        services.store.adopt(built.descriptor.digest, built.file);
        std::filesystem::remove(built.file);
        layer.blob = built.descriptor;
        layer.source = services.store.through(nullptr);
        layer.step->blob = built.descriptor;
        layer.step->compressor = built.compressor;
        if (!options.cache_read_only) {
            services.cache.remember(*layer.step);
        }
    }
}

oci::Image write_image(const ImageState& state, std::int64_t created,
                       const std::vector<std::pair<std::string, std::string>>& annotations,
                       const ImageBuildServices& services) {
    const std::string config = state.config_text(created);
    BlobOrigins origins{{{sha256(config), config}}, {}, {}, services.store.through(nullptr)};
    json::Value document = {{"schemaVersion", 2}, {"mediaType", oci::media_type::kOciManifest}};
    document["config"] = {
        {"mediaType", oci::media_type::kOciConfig}, {"digest", sha256(config).text()}, {"size", config.size()}};
    document["layers"] = json::Value::array();
    for (const LayerState& layer : state.layers) {
        document["layers"].push_back({{"mediaType", oci_media_type(layer.blob->media_type)},
                                      {"digest", layer.blob->digest.text()},
                                      {"size", layer.blob->size}});
        if (layer.source && !services.store.has(layer.blob->digest)) {
            origins.from.emplace(layer.blob->digest, layer.source);
        }
    }
    for (const auto& [key, value] : annotations) {
        document["annotations"][key] = value;
    }
    const auto raw = oci::classify_manifest(json::write(document), oci::media_type::kOciManifest).raw;
    services.store.keep(sha256(config), config);
    services.store.keep(raw.digest, raw.bytes);
    oci::Image image{oci::Manifest::parse(raw), oci::Config::parse(config), edit_blobs(std::move(origins))};
    image.check();
    return image;
}

}  // namespace cooper::build
