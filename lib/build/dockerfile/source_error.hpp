// Errors that show the place in a Dockerfile (private).
#pragma once

#include "cooper/build/dockerfile.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace cooper::build {

DockerfilePosition position_of(std::string_view text, std::size_t place);

/// "FILE:LINE:COLUMN: PROBLEM", the line and a caret under its byte.
[[nodiscard]] DockerfileError source_error(std::string_view text, std::string_view file, DockerfilePosition position,
                                           const std::string& problem, const std::string& advice = "");
[[nodiscard]] DockerfileError source_error(std::string_view text, std::string_view file, std::size_t place,
                                           const std::string& problem, const std::string& advice = "");

}  // namespace cooper::build
