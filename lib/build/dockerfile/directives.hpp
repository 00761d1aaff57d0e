// Parser directives: "# escape=`" and its like (private).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cooper::build {

struct Directive {
    std::string key;  ///< lower case
    std::string_view value;
};

/// `line` without its "#" (what follows is tried as it stands). nullopt: an ordinary comment, also one with a key that
/// nobody knows.
std::optional<Directive> parse_directive(std::string_view comment);

/// The value of the directive `key` among the first lines, "" when there is none; a line "#!…" before them is no
/// hindrance. With `any_comment` also as "// key=value" and as member of a JSON object: what finds `syntax`.
std::string find_directive(std::string_view text, std::string_view key, bool any_comment);

}  // namespace cooper::build
