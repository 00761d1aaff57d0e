// What a string between quotes means.
#pragma once

#include <string>
#include <string_view>

namespace cooper::build::jinja {

/// Python's escapes; a backslash before anything else stays. Throws Failure.
std::string string_literal(std::string_view content);

}  // namespace cooper::build::jinja
