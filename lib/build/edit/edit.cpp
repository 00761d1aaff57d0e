#include "cooper/build/edit.hpp"

#include "base/json.hpp"
#include "build/edit/config_text.hpp"
#include "build/edit/edit_blobs.hpp"
#include "build/edit/manifest_text.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::build {

namespace {

/// A path of our own in a history line; what is not UTF-8 there is shown as "?".
std::string told(const std::string& target) {
    return oci::printable(target.starts_with('/') ? target : "/" + target);
}

TimePoint time_of(const ConfigEdit& edit) {
    return edit.created.value_or(edit.edit_time.value_or(TimePoint{}));
}

/// True when something changed.
bool edit_author(ObjectText& document, const std::optional<std::string>& author) {
    if (!author) {
        return false;
    }
    if (author->empty()) {
        return document.remove("author");
    }
    const auto* known = document.find("author");
    if (known != nullptr && *known != "null" && unquoted_json(*known) == *author) {
        return false;
    }
    document.set("author", quoted_json(*author));
    return true;
}

/// What the edit changes, in words; empty for nothing.
std::string edit_document(ObjectText& document, const ConfigEdit& edit) {
    auto summary = edit_container(document, edit);
    if (edit_author(document, edit.author)) {
        summary += summary.empty() ? "author" : ", author";
    }
    return summary;
}

void add_diff_ids(ObjectText& document, const std::vector<BuiltLayer>& layers) {
    if (layers.empty()) {
        return;
    }
    auto rootfs = object_of(document, "rootfs");
    auto diff_ids = array_of(rootfs, "diff_ids");
    for (const auto& layer : layers) {
        diff_ids.add(quoted_json(layer.diff_id.text()));
    }
    rootfs.set("diff_ids", diff_ids.text());
    document.set("rootfs", rootfs.text());
}

std::string appended_config(const oci::Config& base, const std::vector<BuiltLayer>& layers, const ConfigEdit& edit) {
    ObjectText document(base.raw);
    const auto created = time_of(edit);
    document.set("created", quoted_json(format_rfc3339(created)));
    const auto summary = edit_document(document, edit);
    std::vector<std::string> history;
    for (const auto& layer : layers) {
        history.push_back(history_entry(created, "cooper append " + told(layer.target), false));
    }
    if (!summary.empty()) {
        history.push_back(history_entry(created, "cooper append: " + summary, true));
    }
    add_diff_ids(document, layers);
    add_history(document, history, base);
    return document.text();
}

/// nullopt: the edit changes nothing.
std::optional<std::string> edited_config(const oci::Config& config, const ConfigEdit& edit) {
    ObjectText document(config.raw);
    auto summary = edit_document(document, edit);
    if (edit.created && config.created != edit.created) {
        document.set("created", quoted_json(format_rfc3339(*edit.created)));
        summary += summary.empty() ? "created" : ", created";
    }
    if (summary.empty()) {
        return std::nullopt;
    }
    add_history(document, {history_entry(time_of(edit), "cooper config: " + summary, true)}, config);
    return document.text();
}

}  // namespace

oci::Image scratch_image(const oci::Platform& platform) {
    const auto normal = platform.normalised();
    json::Value document = {{"architecture", normal.architecture}, {"os", normal.os}};
    if (!normal.variant.empty()) {
        document["variant"] = normal.variant;
    }
    document["config"] = json::Value::object();
    document["rootfs"] = {{"type", "layers"}, {"diff_ids", json::Value::array()}};
    const auto config = json::write(document);
    json::Value manifest = {{"schemaVersion", 2}, {"mediaType", oci::media_type::kOciManifest}};
    manifest["config"] = {
        {"mediaType", oci::media_type::kOciConfig}, {"digest", sha256(config).text()}, {"size", config.size()}};
    manifest["layers"] = json::Value::array();
    return {oci::Manifest::parse(oci::classify_manifest(json::write(manifest), oci::media_type::kOciManifest).raw),
            oci::Config::parse(config), edit_blobs({{{sha256(config), config}}, {}, {}, nullptr})};
}

oci::Image append(const oci::Image& base, const std::vector<BuiltLayer>& layers, const ConfigEdit& edit) {
    base.check();
    const auto config = appended_config(base.config, layers, edit);
    BlobOrigins origins{{{sha256(config), config}}, {}, {}, base.blobs};
    ManifestText manifest(base.manifest);
    manifest.make_oci();
    manifest.set_config(config);
    auto descriptors = manifest.layers();
    for (const auto& layer : layers) {
        descriptors.push_back(descriptor_text(layer.descriptor));
        origins.files.emplace(layer.descriptor.digest, layer.file);
    }
    if (descriptors.size() > oci::kMaxLayers) {
        throw Error(ErrorCode::InvalidInput, "the image would have " + std::to_string(descriptors.size()) +
                                                 " layers: the limit is " + std::to_string(oci::kMaxLayers))
            .advise("cooper flatten makes one layer of all");
    }
    manifest.set_layers(descriptors);
    oci::Image image{manifest.finish(), oci::Config::parse(config), edit_blobs(std::move(origins))};
    image.check();
    return image;
}

oci::Image edit_config(const oci::Image& image, const ConfigEdit& edit) {
    image.check();
    const auto config = edited_config(image.config, edit);
    if (!config) {
        return image;
    }
    ManifestText manifest(image.manifest);
    manifest.set_config(*config);
    return {manifest.finish(), oci::Config::parse(*config),
            edit_blobs({{{sha256(*config), *config}}, {}, {}, image.blobs})};
}

}  // namespace cooper::build
