#include "oci/engine/engine_inspect.hpp"

#include "cooper/base/text.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::oci {

namespace {

constexpr std::string_view kWhat = "the engine's answer about an image";
constexpr std::size_t kShortestId = 12;
constexpr std::size_t kLongestId = 64;

/// Absent, null and empty are the same (since API 1.52 empty members are left out).
std::vector<std::string> strings(const json::Value* list) {
    std::vector<std::string> texts;
    if (list == nullptr || !list->is_array()) {
        return texts;
    }
    for (const json::Value& each : *list) {
        if (each.is_string()) {
            texts.push_back(each.get<std::string>());
        }
    }
    return texts;
}

std::vector<Digest> diff_ids(const json::Value& document) {
    std::vector<Digest> found;
    if (const json::Value* const root = json::find_member(document, "RootFS")) {
        for (const std::string& text : strings(json::find_member(*root, "Layers"))) {
            found.push_back(Digest::parse(text));
        }
    }
    return found;
}

InspectedImage read(const json::Value& document) {
    InspectedImage found;
    found.image.id = json::string_member(document, "Id", kWhat);
    found.image.repo_tags = strings(json::find_member(document, "RepoTags"));
    found.image.repo_digests = strings(json::find_member(document, "RepoDigests"));
    found.image.diff_ids = diff_ids(document);
    const auto text = [&](std::string_view key) { return json::find_string(document, key, kWhat).value_or(""); };
    found.image.platform = Platform{text("Os"), text("Architecture"), text("Variant")}.normalised();
    found.image.size =
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, json::find_int(document, "Size", kWhat).value_or(0)));
    const json::Value* const descriptor = json::find_member(document, "Descriptor");
    if (descriptor != nullptr && descriptor->is_object()) {
        found.id_of_manifest = json::find_string(*descriptor, "digest", kWhat).value_or("") == found.image.id;
    }
    return found;
}

std::string listed(const std::vector<Digest>& digests) {
    std::string text = std::to_string(digests.size()) + " layers";
    const char* separator = ": ";
    for (const Digest& digest : digests) {
        text += separator + digest.shortened();
        separator = ", ";
    }
    return text;
}

}  // namespace

InspectedImage parse_inspected(const std::string& body) {
    try {
        return read(json::parse(body, kWhat));
    } catch (const Error& error) {
        throw Error(ErrorCode::Unavailable, error.what());
    }
}

void check_loaded(const InspectedImage& found, const Image& loaded, const std::string& name) {
    const std::string image_id = loaded.config.image_id().text();
    const bool same_id = found.image.id == image_id || found.image.id == loaded.manifest.raw.digest.text();
    // An archive without manifests gets one from containerd's image store, so its ID cannot be known beforehand.
    if (!same_id && !found.id_of_manifest) {
        throw IntegrityError("ID of " + name + " in the engine", image_id, found.image.id);
    }
    if (found.image.diff_ids != loaded.config.diff_ids) {
        throw IntegrityError("diff IDs of " + name + " in the engine", listed(loaded.config.diff_ids),
                             listed(found.image.diff_ids));
    }
}

std::string platform_json(const Platform& platform) {
    json::Value document = {{"os", platform.os}, {"architecture", platform.architecture}};
    if (!platform.variant.empty()) {
        document["variant"] = platform.variant;
    }
    return json::write(document);
}

bool is_image_id(std::string_view name) {
    constexpr std::string_view kPrefix = "sha256:";
    if (name.starts_with(kPrefix)) {
        name.remove_prefix(kPrefix.size());
    }
    return name.size() >= kShortestId && name.size() <= kLongestId &&
           name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string image_path(const std::string& name) {
    if (is_image_id(name)) {
        return name;
    }
    const Reference reference = Reference::parse(name);
    const auto tag = reference.effective_tag();
    return (tag && !reference.digest() ? reference.with_tag(*tag) : reference).text();
}

}  // namespace cooper::oci
