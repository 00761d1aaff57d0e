#include "build/tags/metadata_rule.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxRules = 256;
constexpr std::size_t kMaxRule = 4096;
constexpr std::size_t kMaxPriorityDigits = 9;

[[noreturn]] void refuse(std::string_view what, std::string_view text, const std::string& why,
                         const std::string& advice = "") {
    throw Error(ErrorCode::InvalidInput, std::string(what) + " '" + oci::printable(text) + "': " + why).advise(advice);
}

struct TypeOfRule {
    std::string_view name;
    TagRule::Type type;
    int priority;  // the action's own
    std::string_view attributes;
};

constexpr std::array<TypeOfRule, 5> kTypes = {{{"semver", TagRule::Type::Semver, 900, "pattern value"},
                                               {"edge", TagRule::Type::Edge, 700, "branch"},
                                               {"ref", TagRule::Type::Ref, 600, "event"},
                                               {"raw", TagRule::Type::Raw, 200, "value"},
                                               {"sha", TagRule::Type::Sha, 100, "format"}}};
constexpr std::string_view kCommonAttributes = "enable priority prefix suffix";

const TypeOfRule& find_type(std::string_view name, std::string_view text) {
    const auto* const found =
        std::find_if(kTypes.begin(), kTypes.end(), [&](const auto& type) { return type.name == name; });
    if (found == kTypes.end()) {
        refuse("tag rule", text, "type '" + oci::printable(name) + "' is not supported",
               "the types are ref, sha, semver, raw and edge");
    }
    return *found;
}

/// "key=value", cut at the first '=' that has something before it; a key in lower case. Without one all is value.
struct Field {
    std::string key;
    std::string value;
};

Field parse_field(std::string_view field) {
    const std::size_t at = field.find('=');
    if (at == std::string_view::npos || at == 0) {
        return {"", std::string(trim(field))};
    }
    return {to_lower(trim(field.substr(0, at))), std::string(trim(field.substr(at + 1)))};
}

bool is_one_of(std::string_view word, std::string_view words) {
    const auto list = split(words, ' ');
    return std::find(list.begin(), list.end(), word) != list.end();
}

int parse_priority(std::string_view text, std::string_view rule) {
    const bool negative = text.starts_with('-');
    const auto digits = text.substr(negative ? 1 : 0);
    const auto number = parse_uint(digits);
    if (!number || digits.size() > kMaxPriorityDigits) {
        refuse("tag rule", rule, "priority '" + oci::printable(text) + "' is no number of at most 9 digits");
    }
    return negative ? -static_cast<int>(*number) : static_cast<int>(*number);
}

void require_attribute(const TagRule& rule, std::string_view name, std::string_view words = "") {
    const auto value = rule.find(name);
    if (!value) {
        refuse("tag rule", rule.text, "'" + std::string(name) + "=' is missing");
    }
    if (!words.empty() && !is_one_of(*value, words)) {
        refuse("tag rule", rule.text,
               std::string(name) + "=" + oci::printable(*value) + " is none of: " + std::string(words));
    }
}

void complete(TagRule& rule) {
    switch (rule.type) {
        case TagRule::Type::Ref:
            require_attribute(rule, "event", "branch tag pr");
            if (rule.value("event") == "pr") {
                rule.attributes.try_emplace("prefix", "pr-");
            }
            break;
        case TagRule::Type::Sha:
            rule.attributes.try_emplace("prefix", "sha-");
            rule.attributes.try_emplace("format", "short");
            require_attribute(rule, "format", "short long");
            break;
        case TagRule::Type::Semver:
            require_attribute(rule, "pattern");
            break;
        case TagRule::Type::Raw:
            require_attribute(rule, "value");
            break;
        case TagRule::Type::Edge:
            break;
    }
    rule.attributes.try_emplace("enable", "true");
}

TagRule parse_tag_rule(std::string_view text) {
    TagRule rule;
    rule.text = text;
    std::string_view type = "raw";
    std::vector<Field> fields;
    for (const auto& field : split_csv(text)) {
        fields.push_back(parse_field(field));
        if (fields.back().key.empty()) {
            fields.back().key = "value";
        }
    }
    for (const auto& field : fields) {
        if (field.key == "type") {
            type = field.value;
        }
    }
    const auto& known = find_type(type, text);
    rule.type = known.type;
    rule.priority = known.priority;
    for (const auto& [key, value] : fields) {
        if (key == "priority") {
            rule.priority = parse_priority(value, text);
        } else if (is_one_of(key, known.attributes) || is_one_of(key, kCommonAttributes)) {
            rule.attributes[key] = value;
        } else if (key != "type") {
            refuse("tag rule", text, "type " + std::string(type) + " has no attribute '" + oci::printable(key) + "'",
                   "it has: " + std::string(known.attributes) + " " + std::string(kCommonAttributes));
        }
    }
    complete(rule);
    return rule;
}

std::vector<std::string> lines_of(const std::vector<std::string>& texts, std::string_view what) {
    std::vector<std::string> lines;
    for (const auto& text : texts) {
        for (const auto line : split(text, '\n')) {
            const auto content = trim(line);
            if (content.empty() || content.starts_with('#')) {
                continue;
            }
            if (content.size() > kMaxRule || lines.size() == kMaxRules) {
                refuse(what, content, "more than 256 lines, or one of more than 4096 characters");
            }
            lines.emplace_back(content);
        }
    }
    return lines;
}

bool parse_bool(std::string_view value, std::string_view text) {
    if (value != "true" && value != "false") {
        refuse("flavor", text, "'" + oci::printable(value) + "' is neither true nor false");
    }
    return value == "true";
}

void set_flavor(Flavor& flavor, const Field& field, std::string& last, std::string_view text) {
    const auto& [key, value] = field;
    if (key == "latest") {
        flavor.latest = value == "auto"           ? Flavor::Latest::Auto
                        : parse_bool(value, text) ? Flavor::Latest::True
                                                  : Flavor::Latest::False;
    } else if (key == "prefix" || key == "suffix") {
        (key == "prefix" ? flavor.prefix : flavor.suffix) = value;
        last = key;
    } else if (key == "onlatest" && !last.empty()) {
        (last == "prefix" ? flavor.prefix_latest : flavor.suffix_latest) = parse_bool(value, text);
    } else {
        refuse("flavor", text, "'" + oci::printable(key.empty() ? value : key) + "' is not understood here",
               "flavors are latest=auto|true|false, prefix=TEXT and suffix=TEXT, these two with onlatest=true behind");
    }
}

}  // namespace

std::optional<std::string> TagRule::find(std::string_view name) const {
    const auto at = attributes.find(name);
    return at == attributes.end() ? std::nullopt : std::optional(at->second);
}

std::vector<std::string> split_csv(std::string_view line) {
    std::vector<std::string> fields;
    std::size_t at = 0;
    while (true) {
        std::string field;
        if (at < line.size() && line[at] == '"') {
            std::size_t end = ++at;
            while ((end = line.find('"', end)) != std::string_view::npos && line.substr(end + 1).starts_with('"')) {
                field += line.substr(at, end + 1 - at);
                end = at = end + 2;
            }
            if (end == std::string_view::npos) {
                refuse("tag rule", line, "a quote is not closed");
            }
            field += line.substr(at, end - at);
            at = end + 1;
            if (at < line.size() && line[at] != ',') {
                refuse("tag rule", line, "a closing quote is followed by something other than a comma");
            }
        } else {
            const std::size_t end = std::min(line.find(',', at), line.size());
            field = line.substr(at, end - at);
            if (field.find('"') != std::string::npos) {
                refuse("tag rule", line, "a quote stands in the middle of a field",
                       "put it around the whole field: \"pattern=a,b\"");
            }
            at = end;
        }
        fields.push_back(std::move(field));
        if (at == line.size()) {
            return fields;
        }
        ++at;
    }
}

std::vector<TagRule> parse_tag_rules(const std::vector<std::string>& texts) {
    std::vector<TagRule> rules;
    for (const auto& line : lines_of(texts, "tag rule")) {
        rules.push_back(parse_tag_rule(line));
    }
    std::stable_sort(rules.begin(), rules.end(),
                     [](const TagRule& a, const TagRule& b) { return a.priority > b.priority; });
    return rules;
}

Flavor parse_flavor(const std::vector<std::string>& texts) {
    Flavor flavor;
    for (const auto& line : lines_of(texts, "flavor")) {
        std::string last;
        for (const auto& field : split_csv(line)) {
            set_flavor(flavor, parse_field(field), last, line);
        }
    }
    return flavor;
}

}  // namespace cooper::build
