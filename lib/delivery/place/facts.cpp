#include "delivery/place/facts.hpp"

#include "cooper/base/error.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

namespace cooper::delivery {
namespace {

constexpr std::string_view kSchema = "cooper.tarball/v1";
constexpr std::string_view kWhat = "tarball facts";

}  // namespace

std::string facts_to_json(const TarballFacts& facts) {
    json::Value object = json::Value::object();
    object["schema"] = kSchema;
    object["size"] = facts.size;
    const auto set = [&](const char* name, const std::string& value) {
        if (!value.empty()) {
            object[name] = value;
        }
    };
    set("sha256", facts.sha256);
    set("image_ids", facts.image_ids);
    set("identity", facts.identity);
    set("inputs", facts.inputs);
    set("commit", facts.commit);
    return json::write(object) + "\n";
}

std::optional<TarballFacts> facts_from_json(std::string_view text) {
    try {
        const json::Value object = json::parse(text, kWhat);
        if (json::string_member(object, "schema", kWhat) != kSchema) {
            return std::nullopt;
        }
        const auto get = [&](std::string_view name) { return json::find_string(object, name, kWhat).value_or(""); };
        TarballFacts facts;
        facts.size = json::uint_member(object, "size", kWhat);
        facts.sha256 = get("sha256");
        facts.image_ids = get("image_ids");
        facts.identity = get("identity");
        facts.inputs = get("inputs");
        facts.commit = get("commit");
        return facts;
    } catch (const Error&) {
        return std::nullopt;
    }
}

std::string labels_to_json(const std::map<std::string, std::string>& labels) {
    return json::write(json::Value(labels)) + "\n";
}

std::map<std::string, std::string> labels_from_json(std::string_view text) {
    try {
        std::map<std::string, std::string> labels;
        const json::Value document = json::parse(text, "labels");
        for (const auto& [name, value] : document.items()) {
            if (value.is_string()) {
                labels.emplace(name, value.get<std::string>());
            }
        }
        return labels;
    } catch (const Error&) {
        return {};
    }
}

}  // namespace cooper::delivery
