// What every template can call: range(), dict(), namespace(), cycler(), joiner().
#pragma once

#include "build/template/value.hpp"

#include <string_view>

namespace cooper::build::jinja {

bool is_global(std::string_view name);
/// Missing for what is none.
Value global(std::string_view name, Budget* budget);

}  // namespace cooper::build::jinja
