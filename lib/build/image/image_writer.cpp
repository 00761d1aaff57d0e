#include "build/image/image_writer.hpp"

#include "base/json.hpp"
#include "build/edit/edit_blobs.hpp"
#include "build/edit/manifest_text.hpp"

#include <nlohmann/json.hpp>

namespace cooper::build {

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
