#include "cooper/oci/descriptor.hpp"

#include "cooper/base/error.hpp"

#include "oci/descriptor_json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

namespace cooper::oci {

namespace {

// "manifest" and "layers" make "manifest: layers"; "manifest: layers[3]" and "size" make "manifest: layers[3].size".
[[noreturn]] void refuse(std::string_view where, std::string_view key, const std::string& why) {
    const bool inside = where.find(": ") != std::string_view::npos;
    throw Error(ErrorCode::InvalidInput, std::string(where) + (inside ? "." : ": ") + std::string(key) + " " + why);
}

std::vector<std::string> read_urls(const json::Value& object, std::string_view where) {
    std::vector<std::string> urls;
    const json::Value* value = find_filled(object, "urls");
    if (value == nullptr) {
        return urls;
    }
    if (!value->is_array()) {
        refuse(where, "urls", "is not an array");
    }
    for (const json::Value& url : *value) {
        if (!url.is_string()) {
            refuse(where, "urls", "holds something else than strings");
        }
        urls.push_back(url.get<std::string>());
    }
    return urls;
}

std::optional<Platform> read_platform(const json::Value& object, std::string_view where) {
    const json::Value* value = find_filled(object, "platform");
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_object()) {
        refuse(where, "platform", "is not an object");
    }
    const std::string inside = std::string(where) + ".platform";
    const auto word = [&](std::string_view key) { return json::find_string(*value, key, inside).value_or(""); };
    return Platform{word("os"), word("architecture"), word("variant")}.normalised();
}

}  // namespace

const json::Value* find_filled(const json::Value& object, std::string_view key) {
    const json::Value* value = json::find_member(object, key);
    return value != nullptr && !value->is_null() ? value : nullptr;
}

std::map<std::string, std::string> read_annotations(const json::Value& object, std::string_view where) {
    std::map<std::string, std::string> annotations;
    const json::Value* value = find_filled(object, "annotations");
    if (value == nullptr) {
        return annotations;
    }
    if (!value->is_object()) {
        refuse(where, "annotations", "is not an object");
    }
    for (const auto& [key, text] : value->items()) {
        if (!text.is_string()) {
            refuse(where, "annotations", "holds something else than strings");
        }
        annotations.emplace(key, text.get<std::string>());
    }
    return annotations;
}

const json::Value& read_array(const json::Value& object, std::string_view key, std::size_t limit,
                              std::string_view where) {
    const json::Value* value = json::find_member(object, key);
    if (value == nullptr || !value->is_array()) {
        refuse(where, key, "is not an array");
    }
    if (value->size() > limit) {
        refuse(where, key, "has " + std::to_string(value->size()) + " entries, the limit is " + std::to_string(limit));
    }
    return *value;
}

Descriptor read_descriptor(const json::Value& value, std::string_view where) {
    const std::string digest = json::string_member(value, "digest", where);
    const auto parsed = Digest::try_parse(digest);
    if (!parsed) {
        refuse(where, "digest", "\"" + printable(digest) + "\" is not a digest");
    }
    const std::uint64_t size = json::uint_member(value, "size", where);
    if (size > kMaxBlobSize) {
        refuse(where, "size", "is " + std::to_string(size) + ", the limit is " + std::to_string(kMaxBlobSize));
    }
    return {json::string_member(value, "mediaType", where),
            *parsed,
            size,
            read_annotations(value, where),
            read_urls(value, where),
            read_platform(value, where),
            json::find_string(value, "artifactType", where).value_or("")};
}

}  // namespace cooper::oci
