#include "base/json.hpp"
#include "build/project/setting_keys.hpp"

#include <nlohmann/json.hpp>

namespace cooper::build {

namespace {

using json::Value;

// What check_variable_name(), check_build_arg_name() and check_image_name() say, for editors.
constexpr std::string_view kIdentifier = "^[A-Za-z_][A-Za-z0-9_]*$";
constexpr std::string_view kImageName = "^[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*$";

Value text_schema(const SettingKey& key) {
    Value schema = {{"type", "string"}};
    if (!key.words.empty()) {
        schema["enum"] = std::vector<std::string>(key.words.begin(), key.words.end());
    }
    return schema;
}

Value names_schema(Value values) {
    return {
        {"type", "object"}, {"propertyNames", {{"pattern", kIdentifier}}}, {"additionalProperties", std::move(values)}};
}

Value file_schema() {
    const Value text = {{"type", "string"}};
    return {{"type", "object"},
            {"properties", {{"from", text}, {"to", text}, {"optional", {{"type", "boolean"}}}}},
            {"required", Value::array({"from"})},
            {"additionalProperties", false}};
}

/// Overloads by the type of the member that a key fills.
struct TypeSchema {
    const SettingKey& key;

    Value operator()(SettingText) const { return text_schema(key); }
    Value operator()(SettingFlag) const { return {{"type", "boolean"}}; }
    Value operator()(SettingTexts) const { return {{"type", "array"}, {"items", text_schema(key)}}; }
    Value operator()(SettingFiles) const {
        return {{"type", "array"}, {"items", {{"anyOf", Value::array({text_schema(key), file_schema()})}}}};
    }
    Value operator()(SettingVariables) const { return names_schema(true); }
    Value operator()(SettingArguments) const { return names_schema({{"type", "string"}}); }
};

Value settings_schema() {
    Value properties = Value::object();
    for (const SettingKey& key : setting_keys()) {
        Value schema = {{"description", key.description}};
        schema.update(std::visit(TypeSchema{key}, key.member));
        schema["examples"] = Value::array({json::parse(key.example, key.name)});
        properties[std::string(key.name)] = std::move(schema);
    }
    Value exclusions = Value::array();
    for (const SettingPair& pair : exclusive_settings()) {
        exclusions.push_back({{"not", {{"required", Value::array({pair.first_name, pair.second_name})}}}});
    }
    return {{"type", "object"},
            {"properties", std::move(properties)},
            {"additionalProperties", false},
            {"allOf", std::move(exclusions)}};
}

}  // namespace

std::string project_schema() {
    const Value settings = {{"$ref", "#/definitions/settings"}};
    Value defaults = {{"description", "What counts for every image that does not say something else."}};
    defaults["allOf"] = Value::array({settings});  // draft-07 ignores what stands beside a $ref
    const Value images = {{"description", "The images by name; a name is the last part of the repository."},
                          {"type", "object"},
                          {"minProperties", 1},
                          {"propertyNames", {{"pattern", kImageName}}},
                          {"additionalProperties", settings}};
    const Value schema = {
        {"$schema", "http://json-schema.org/draft-07/schema#"},
        {"title", "cooper.json"},
        {"description", "What images a project has, and how cooper makes each."},
        {"type", "object"},
        {"properties",
         {{"$schema", {{"description", "This schema, for editors."}, {"type", "string"}}},
          {"version", {{"description", "The number of the file's format."}, {"const", 1}}},
          {"defaults", std::move(defaults)},
          {"images", images}}},
        {"required", Value::array({"images"})},
        {"additionalProperties", false},
        {"definitions", {{"settings", settings_schema()}}},
        // Editors of the VS Code family know these two.
        {"allowComments", true},
        {"allowTrailingCommas", true},
    };
    constexpr int kIndent = 2;
    return schema.dump(kIndent) + "\n";
}

}  // namespace cooper::build
