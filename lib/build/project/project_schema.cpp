#include "base/json.hpp"
#include "build/project/matrix_member.hpp"
#include "build/project/setting_keys.hpp"

#include <nlohmann/json.hpp>

namespace cooper::build {

namespace {

using json::Value;

// What check_variable_name(), check_build_arg_name() and check_image_name() say, for editors.
constexpr std::string_view kIdentifier = "^[A-Za-z_][A-Za-z0-9_]*$";
constexpr std::string_view kMatrixName = "^[A-Za-z_][A-Za-z0-9_-]*$";  // check_matrix_name()
constexpr std::string_view kImageName = "^[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*$";

Value text_schema(const SettingKey& key) {
    Value schema = {{"type", "string"}};
    if (!key.words.empty()) {
        schema["enum"] = std::vector<std::string>(key.words.begin(), key.words.end());
    }
    return schema;
}

Value names_schema(Value values, std::string_view names = kIdentifier) {
    return {{"type", "object"}, {"propertyNames", {{"pattern", names}}}, {"additionalProperties", std::move(values)}};
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

Value described(std::string_view description, const Value& schema) {
    Value all = {{"description", description}};
    all.update(schema);
    return all;
}

Value matrix_schema() {
    const Value text = {{"type", "string"}};
    const Value texts = {{"type", "array"}, {"items", text}, {"minItems", 1}, {"uniqueItems", true}};
    const Value file = {{"type", "string"}, {"pattern", "^@."}};
    Value rule = names_schema(text, kMatrixName);
    rule["minProperties"] = 1;
    const Value rules = {{"type", "array"}, {"items", std::move(rule)}};
    const Value axes = names_schema({{"anyOf", Value::array({texts, file})}}, kMatrixName);
    const Value properties = {
        {"axes", described("Names and values that are multiplied; \"@FILE\": one value a line.", axes)},
        {"include",
         described("Values for jobs that agree with an entry, or a job of its own; as in a workflow.", rules)},
        {"exclude", described("Jobs that agree with an entry are left out; as in a workflow.", rules)},
        {"make", described("Members made by template; {name} is a value of the job, or {version}.",
                           names_schema(text, kMatrixName))},
        {"small", described("The jobs of a pull request: those that agree with an entry.", rules)}};
    return {{"description", "Which images CI makes: cooper matrix."},
            {"type", "object"},
            {"properties", properties},
            {"additionalProperties", false},
            {"examples", Value::array({json::parse(kMatrixExample, "example")})}};
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
          {"images", images},
          {"matrix", matrix_schema()}}},
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
