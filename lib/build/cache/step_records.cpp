#include "build/cache/step_records.hpp"

#include "cooper/base/error.hpp"

#include "base/json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <initializer_list>
#include <set>

namespace cooper::build {

namespace {

using Sorted = nlohmann::json;  // members by key

constexpr std::string_view kFamily = "cooper.build.cache/";
constexpr std::string_view kSchema = "cooper.build.cache/1";

Error invalid(std::string_view what, const std::string& problem) {
    return {ErrorCode::InvalidInput, std::string(what) + ": " + problem};
}

Sorted json_of(const StepRecord& record) {
    Sorted object{{"key", record.key.text()}, {"diff_id", record.diff_id.text()}, {"tar_size", record.tar_size}};
    if (!record.instruction.empty()) {
        object["instruction"] = oci::printable(record.instruction);
    }
    if (!record.compressor.empty()) {
        object["compressor"] = oci::printable(record.compressor);
    }
    if (record.blob) {
        object["blob"] = {{"media_type", record.blob->media_type},
                          {"digest", record.blob->digest.text()},
                          {"size", record.blob->size}};
    }
    return object;
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

Digest digest_member(const json::Value& object, std::string_view key, std::string_view what) {
    const auto digest = Digest::try_parse(json::string_member(object, key, what));
    if (!digest) {
        throw invalid(what, std::string(key) + " is no digest");
    }
    return *digest;
}

std::uint64_t size_member(const json::Value& object, std::string_view key, std::string_view what) {
    const std::uint64_t size = json::uint_member(object, key, what);
    if (size > oci::kMaxBlobSize) {
        throw invalid(what, std::string(key) + " is more than any layer has");
    }
    return size;
}

/// For people, or for comparing: safe to print, whoever wrote it.
std::string text_member(const json::Value& object, std::string_view key, std::string_view what) {
    return oci::printable(json::find_string(object, key, what).value_or(""));
}

oci::Descriptor blob_of(const json::Value& object, const std::string& what) {
    check_members(object, {"media_type", "digest", "size"}, what);
    std::string media_type = json::string_member(object, "media_type", what);
    if (!oci::is_layer_media_type(media_type)) {
        throw invalid(what, "'" + oci::printable(media_type) + "' is no layer's media type");
    }
    Digest digest = digest_member(object, "digest", what);
    const std::uint64_t size = size_member(object, "size", what);
    return {std::move(media_type), std::move(digest), size, {}, {}, std::nullopt, {}};
}

StepRecord record_of(const json::Value& object, const std::string& what) {
    check_members(object, {"key", "diff_id", "tar_size", "instruction", "compressor", "blob"}, what);
    Digest key = digest_member(object, "key", what);
    Digest diff_id = digest_member(object, "diff_id", what);
    StepRecord record{std::move(key), std::move(diff_id), 0, {}, std::nullopt, {}};
    record.tar_size = size_member(object, "tar_size", what);
    record.instruction = text_member(object, "instruction", what);
    record.compressor = text_member(object, "compressor", what);
    if (const json::Value* blob = json::find_member(object, "blob")) {
        record.blob = blob_of(*blob, what + ": blob");
    }
    return record;
}

std::string document_of(Sorted records) {
    return Sorted{{"schema", kSchema}, {"records", std::move(records)}}.dump();
}

}  // namespace

std::string step_to_json(const StepRecord& record) {
    return document_of(Sorted::array({json_of(record)}));
}

StepRecord step_from_json(std::string_view text, std::string_view what) {
    std::vector<StepRecord> records = records_from_json(text, what);
    if (records.size() != 1) {
        throw invalid(what, "holds " + std::to_string(records.size()) + " records, not one");
    }
    return std::move(records.front());
}

std::string records_to_json(std::vector<StepRecord> records) {
    std::stable_sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    Sorted list = Sorted::array();
    for (std::size_t i = 0; i < records.size(); ++i) {
        if (i == 0 || records[i].key != records[i - 1].key) {
            list.push_back(json_of(records[i]));
        }
    }
    return document_of(std::move(list));
}

std::vector<StepRecord> records_from_json(std::string_view text, std::string_view what) {
    const json::Value document = json::parse(text, what);
    const std::string schema = json::string_member(document, "schema", what);
    if (schema != kSchema) {
        const bool newer = schema.starts_with(kFamily);
        throw Error(newer ? ErrorCode::Unsupported : ErrorCode::InvalidInput,
                    std::string(what) + " is of the schema '" + oci::printable(schema) + "', this cooper reads " +
                        std::string(kSchema));
    }
    check_members(document, {"schema", "records"}, what);
    const json::Value& list = json::member(document, "records", what);
    if (!list.is_array() || list.size() > kMaxCacheRecords) {
        throw invalid(what, "records is no list of at most " + std::to_string(kMaxCacheRecords));
    }
    std::vector<StepRecord> records;
    std::set<Digest> keys;
    for (const json::Value& each : list) {
        const std::string where = std::string(what) + ": records[" + std::to_string(records.size()) + "]";
        records.push_back(record_of(each, where));
        if (!keys.insert(records.back().key).second) {
            throw invalid(where, "a second record of " + records.back().key.shortened());
        }
    }
    return records;
}

}  // namespace cooper::build
