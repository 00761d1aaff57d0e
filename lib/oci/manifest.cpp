#include "cooper/oci/manifest.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/descriptor_json.hpp"
#include "oci/manifest_entries.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace cooper::oci {

namespace {

constexpr std::string_view kDockerForeignLayer = "application/vnd.docker.image.rootfs.foreign.diff.tar";
constexpr std::string_view kOciForeignLayer = "application/vnd.oci.image.layer.nondistributable.v1.tar";
constexpr std::string_view kReferenceType = "vnd.docker.reference.type";
constexpr std::string_view kAttestation = "attestation-manifest";

bool is_schema1(std::string_view type) {
    return type == "application/vnd.docker.distribution.manifest.v1+json" ||
           type == "application/vnd.docker.distribution.manifest.v1+prettyjws";
}

[[noreturn]] void refuse_schema1() {
    throw Error(ErrorCode::Unsupported, "this is a schema 1 image, a format that registries gave up in 2017")
        .advise("Pull it and push it again with a current tool.");
}

[[noreturn]] void confused(const std::string& how) {
    throw Error(ErrorCode::Integrity, "the manifest contradicts itself: " + how);
}

std::string without_parameters(std::string_view content_type) {
    return to_lower(trim(content_type.substr(0, content_type.find(';'))));
}

std::string guess_type(const json::Value& document) {
    if (find_filled(document, "manifests") != nullptr) {
        return std::string(media_type::kOciIndex);
    }
    const json::Value* config = find_filled(document, "config");
    if (config == nullptr || find_filled(document, "layers") == nullptr) {
        throw Error(
            ErrorCode::Unsupported,
            "this is neither an image manifest nor an index: it has no mediaType and neither layers nor manifests");
    }
    const json::Value* config_type = json::find_member(*config, "mediaType");
    const bool docker = config_type != nullptr && config_type->is_string() && *config_type == media_type::kDockerConfig;
    return std::string(docker ? media_type::kDockerManifest : media_type::kOciManifest);
}

// The type by which the document is read. A server that says nothing better than "application/json" is believed to know
// nothing; one that names another manifest type than the document does is refused (CVE-2021-41190).
std::string decide_type(const json::Value& document, std::string_view content_type) {
    const std::string served = without_parameters(content_type);
    const bool served_means_something = served.starts_with("application/vnd.");
    std::string own;
    if (const json::Value* value = find_filled(document, "mediaType")) {
        if (!value->is_string()) {
            throw Error(ErrorCode::InvalidInput, "manifest: mediaType is not a string");
        }
        own = value->get<std::string>();
    }
    if (is_schema1(own) || is_schema1(served)) {
        refuse_schema1();
    }
    if (own.empty()) {
        return served_means_something ? served : guess_type(document);
    }
    if (served_means_something && served != own) {
        confused("its mediaType is " + printable(own) + ", but it was served as " + printable(served));
    }
    return own;
}

void check_schema_version(const json::Value& document) {
    const json::Value* version = json::find_member(document, "schemaVersion");
    if (version != nullptr && version->is_number() && *version == 1) {
        refuse_schema1();
    }
    if (version == nullptr || !version->is_number_integer() || *version != 2) {
        throw Error(ErrorCode::InvalidInput, "manifest: schemaVersion is not 2");
    }
}

// Docker Hub kept some images whose config was pushed with a wrong type (docker/distribution#1621); such configs are
// read.
bool is_config_type(std::string_view type, std::string_view manifest_type) {
    if (type == media_type::kOciConfig || type == media_type::kDockerConfig) {
        return true;
    }
    return manifest_type == media_type::kDockerManifest &&
           (type == "application/octet-stream" || type == "application/json" || type == "text/html");
}

void check_layer_type(const Descriptor& layer, const std::string& where) {
    if (is_foreign_layer(layer.media_type)) {
        throw Error(ErrorCode::Unsupported,
                    where + " is a foreign layer (" + layer.media_type +
                        "): its content may not be distributed by registries, so cooper does not fetch it");
    }
    if (!is_layer_media_type(layer.media_type)) {
        throw Error(ErrorCode::Unsupported,
                    where + " has media type " + printable(layer.media_type) + ", which is not an image layer");
    }
}

[[noreturn]] void no_such_platform(const Platform& wanted, const std::vector<const Descriptor*>& images,
                                   bool has_nested) {
    std::vector<std::string> present;
    for (const Descriptor* image : images) {
        const std::string text = image->platform ? printable(image->platform->text()) : "one without a platform";
        if (std::find(present.begin(), present.end(), text) == present.end()) {
            present.push_back(text);
        }
    }
    std::string list;
    for (const std::string& text : present) {
        list += (list.empty() ? "" : ", ") + text;
    }
    std::string message = "there is no image for " + wanted.text() + "; present: " + (list.empty() ? "none" : list);
    if (has_nested) {
        message += " (it also holds further indexes, which are not searched)";
    }
    throw Error(ErrorCode::NotFound, message).advise("Choose one of the platforms present with --platform.");
}

}  // namespace

bool is_image_entry(const Descriptor& entry) {
    if (!is_image_type(entry.media_type)) {
        return false;
    }
    if (entry.platform && (entry.platform->os == "unknown" || entry.platform->architecture == "unknown")) {
        return false;
    }
    const auto type = entry.annotations.find(std::string(kReferenceType));
    return type == entry.annotations.end() || type->second != kAttestation;
}

bool is_image_type(std::string_view type) noexcept {
    return type == media_type::kOciManifest || type == media_type::kDockerManifest;
}
bool is_index_type(std::string_view type) noexcept {
    return type == media_type::kOciIndex || type == media_type::kDockerIndex;
}

ClassifiedManifest classify_manifest(std::string bytes, std::string_view content_type) {
    if (bytes.size() > kMaxDocument) {
        throw Error(ErrorCode::InvalidInput, "the manifest has " + std::to_string(bytes.size()) +
                                                 " bytes, the limit is " + std::to_string(kMaxDocument));
    }
    const json::Value document = json::parse(bytes, "manifest");
    if (!document.is_object()) {
        throw Error(ErrorCode::InvalidInput, "the manifest is not a JSON object");
    }
    const bool lists_images = find_filled(document, "manifests") != nullptr;
    const bool is_one_image = find_filled(document, "layers") != nullptr || find_filled(document, "config") != nullptr;
    if (lists_images && is_one_image) {
        confused("it has the members of an image and those of an index");
    }
    check_schema_version(document);
    std::string type = decide_type(document, content_type);
    if (!is_image_type(type) && !is_index_type(type)) {
        throw Error(ErrorCode::Unsupported,
                    "media type " + printable(type) + " is neither an image manifest nor an index");
    }
    const ManifestKind kind = is_index_type(type) ? ManifestKind::Index : ManifestKind::Image;
    if (kind == ManifestKind::Index ? is_one_image : lists_images) {
        confused("its type is " + type + ", but its members say otherwise");
    }
    Digest digest = sha256(bytes);
    return {kind, {std::move(bytes), std::move(type), std::move(digest)}};
}

Manifest Manifest::parse(RawManifest raw) {
    const json::Value document = json::parse(raw.bytes, "manifest");
    const json::Value& config = json::member(document, "config", "manifest");
    Descriptor config_descriptor = read_descriptor(config, "manifest: config");
    if (!is_config_type(config_descriptor.media_type, raw.media_type)) {
        throw Error(ErrorCode::Unsupported, "this is an artifact, not an image: its config has media type " +
                                                printable(config_descriptor.media_type));
    }
    if (config_descriptor.size > kMaxDocument) {
        throw Error(ErrorCode::InvalidInput, "manifest: config has " + std::to_string(config_descriptor.size) +
                                                 " bytes, the limit is " + std::to_string(kMaxDocument));
    }
    std::vector<Descriptor> layers;
    for (const json::Value& layer : read_array(document, "layers", kMaxLayers, "manifest")) {
        const std::string where = "manifest: layers[" + std::to_string(layers.size()) + "]";
        layers.push_back(read_descriptor(layer, where));
        check_layer_type(layers.back(), where);
    }
    std::string artifact_type = json::find_string(document, "artifactType", "manifest").value_or("");
    auto annotations = read_annotations(document, "manifest");
    return {std::move(raw), std::move(config_descriptor), std::move(layers), std::move(artifact_type),
            std::move(annotations)};
}

Index Index::parse(RawManifest raw) {
    const json::Value document = json::parse(raw.bytes, "index");
    std::vector<Descriptor> manifests;
    for (const json::Value& entry : read_array(document, "manifests", kMaxIndexEntries, "index")) {
        manifests.push_back(read_descriptor(entry, "index: manifests[" + std::to_string(manifests.size()) + "]"));
    }
    return {std::move(raw), std::move(manifests)};
}

const Descriptor& choose_platform(const Index& index, const Platform& wanted) {
    std::vector<const Descriptor*> images;
    bool has_nested = false;
    for (const Descriptor& entry : index.manifests) {
        has_nested = has_nested || is_index_type(entry.media_type);
        if (is_image_entry(entry)) {
            images.push_back(&entry);
        }
    }
    for (const Platform& platform : acceptable(wanted)) {
        const auto found = std::find_if(images.begin(), images.end(),
                                        [&](const Descriptor* image) { return image->platform == platform; });
        if (found != images.end()) {
            return **found;
        }
    }
    if (images.size() == 1 && !images.front()->platform) {
        return *images.front();
    }
    no_such_platform(wanted.normalised(), images, has_nested);
}

bool is_layer_media_type(std::string_view type) noexcept {
    using namespace media_type;
    constexpr std::array kTypes = {kOciLayer,    kOciLayerGzip,    kOciLayerZstd,
                                   kDockerLayer, kDockerLayerGzip, kDockerLayerZstd};
    return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

bool is_foreign_layer(std::string_view type) noexcept {
    for (const std::string_view base : {kDockerForeignLayer, kOciForeignLayer}) {
        if (type == base || (type.starts_with(base) && (type[base.size()] == '+' || type[base.size()] == '.'))) {
            return true;
        }
    }
    return false;
}

}  // namespace cooper::oci
