#include "cooper/build/edit.hpp"

#include "cooper/oci/overlay_blobs.hpp"

#include "base/json.hpp"
#include "build/edit/json_text.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::build {

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

[[noreturn]] void refuse(const std::string& why) {
    throw Error(ErrorCode::InvalidInput, why);
}

/// What the object has as `key`, as an object (absent or null: an empty one).
ObjectText object_of(const ObjectText& object, std::string_view key) {
    const auto* found = object.find(key);
    return ObjectText(found == nullptr ? "{}" : *found);
}
ArrayText array_of(const ObjectText& object, std::string_view key) {
    const auto* found = object.find(key);
    return ArrayText(found == nullptr ? "[]" : *found);
}

/// Variables keep their places; new ones come last, in the order given.
void edit_env(ObjectText& container, const Pairs& env) {
    if (env.empty()) {
        return;
    }
    auto list = array_of(container, "Env");
    for (const auto& [name, value] : env) {
        if (name.empty() || name.find('=') != std::string::npos) {
            refuse("'" + oci::printable(name) + "' cannot be the name of an environment variable");
        }
        const auto entry = quoted_json(name + "=" + value);
        bool replaced = false;
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto known = unquoted_json(list.at(i));
            if (known.substr(0, known.find('=')) == name) {
                list.set(i, entry);
                replaced = true;
            }
        }
        if (!replaced) {
            list.add(entry);
        }
    }
    container.set("Env", list.text());
}

/// Labels keep their places; new ones come last, sorted.
void edit_labels(ObjectText& container, const Pairs& labels) {
    if (labels.empty()) {
        return;
    }
    auto object = object_of(container, "Labels");
    std::map<std::string, std::string> sorted;
    for (const auto& [name, value] : labels) {
        if (name.empty()) {
            refuse("a label without a name");
        }
        sorted[name] = value;
    }
    for (const auto& [name, value] : sorted) {
        object.set(name, quoted_json(value));
    }
    container.set("Labels", object.text());
}

void edit_command(ObjectText& container, const ConfigEdit& edit) {
    if (edit.entrypoint) {
        container.set("Entrypoint", json_array(*edit.entrypoint));
        if (!edit.cmd && container.find("Cmd") != nullptr) {
            container.set("Cmd", "null");  // the old command was the old entrypoint's argument list
        }
    }
    if (edit.cmd) {
        container.set("Cmd", json_array(*edit.cmd));
    }
}

/// What the edit changes, in words for the history: names only, values may be long or private.
std::string summary_of(const ConfigEdit& edit) {
    std::string summary;
    const auto tell = [&](const std::string& what) { summary += (summary.empty() ? "" : ", ") + what; };
    for (const auto& [name, value] : edit.env) {
        tell("env " + name);
    }
    for (const auto& [name, given] :
         {std::pair("entrypoint", edit.entrypoint.has_value()), std::pair("cmd", edit.cmd.has_value()),
          std::pair("workdir", edit.workdir.has_value()), std::pair("user", edit.user.has_value())}) {
        if (given) {
            tell(name);
        }
    }
    for (const auto& [name, value] : edit.labels) {
        tell("label " + name);
    }
    return summary;
}

void edit_container(ObjectText& document, const ConfigEdit& edit) {
    auto container = object_of(document, "config");
    edit_env(container, edit.env);
    edit_command(container, edit);
    if (edit.workdir) {
        if (!edit.workdir->starts_with('/')) {
            refuse("the workdir '" + oci::printable(*edit.workdir) + "' is not absolute");
        }
        container.set("WorkingDir", quoted_json(*edit.workdir));
    }
    if (edit.user) {
        container.set("User", quoted_json(*edit.user));
    }
    edit_labels(container, edit.labels);
    document.set("config", container.text());
}

std::string history_entry(const std::string& created, const std::string& created_by, bool empty_layer) {
    return R"({"created":)" + quoted_json(created) + R"(,"created_by":)" + quoted_json(created_by) +
           (empty_layer ? R"(,"empty_layer":true})" : "}");
}

/// A path of our own in a history line; what is not UTF-8 there is shown as "?".
std::string told(const std::string& target) {
    return oci::printable(target.starts_with('/') ? target : "/" + target);
}

std::string edited_config(const oci::Config& base, const std::vector<BuiltLayer>& layers, const ConfigEdit& edit) {
    ObjectText document(base.raw);
    const auto created = format_rfc3339(edit.created.value_or(TimePoint{}));
    document.set("created", quoted_json(created));

    const auto summary = summary_of(edit);
    if (!summary.empty()) {
        edit_container(document, edit);
    }
    auto rootfs = object_of(document, "rootfs");
    auto diff_ids = array_of(rootfs, "diff_ids");
    auto history = array_of(document, "history");
    for (const auto& layer : layers) {
        diff_ids.add(quoted_json(layer.diff_id.text()));
        history.add(history_entry(created, "cooper append " + told(layer.target), false));
    }
    if (!summary.empty()) {
        history.add(history_entry(created, "cooper append: " + summary, true));
    }
    if (!layers.empty()) {
        rootfs.set("diff_ids", diff_ids.text());
        document.set("rootfs", rootfs.text());
    }
    // History of the new layers alone would say that the image has no others.
    const bool has_history = base.has_history || base.diff_ids.empty();
    if (has_history && history.size() > 0) {
        document.set("history", history.text());
    }
    return document.text();
}

std::string_view oci_type(std::string_view type) {
    if (type == oci::media_type::kDockerLayerGzip) {
        return oci::media_type::kOciLayerGzip;
    }
    return type == oci::media_type::kDockerLayer ? oci::media_type::kOciLayer : type;
}

json::Value descriptor_json(const oci::Descriptor& descriptor, std::string_view type) {
    json::Value value = {{"mediaType", type}, {"digest", descriptor.digest.text()}, {"size", descriptor.size}};
    if (!descriptor.annotations.empty()) {
        value["annotations"] = descriptor.annotations;
    }
    return value;
}

/// An OCI manifest; a schema 2 base's layers stay the same blobs under OCI's names for their types.
oci::Manifest manifest_for(const std::string& config, const std::vector<oci::Descriptor>& layers,
                           const std::map<std::string, std::string>& annotations) {
    json::Value document = {{"schemaVersion", 2}, {"mediaType", oci::media_type::kOciManifest}};
    document["config"] = {
        {"mediaType", oci::media_type::kOciConfig}, {"digest", sha256(config).text()}, {"size", config.size()}};
    document["layers"] = json::Value::array();
    for (const auto& layer : layers) {
        document["layers"].push_back(descriptor_json(layer, oci_type(layer.media_type)));
    }
    if (!annotations.empty()) {
        document["annotations"] = annotations;
    }
    return oci::Manifest::parse(oci::classify_manifest(json::write(document), oci::media_type::kOciManifest).raw);
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
    return {manifest_for(config, {}, {}), oci::Config::parse(config), oci::overlay_blobs({}, nullptr)};
}

oci::Image append(const oci::Image& base, const std::vector<BuiltLayer>& layers, const ConfigEdit& edit) {
    base.check();
    const auto config = edited_config(base.config, layers, edit);
    auto descriptors = base.manifest.layers;
    std::map<Digest, std::filesystem::path> files;
    for (const auto& layer : layers) {
        descriptors.push_back(layer.descriptor);
        files.emplace(layer.descriptor.digest, layer.file);
    }
    if (descriptors.size() > oci::kMaxLayers) {
        refuse("the image would have " + std::to_string(descriptors.size()) + " layers: the limit is " +
               std::to_string(oci::kMaxLayers));
    }
    oci::Image image{manifest_for(config, descriptors, base.manifest.annotations), oci::Config::parse(config),
                     oci::overlay_blobs(std::move(files), base.blobs)};
    image.check();
    return image;
}

}  // namespace cooper::build
