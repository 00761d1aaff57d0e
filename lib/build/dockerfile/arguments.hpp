// Build arguments in the lines of a Dockerfile (private).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::build {

using DockerfileVariables = std::map<std::string, std::string, std::less<>>;

/// `value` as a word of an ARG line: as it is where that is safe, else in double quotes. Throws Error{InvalidInput} for
/// line breaks and NUL, which no Dockerfile can hold, and for names with quotes or blanks; `name` stands in the
/// message, the value does not.
std::string quoted_argument(std::string_view name, std::string_view value, char escape);

/// `word` with its variables filled in, quotes and escapes taken away. nullopt when it cannot be known: a variable that
/// has no value here, or what BuildKit refuses.
std::optional<std::string> find_expansion(std::string_view word, const DockerfileVariables& variables, char escape);

}  // namespace cooper::build
