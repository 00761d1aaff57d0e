#include "build/dockerfile/arguments.hpp"

#include "cooper/base/error.hpp"

#include "build/dockerfile/characters.hpp"
#include "build/dockerfile/expansion.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

bool is_plain(char character) {
    const auto byte = static_cast<unsigned char>(character);
    return (byte < 0x80 && is_name_character(byte)) ||
           std::string_view("./:@+,=-%").find(character) != std::string_view::npos;
}

}  // namespace

std::string quoted_argument(std::string_view name, std::string_view value, char escape) {
    if (!std::all_of(name.begin(), name.end(), is_plain)) {
        throw Error(ErrorCode::InvalidInput, "\"" + oci::printable(name) + "\" is no name of a build argument");
    }
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
        throw Error(ErrorCode::InvalidInput, "the value of the build argument " + oci::printable(name) +
                                                 " has a line break, which no Dockerfile can hold");
    }
    if (!value.empty() && std::all_of(value.begin(), value.end(), is_plain)) {
        return std::string(value);
    }
    std::string quoted = "\"";
    for (const char character : value) {
        if (character == '"' || character == '$' || character == escape) {
            quoted += escape;
        }
        quoted += character;
    }
    return quoted + '"';
}

std::optional<std::string> find_expansion(std::string_view word, const DockerfileVariables& variables, char escape) {
    ExpansionOptions options;
    options.escape = escape;
    try {
        auto expansion = expand(word, options, [&](std::string_view name) {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
        });
        return expansion.complete ? std::optional(std::move(expansion.text)) : std::nullopt;
    } catch (const Error&) {
        return std::nullopt;
    }
}

}  // namespace cooper::build
