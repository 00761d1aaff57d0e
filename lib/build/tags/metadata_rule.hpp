// The language of docker/metadata-action's inputs `tags` and `flavor`: "type=semver,pattern={{version}},enable=true".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

struct TagRule {
    enum class Type : std::uint8_t { Ref, Sha, Semver, Raw, Edge };
    Type type = Type::Raw;
    std::string text;  ///< as written, for messages
    int priority = 0;
    /// Everything but type and priority; names in lower case.
    std::map<std::string, std::string, std::less<>> attributes;

    [[nodiscard]] std::optional<std::string> find(std::string_view name) const;
    /// "" when it is not there.
    [[nodiscard]] std::string value(std::string_view name) const { return find(name).value_or(""); }
};

/// Rules by falling priority, equal ones as written; several lines in one text are several rules; empty lines and those
/// that begin with '#' are none. Throws Error{InvalidInput} that quotes the rule and says what there is.
std::vector<TagRule> parse_tag_rules(const std::vector<std::string>& texts);

struct Flavor {
    enum class Latest : std::uint8_t { Auto, True, False };
    Latest latest = Latest::Auto;
    std::string prefix;
    std::string suffix;
    bool prefix_latest = false;  ///< "onlatest=true" after the prefix
    bool suffix_latest = false;
};

Flavor parse_flavor(const std::vector<std::string>& texts);

/// The fields of one CSV line (RFC 4180): commas, quotes around a field, doubled quotes inside.
std::vector<std::string> split_csv(std::string_view line);

}  // namespace cooper::build
