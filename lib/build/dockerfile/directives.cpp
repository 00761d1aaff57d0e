#include "build/dockerfile/directives.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "build/dockerfile/characters.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::build {

namespace {

std::string_view take_line(std::string_view& text) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    return line;
}

std::string find_behind(std::string_view text, std::string_view key, std::string_view mark) {
    while (!text.empty()) {
        const auto line = take_line(text);
        const auto directive = line.starts_with(mark) ? parse_directive(line.substr(mark.size())) : std::nullopt;
        if (!directive) {
            break;
        }
        if (directive->key == key) {
            return std::string(directive->value);
        }
    }
    return "";
}

std::string find_member(std::string_view text, std::string_view key) {
    if (!trim_left_blanks(text).starts_with('{')) {
        return "";
    }
    try {
        return json::find_string(json::parse(text, "Dockerfile"), key, "Dockerfile").value_or("");
    } catch (const Error&) {
        return "";
    }
}

}  // namespace

std::optional<Directive> parse_directive(std::string_view comment) {
    comment = trim_left_blanks(comment);
    const auto equals = comment.find('=');
    if (equals == std::string_view::npos) {
        return std::nullopt;
    }
    Directive found{to_lower(trim_blanks(comment.substr(0, equals))), trim_blanks(comment.substr(equals + 1))};
    const bool known = found.key == "escape" || found.key == "syntax" || found.key == "check";
    return known && !found.value.empty() ? std::optional(std::move(found)) : std::nullopt;
}

std::string find_directive(std::string_view text, std::string_view key, bool any_comment) {
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text.starts_with(kByteOrderMark)) {
        text.remove_prefix(kByteOrderMark.size());
    }
    if (text.starts_with("#!")) {
        take_line(text);
    }
    auto found = find_behind(text, key, "#");
    if (found.empty() && any_comment) {
        found = find_behind(text, key, "//");
    }
    return found.empty() && any_comment ? find_member(text, key) : found;
}

}  // namespace cooper::build
