// The filters of a template: `value | name(arguments)`.
#pragma once

#include "build/template/value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cooper::build::jinja {

/// What a filter works on: `arguments.positional` begins with the value before "|".
using FilterFunction = Value (*)(Renderer&, Arguments& arguments);

struct FilterEntry {
    std::string_view name;
    FilterFunction apply;
};

/// Null for what is no filter.
const FilterEntry* find_filter(std::string_view name);
/// "no filter is called "uper"; did you mean "upper"?".
Failure unknown_filter(std::string_view name);

}  // namespace cooper::build::jinja
