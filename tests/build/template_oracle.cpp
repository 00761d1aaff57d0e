// Renders templates for the test against Python's Jinja: one JSON document per line comes in, one goes out. In:
// {"template", "variables", "options": {"trim_blocks", …}, "files": {NAME: TEXT}}. Out: {"text"} or {"error"}.
#include "cooper/build/template.hpp"

#include <nlohmann/json.hpp>

#include <iostream>
#include <map>
#include <string>

namespace {

using cooper::build::Template;
using cooper::build::TemplateList;
using cooper::build::TemplateMap;
using cooper::build::TemplateOptions;
using cooper::build::TemplateValue;
using Json = nlohmann::ordered_json;

TemplateValue value_of(const Json& json) {
    switch (json.type()) {
        case Json::value_t::boolean:
            return json.get<bool>();
        case Json::value_t::number_integer:
        case Json::value_t::number_unsigned:
            return json.get<std::int64_t>();
        case Json::value_t::number_float:
            return json.get<double>();
        case Json::value_t::string:
            return json.get<std::string>();
        case Json::value_t::array: {
            TemplateList list;
            for (const Json& item : json) {
                list.push_back(value_of(item));
            }
            return list;
        }
        case Json::value_t::object: {
            TemplateMap map;
            for (const auto& [key, item] : json.items()) {
                map.emplace_back(key, value_of(item));
            }
            return map;
        }
        default:
            return {};
    }
}

std::string answer(const Json& request) {
    const Json& wanted = request["options"];
    const auto files = request["files"].get<std::map<std::string, std::string>>();
    TemplateOptions options;
    options.trim_blocks = wanted.value("trim_blocks", false);
    options.lstrip_blocks = wanted.value("lstrip_blocks", false);
    options.keep_trailing_newline = wanted.value("keep_trailing_newline", false);
    options.strict = wanted.value("strict", false);
    options.loader = [&](const std::string& name) {
        const auto found = files.find(name);
        return found == files.end() ? std::nullopt : std::optional(found->second);
    };
    try {
        const auto parsed = Template::parse(request["template"].get<std::string>(), "t", options);
        const TemplateValue variables = value_of(request["variables"]);
        return Json{{"text", parsed.render(std::get<TemplateMap>(variables.data))}}.dump();
    } catch (const cooper::Error& error) {
        return Json{{"error", error.what()}}.dump();
    }
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        std::cout << answer(Json::parse(line)) << std::endl;
    }
}
