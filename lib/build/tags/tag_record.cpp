#include "cooper/build/tag_record.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "build/tags/tag_kinds.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

namespace cooper::build {

namespace {

constexpr std::string_view kSchemaFamily = "cooper.tags/";
constexpr std::string_view kSchema = "cooper.tags/v1";
constexpr std::size_t kMaxText = 256U << 20;  // a million long paths
constexpr std::uint64_t kMaxInputs = TarLimits().max_entries;
constexpr std::size_t kMaxWord = 128;  // profiles, kinds, names of tags
constexpr std::size_t kMaxTags = 64;
constexpr std::uint32_t kMaxMode = 07777;

constexpr std::array<TagLevel, 3> kLevels = {TagLevel::Versioned, TagLevel::Lock, TagLevel::Source};

// --- writing -------------------------------------------------------------------------------------------------------

/// Bytes that JSON cannot hold go percent-encoded under another name.
void put_bytes(json::Value& object, const std::string& key, const std::string& bytes) {
    if (bytes.empty()) {
        return;
    }
    if (is_valid_utf8(bytes)) {
        object[key] = bytes;
    } else {
        object[key + "_encoded"] = percent_encode(bytes, "/");
    }
}

std::string octal(std::uint32_t mode) {
    std::string digits;
    for (; mode != 0; mode >>= 3U) {
        digits.insert(digits.begin(), static_cast<char>('0' + (mode & 7U)));
    }
    return "0" + digits;
}

json::Value to_value(const RecordedInput& input) {
    json::Value object = json::Value::object();
    object["level"] = to_string(input.level);
    object["kind"] = input.kind;
    put_bytes(object, "name", input.name);
    put_bytes(object, "value", input.value);
    if (input.mode != 0) {
        object["mode"] = octal(input.mode);
    }
    if (input.size != 0) {
        object["size"] = input.size;
    }
    return object;
}

// --- reading -------------------------------------------------------------------------------------------------------

Error invalid(std::string_view what, const std::string& problem) {
    return {ErrorCode::InvalidInput, std::string(what) + ": " + problem};
}

void check_members(const json::Value& object, std::initializer_list<std::string_view> known, std::string_view what) {
    if (!object.is_object()) {
        throw invalid(what, "not an object");
    }
    for (const auto& [name, value] : object.items()) {
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            throw invalid(what, "unknown member '" + oci::printable(name) + "'");
        }
    }
}

std::string word_member(const json::Value& object, std::string_view key, std::string_view what) {
    auto word = json::string_member(object, key, what);
    if (word.empty() || word.size() > kMaxWord) {
        throw invalid(what, std::string(key) + " must have 1 to " + std::to_string(kMaxWord) + " bytes");
    }
    return word;
}

std::string bytes_member(const json::Value& object, const std::string& key, std::string_view what) {
    const auto encoded_key = key + "_encoded";
    const auto plain = json::find_string(object, key, what);
    const auto encoded = json::find_string(object, encoded_key, what);
    if (plain && encoded) {
        throw invalid(what, "both " + key + " and " + encoded_key);
    }
    if (!encoded) {
        return plain.value_or("");
    }
    auto bytes = percent_decode(*encoded);
    // Only what to_json() writes: text in two forms would be two records of one input.
    if (is_valid_utf8(bytes) || percent_encode(bytes, "/") != *encoded) {
        throw invalid(what, encoded_key + " is not the percent-encoding of bytes that are not UTF-8");
    }
    return bytes;
}

std::uint32_t mode_member(const json::Value& object, std::string_view what) {
    const auto text = json::find_string(object, "mode", what);
    if (!text) {
        return 0;
    }
    constexpr std::size_t kMaxDigits = 5;
    std::uint32_t mode = 0;
    bool legal = text->size() > 1 && text->size() <= kMaxDigits && text->front() == '0';
    for (const char digit : *text) {
        legal = legal && digit >= '0' && digit <= '7';
        mode = mode * 8 + static_cast<std::uint32_t>(static_cast<unsigned char>(digit) & 7U);
    }
    if (!legal || mode > kMaxMode || octal(mode) != *text) {
        throw invalid(what, "mode is not an octal number such as \"0644\"");
    }
    return mode;
}

TagLevel level_member(const json::Value& object, std::string_view what) {
    const auto text = json::string_member(object, "level", what);
    for (const auto level : kLevels) {
        if (text == to_string(level)) {
            return level;
        }
    }
    throw invalid(what, "level '" + oci::printable(text) + "' is neither versioned nor lock nor source");
}

RecordedInput parse_input(const json::Value& object, std::string_view what) {
    check_members(object, {"level", "kind", "name", "name_encoded", "value", "value_encoded", "mode", "size"}, what);
    RecordedInput input;
    input.level = level_member(object, what);
    input.kind = word_member(object, "kind", what);
    input.name = bytes_member(object, "name", what);
    input.value = bytes_member(object, "value", what);
    input.mode = mode_member(object, what);
    input.size = object.contains("size") ? json::uint_member(object, "size", what) : 0;
    return input;
}

const json::Value& array_member(const json::Value& object, std::string_view key, std::string_view what) {
    const auto& array = json::member(object, key, what);
    if (!array.is_array()) {
        throw invalid(what, std::string(key) + " is not an array");
    }
    return array;
}

void parse_inputs(const json::Value& document, std::string_view what, TagRecord& record) {
    const auto& list = array_member(document, "inputs", what);
    if (list.size() > kMaxInputs) {
        throw invalid(what, "more inputs than the limit of " + std::to_string(kMaxInputs));
    }
    using Key = std::tuple<TagLevel, std::string_view, std::string_view>;
    std::set<Key> seen;
    record.inputs.reserve(list.size());  // keys point into it
    for (const auto& item : list) {
        const auto where = std::string(what) + ": inputs[" + std::to_string(record.inputs.size()) + "]";
        const auto& input = record.inputs.emplace_back(parse_input(item, where));
        if (!kind::is_ordered(input.kind) && !seen.emplace(input.level, kind::family(input.kind), input.name).second) {
            throw invalid(where, "a second " + oci::printable(input.kind) + " '" + oci::printable(input.name) + "'");
        }
    }
}

void parse_tags(const json::Value& document, std::string_view what, TagRecord& record) {
    const auto& tags = json::member(document, "tags", what);
    if (!tags.is_object() || tags.size() > kMaxTags) {
        throw invalid(what, "tags is not an object of at most " + std::to_string(kMaxTags) + " members");
    }
    for (const auto& [name, tag] : tags.items()) {
        if (name.empty() || name.size() > kMaxWord || !tag.is_string()) {
            throw invalid(what, "tags must be named, and be strings");
        }
        record.tags.emplace_back(name, tag.get<std::string>());
    }
}

void check_schema(const json::Value& document, std::string_view what) {
    const auto schema = json::string_member(document, "schema", what);
    if (schema == kSchema) {
        return;
    }
    if (!schema.starts_with(kSchemaFamily)) {
        throw invalid(what, "not a record of tags: its schema is '" + oci::printable(schema) + "'");
    }
    throw Error(ErrorCode::Unsupported, std::string(what) + ": schema '" + oci::printable(schema) +
                                            "' is not known; this version reads " + std::string(kSchema))
        .advise("write the record again with this version, or read it with the version that wrote it");
}

}  // namespace

std::string_view to_string(TagLevel level) noexcept {
    switch (level) {
        case TagLevel::Versioned:
            return "versioned";
        case TagLevel::Lock:
            return "lock";
        case TagLevel::Source:
            break;
    }
    return "source";
}

std::string to_json(const TagRecord& record) {
    json::Value tags = json::Value::object();
    for (const auto& [name, tag] : record.tags) {
        tags[name] = tag;
    }
    std::string text = "{\n\"schema\":" + json::write(kSchema) + ",\n\"profile\":" + json::write(record.profile) +
                       ",\n\"tags\":" + json::write(tags) + ",\n\"inputs\":[";
    const char* separator = "\n";
    for (const auto& input : record.inputs) {
        text += separator + json::write(to_value(input));
        separator = ",\n";
    }
    return text + "\n]\n}\n";
}

TagRecord parse_tag_record(std::string_view text, std::string_view what) {
    if (text.size() > kMaxText) {
        throw invalid(what, "longer than the limit of " + std::to_string(kMaxText) + " bytes");
    }
    const auto document = json::parse(text, what);
    check_schema(document, what);
    check_members(document, {"schema", "profile", "tags", "inputs"}, what);
    TagRecord record;
    record.profile = word_member(document, "profile", what);
    parse_tags(document, what, record);
    parse_inputs(document, what, record);
    return record;
}

}  // namespace cooper::build
