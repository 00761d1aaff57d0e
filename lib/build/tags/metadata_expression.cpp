#include "build/tags/metadata_expression.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

namespace cooper::build {

namespace {

std::string with_entities(std::string_view text) {
    std::string escaped;
    for (const char c : text) {
        switch (c) {
            case '&':
                escaped += "&amp;";
                break;
            case '<':
                escaped += "&lt;";
                break;
            case '>':
                escaped += "&gt;";
                break;
            case '"':
                escaped += "&quot;";
                break;
            case '\'':
                escaped += "&#x27;";
                break;
            case '`':
                escaped += "&#x60;";
                break;
            case '=':
                escaped += "&#x3D;";
                break;
            default:
                escaped += c;
        }
    }
    return escaped;
}

}  // namespace

std::string expand_expression(std::string_view text,
                              const std::function<std::optional<std::string>(std::string_view)>& lookup,
                              std::string_view supported) {
    std::string expanded;
    std::string_view rest = text;
    for (std::size_t open = 0; (open = rest.find("{{")) != std::string_view::npos;) {
        const std::size_t close = rest.find("}}", open);
        const auto name =
            close == std::string_view::npos ? std::string_view() : trim(rest.substr(open + 2, close - open - 2));
        const bool escaped = open > 0 && rest[open - 1] == '\\';
        const auto value = name.empty() || escaped ? std::nullopt : lookup(name);
        if (!value) {
            throw Error(ErrorCode::InvalidInput, "the expression in '" + oci::printable(text) + "' is not supported")
                .advise("supported here: " + std::string(supported));
        }
        expanded += rest.substr(0, open);
        expanded += with_entities(*value);
        rest.remove_prefix(close + 2);
    }
    expanded += rest;
    return expanded;
}

bool is_single_expression(std::string_view text, std::string_view name) {
    return text.starts_with("{{") && text.ends_with("}}") && text.size() >= 4 &&
           trim(text.substr(2, text.size() - 4)) == name;
}

}  // namespace cooper::build
