// --mount of RUN (private).
#pragma once

#include "cooper/build/dockerfile.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace cooper::build {

/// The fields of `text`, each value handed through `expand_value` before it is read. Throws Error{InvalidInput}.
RunMount parse_run_mount(std::string_view text, const std::function<std::string(const std::string&)>& expand_value);

/// What can be said before variables have values: the commas and quotes, and that `from=` has no variable. Returns the
/// value of `from=`. Throws Error{InvalidInput}.
std::string check_run_mount(std::string_view text);

}  // namespace cooper::build
