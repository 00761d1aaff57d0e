// Whether a body reads a name before anything in it sets it: what makes `loop` or `caller` the special one.
#pragma once

#include "build/template/syntax.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cooper::build::jinja {

/// Those of `names` that `body` reads, scopes in it included.
std::vector<std::string_view> read_before_set(const Body& body, std::vector<std::string_view> names);

}  // namespace cooper::build::jinja
