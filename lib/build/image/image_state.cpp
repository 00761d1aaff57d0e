#include "build/image/image_state.hpp"

#include "cooper/base/clock.hpp"
#include "cooper/base/error.hpp"
#include "cooper/build/edit.hpp"

#include "base/json.hpp"
#include "build/edit/edit_blobs.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string_view>

namespace cooper::build {

namespace {

constexpr const char* kHistoryComment = "buildkit.dockerfile.v0";  // what scanners and `docker history` look for

std::vector<std::string> texts(const json::Value& object, std::string_view key) {
    std::vector<std::string> values;
    const json::Value* const list = json::find_member(object, key);
    if (list == nullptr || list->is_null()) {
        return values;
    }
    if (!list->is_array()) {
        throw Error(ErrorCode::InvalidInput, "the base image's config: " + std::string(key) + " is not a list");
    }
    for (const json::Value& each : *list) {
        if (!each.is_string()) {
            throw Error(ErrorCode::InvalidInput,
                        "the base image's config: " + std::string(key) + " has something else than texts");
        }
        values.push_back(each.get<std::string>());
    }
    return values;
}

std::optional<std::vector<std::string>> find_texts(const json::Value& object, std::string_view key) {
    const json::Value* const list = json::find_member(object, key);
    if (list == nullptr || list->is_null() || list->empty()) {
        return std::nullopt;
    }
    return texts(object, key);
}

std::set<std::string> keys(const json::Value& object, std::string_view key) {
    std::set<std::string> names;
    const json::Value* const members = json::find_member(object, key);
    if (members != nullptr && members->is_object()) {
        for (const auto& member : members->items()) {
            names.insert(member.key());
        }
    }
    return names;
}

ContainerConfig read_container(const json::Value& config) {
    constexpr std::string_view kWhat = "the base image's config";
    ContainerConfig read;
    read.environment = texts(config, "Env");
    read.entrypoint = find_texts(config, "Entrypoint");
    read.cmd = find_texts(config, "Cmd");
    read.shell = texts(config, "Shell");
    read.onbuild = texts(config, "OnBuild");
    read.user = json::find_string(config, "User", kWhat).value_or("");
    read.working_directory = json::find_string(config, "WorkingDir", kWhat).value_or("");
    read.stop_signal = json::find_string(config, "StopSignal", kWhat).value_or("");
    read.ports = keys(config, "ExposedPorts");
    read.volumes = keys(config, "Volumes");
    if (const json::Value* const check = json::find_member(config, "Healthcheck");
        check != nullptr && check->is_object()) {
        read.healthcheck = json::write(*check);
    }
    if (const json::Value* const labels = json::find_member(config, "Labels");
        labels != nullptr && labels->is_object()) {
        for (const auto& label : labels->items()) {
            if (label.value().is_string()) {
                read.labels[label.key()] = label.value().get<std::string>();
            }
        }
    }
    return read;
}

json::Value names(const std::set<std::string>& set) {
    json::Value members = json::Value::object();
    for (const std::string& name : set) {
        members[name] = json::Value::object();
    }
    return members;
}

json::Value container_document(const ContainerConfig& config) {
    json::Value document = json::Value::object();
    const auto put_text = [&](const char* key, const std::string& value) {
        if (!value.empty()) {
            document[key] = value;
        }
    };
    const auto put_list = [&](const char* key, const std::vector<std::string>& values) {
        if (!values.empty()) {
            document[key] = values;
        }
    };
    put_text("User", config.user);
    if (!config.ports.empty()) {
        document["ExposedPorts"] = names(config.ports);
    }
    put_list("Env", config.environment);
    put_list("Entrypoint", config.entrypoint.value_or(std::vector<std::string>()));
    put_list("Cmd", config.cmd.value_or(std::vector<std::string>()));
    if (!config.healthcheck.empty()) {
        document["Healthcheck"] = json::parse(config.healthcheck, "the health check");
    }
    if (!config.volumes.empty()) {
        document["Volumes"] = names(config.volumes);
    }
    put_text("WorkingDir", config.working_directory);
    put_list("OnBuild", config.onbuild);
    if (!config.labels.empty()) {
        document["Labels"] = config.labels;
    }
    put_text("StopSignal", config.stop_signal);
    put_list("Shell", config.shell);
    return document;
}

bool has_path(const std::vector<std::string>& environment) {
    return std::any_of(environment.begin(), environment.end(),
                       [](const std::string& each) { return each.starts_with("PATH="); });
}

}  // namespace

ImageState ImageState::scratch(const oci::Platform& platform) {
    ImageState state;
    state.platform = platform.normalised();
    state.config.environment = {kDefaultPath};
    state.config.working_directory = "/";
    return state;
}

ImageState ImageState::of(const oci::Image& image) {
    image.check();
    const json::Value document = json::parse(image.config.raw, "the base image's config");
    ImageState state;
    state.platform = image.config.platform;
    state.author = json::find_string(document, "author", "the base image's config").value_or("");
    state.os_version = json::find_string(document, "os.version", "the base image's config").value_or("");
    if (const json::Value* const config = json::find_member(document, "config");
        config != nullptr && config->is_object()) {
        state.config = read_container(*config);
    }
    if (!has_path(state.config.environment)) {
        state.config.environment.emplace_back(kDefaultPath);
    }
    for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
        state.layers.push_back({image.config.diff_ids[i], image.manifest.layers[i], image.blobs, std::nullopt});
    }
    const json::Value* const history = json::find_member(document, "history");
    if (history != nullptr && history->is_array() && (image.config.has_history || state.layers.empty())) {
        for (const json::Value& entry : *history) {
            state.history.push_back(json::write(entry));
        }
    } else {
        for (std::size_t i = 0; i < state.layers.size(); ++i) {
            state.history.emplace_back("{}");  // non-empty entries must be as many as layers
        }
    }
    return state;
}

std::vector<Digest> ImageState::diff_ids() const {
    std::vector<Digest> ids;
    ids.reserve(layers.size());
    for (const LayerState& layer : layers) {
        ids.push_back(layer.diff_id);
    }
    return ids;
}

void ImageState::add_history(const std::string& created_by, std::int64_t time, bool empty_layer) {
    json::Value entry = {{"created", format_rfc3339(TimePoint(std::chrono::seconds(time)))},
                         {"created_by", created_by},
                         {"comment", kHistoryComment}};
    if (empty_layer) {
        entry["empty_layer"] = true;
    }
    history.push_back(json::write(entry));
}

std::string ImageState::config_text(std::int64_t created) const {
    json::Value document = json::Value::object();
    document["architecture"] = platform.architecture;
    if (!author.empty()) {
        document["author"] = author;
    }
    document["config"] = container_document(config);
    document["created"] = format_rfc3339(TimePoint(std::chrono::seconds(created)));
    document["history"] = json::Value::array();
    for (const std::string& entry : history) {
        document["history"].push_back(json::parse(entry, "the image's history"));
    }
    document["os"] = platform.os;
    if (!os_version.empty()) {
        document["os.version"] = os_version;
    }
    document["rootfs"] = {{"type", "layers"}, {"diff_ids", json::Value::array()}};
    for (const LayerState& layer : layers) {
        document["rootfs"]["diff_ids"].push_back(layer.diff_id.text());
    }
    if (!platform.variant.empty()) {
        document["variant"] = platform.variant;
    }
    return json::write(document);
}

oci::Image ImageState::unpackable() const {
    oci::Image image = scratch_image(platform);
    BlobOrigins origins;
    for (const LayerState& layer : layers) {
        const oci::Descriptor unknown{
            std::string(oci::media_type::kOciLayer), layer.diff_id, 0, {}, {}, std::nullopt, {}};
        image.manifest.layers.push_back(layer.blob.value_or(unknown));
        image.config.diff_ids.push_back(layer.diff_id);
        if (layer.blob && layer.source) {
            origins.from.emplace(layer.blob->digest, layer.source);
        }
    }
    image.blobs = edit_blobs(std::move(origins));
    return image;
}

}  // namespace cooper::build
