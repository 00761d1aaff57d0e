#include "cooper/oci/config.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/manifest.hpp"

#include "oci/descriptor_json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

namespace cooper::oci {

namespace {

constexpr std::size_t kMaxHistory = 10'000;  // entries without a layer come on top of kMaxLayers

std::vector<Digest> read_diff_ids(const json::Value& document) {
    const json::Value& rootfs = json::member(document, "rootfs", "config");
    if (!rootfs.is_object()) {
        throw Error(ErrorCode::InvalidInput, "config: rootfs is not an object");
    }
    if (const std::string type = json::string_member(rootfs, "type", "config: rootfs"); type != "layers") {
        throw Error(ErrorCode::Unsupported, "config: rootfs.type is \"" + printable(type) + "\", not \"layers\"");
    }
    std::vector<Digest> diff_ids;
    if (find_filled(rootfs, "diff_ids") == nullptr) {
        return diff_ids;  // so Go writes an image without layers
    }
    for (const json::Value& entry : read_array(rootfs, "diff_ids", kMaxLayers, "config: rootfs")) {
        const auto digest = entry.is_string() ? Digest::try_parse(entry.get<std::string>()) : std::nullopt;
        if (!digest) {
            throw Error(ErrorCode::InvalidInput,
                        "config: rootfs.diff_ids[" + std::to_string(diff_ids.size()) + "] is not a digest");
        }
        diff_ids.push_back(*digest);
    }
    return diff_ids;
}

std::size_t count_non_empty(const json::Value& document) {
    std::size_t count = 0;
    for (const json::Value& entry : read_array(document, "history", kMaxHistory, "config")) {
        if (!entry.is_object()) {
            throw Error(ErrorCode::InvalidInput, "config: history holds something else than objects");
        }
        const json::Value* empty = json::find_member(entry, "empty_layer");
        if (empty != nullptr && !empty->is_boolean() && !empty->is_null()) {
            throw Error(ErrorCode::InvalidInput, "config: history: empty_layer is not true or false");
        }
        count += empty == nullptr || *empty != true ? 1U : 0U;
    }
    return count;
}

}  // namespace

Config Config::parse(std::string raw) {
    if (raw.size() > kMaxDocument) {
        throw Error(ErrorCode::InvalidInput, "the config has " + std::to_string(raw.size()) + " bytes, the limit is " +
                                                 std::to_string(kMaxDocument));
    }
    const json::Value document = json::parse(raw, "config");
    if (!document.is_object()) {
        throw Error(ErrorCode::InvalidInput, "the config is not a JSON object");
    }
    Config config;
    config.platform =
        Platform{json::string_member(document, "os", "config"), json::string_member(document, "architecture", "config"),
                 json::find_string(document, "variant", "config").value_or("")}
            .normalised();
    config.diff_ids = read_diff_ids(document);
    if (const auto created = json::find_string(document, "created", "config")) {
        config.created = parse_rfc3339(*created);
    }
    const json::Value* history = find_filled(document, "history");
    config.has_history = history != nullptr && *history != json::Value::array();
    if (config.has_history) {
        config.non_empty_history = count_non_empty(document);
        if (config.non_empty_history != config.diff_ids.size()) {
            throw Error(ErrorCode::InvalidInput,
                        "config: history tells of " + std::to_string(config.non_empty_history) +
                            " layers, rootfs.diff_ids of " + std::to_string(config.diff_ids.size()));
        }
    }
    config.raw = std::move(raw);
    return config;
}

Digest Config::image_id() const {
    return sha256(raw);
}

}  // namespace cooper::oci
