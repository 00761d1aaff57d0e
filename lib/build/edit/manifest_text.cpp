#include "build/edit/manifest_text.hpp"

#include "cooper/base/error.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

using namespace oci::media_type;

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kCounterparts{{
    {kDockerIndex, kOciIndex},
    {kDockerManifest, kOciManifest},
    {kDockerConfig, kOciConfig},
    {kDockerLayer, kOciLayer},
    {kDockerLayerGzip, kOciLayerGzip},
    {kDockerLayerZstd, kOciLayerZstd},
}};

std::vector<std::string> elements_of(const ArrayText& array) {
    std::vector<std::string> elements;
    for (std::size_t i = 0; i < array.size(); ++i) {
        elements.push_back(array.at(i));
    }
    return elements;
}

}  // namespace

std::string descriptor_text(const oci::Descriptor& descriptor) {
    json::Value value = {
        {"mediaType", descriptor.media_type}, {"digest", descriptor.digest.text()}, {"size", descriptor.size}};
    if (!descriptor.annotations.empty()) {
        value["annotations"] = descriptor.annotations;
    }
    return json::write(value);
}

std::string_view oci_media_type(std::string_view type) {
    const auto found =
        std::find_if(kCounterparts.begin(), kCounterparts.end(), [&](const auto& pair) { return pair.first == type; });
    return found == kCounterparts.end() ? type : found->second;
}

void make_media_type_oci(ObjectText& document) {
    const auto* text = document.find("mediaType");
    if (text == nullptr || *text == "null") {
        return;
    }
    const auto type = unquoted_json(*text);
    if (const auto other = oci_media_type(type); other != type) {
        document.set("mediaType", quoted_json(other));
    }
}

ManifestText::ManifestText(const oci::Manifest& manifest)
    : document_(manifest.raw.bytes),
      media_type_(manifest.raw.media_type),
      layers_(elements_of(array_of(document_, "layers"))) {}

void ManifestText::set_config(std::string_view config) {
    auto descriptor = object_of(document_, "config");
    descriptor.set("digest", quoted_json(sha256(config).text()));
    descriptor.set("size", std::to_string(config.size()));
    if (descriptor.find("data") != nullptr) {
        descriptor.remove("data");  // the config itself, embedded (descriptor.md): it would be the old one
    }
    document_.set("config", descriptor.text());
}

void ManifestText::set_layers(const std::vector<std::string>& layers) {
    auto array = array_of(document_, "layers");
    const auto [differs, wanted] = std::mismatch(layers_.begin(), layers_.end(), layers.begin(), layers.end());
    const auto kept = static_cast<std::size_t>(differs - layers_.begin());
    array.truncate(kept);
    std::for_each(wanted, layers.end(), [&](const std::string& layer) { array.add(layer); });
    document_.set("layers", array.text());
    layers_ = layers;
}

void ManifestText::set_annotation(std::string_view key, std::string_view value) {
    auto annotations = object_of(document_, "annotations");
    annotations.set(key, quoted_json(value));
    document_.set("annotations", annotations.text());
}

void ManifestText::remove_annotation(std::string_view key) {
    auto annotations = object_of(document_, "annotations");
    if (annotations.remove(key)) {
        document_.set("annotations", annotations.text());
    }
}

void ManifestText::make_oci() {
    if (media_type_ == kDockerManifest) {
        media_type_ = kOciManifest;
        document_.set("mediaType", quoted_json(kOciManifest));
        auto config = object_of(document_, "config");
        config.set("mediaType", quoted_json(kOciConfig));  // whatever it was: Docker Hub kept some wrong ones
        document_.set("config", config.text());
    }
    auto layers = layers_;
    for (auto& layer : layers) {
        ObjectText descriptor(layer);
        make_media_type_oci(descriptor);
        layer = descriptor.text();
    }
    if (layers != layers_) {
        set_layers(layers);
    }
}

oci::Manifest ManifestText::finish() const {
    return oci::Manifest::parse(oci::classify_manifest(document_.text(), media_type_).raw);
}

}  // namespace cooper::build
