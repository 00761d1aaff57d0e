#include "cooper/oci/descriptor.hpp"

#include "cooper/base/error.hpp"

#include "oci/descriptor_json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

namespace cooper::oci {

namespace {

[[noreturn]] void refuse(std::string_view where, std::string_view key, const std::string& why) {
    throw Error(ErrorCode::InvalidInput, std::string(where) + "." + std::string(key) + " " + why);
}

std::string optional_string(const json::Value& object, std::string_view key, std::string_view where) {
    const json::Value* value = find_filled(object, key);
    if (value == nullptr) {
        return "";
    }
    if (!value->is_string()) {
        refuse(where, key, "is not a string");
    }
    return value->get<std::string>();
}

std::vector<std::string> read_urls(const json::Value& object, std::string_view where) {
    std::vector<std::string> urls;
    if (const json::Value* value = find_filled(object, "urls")) {
        if (!value->is_array()) {
            refuse(where, "urls", "is not an array");
        }
        for (const json::Value& url : *value) {
            if (!url.is_string()) {
                refuse(where, "urls", "holds something else than strings");
            }
            urls.push_back(url.get<std::string>());
        }
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
    return Platform{optional_string(*value, "os", inside), optional_string(*value, "architecture", inside),
                    optional_string(*value, "variant", inside)}
        .normalised();
}

}  // namespace

const json::Value* find_filled(const json::Value& object, std::string_view key) {
    const json::Value* value = json::find_member(object, key);
    return value != nullptr && !value->is_null() ? value : nullptr;
}

std::map<std::string, std::string> read_annotations(const json::Value& object, std::string_view where) {
    std::map<std::string, std::string> annotations;
    if (const json::Value* value = find_filled(object, "annotations")) {
        if (!value->is_object()) {
            refuse(where, "annotations", "is not an object");
        }
        for (const auto& [key, text] : value->items()) {
            if (!text.is_string()) {
                refuse(where, "annotations", "holds something else than strings");
            }
            annotations.emplace(key, text.get<std::string>());
        }
    }
    return annotations;
}

const json::Value& read_array(const json::Value& object, std::string_view key, std::size_t limit,
                              std::string_view where) {
    const json::Value* value = json::find_member(object, key);
    if (value == nullptr || !value->is_array()) {
        throw Error(ErrorCode::InvalidInput, std::string(where) + ": " + std::string(key) + " is not an array");
    }
    if (value->size() > limit) {
        throw Error(ErrorCode::InvalidInput, std::string(where) + ": " + std::string(key) + " has " +
                                                 std::to_string(value->size()) + " entries, the limit is " +
                                                 std::to_string(limit));
    }
    return *value;
}

Descriptor read_descriptor(const json::Value& value, std::string_view where) {
    if (!value.is_object()) {
        throw Error(ErrorCode::InvalidInput, std::string(where) + " is not an object");
    }
    const json::Value* size = json::find_member(value, "size");
    // A number that overflows or is negative, or 1e3, is none of these to the parser.
    if (size == nullptr || !size->is_number_unsigned() || size->get<std::uint64_t>() > kMaxBlobSize) {
        refuse(where, "size", "is not a whole number from 0 to 2^50");
    }
    const std::string digest = optional_string(value, "digest", where);
    const auto parsed = Digest::try_parse(digest);
    if (!parsed) {
        refuse(where, "digest", digest.empty() ? "is missing" : "\"" + printable(digest) + "\" is not a digest");
    }
    const std::string media_type = optional_string(value, "mediaType", where);
    if (media_type.empty()) {
        refuse(where, "mediaType", "is missing");
    }
    return {media_type,
            *parsed,
            size->get<std::uint64_t>(),
            read_annotations(value, where),
            read_urls(value, where),
            read_platform(value, where),
            optional_string(value, "artifactType", where)};
}

}  // namespace cooper::oci
