// The tests of a template: `value is name(arguments)`.
#pragma once

#include "build/template/value.hpp"

#include <string>
#include <string_view>

namespace cooper::build::jinja {

/// `arguments.positional` begins with the value before "is".
using TestFunction = bool (*)(Renderer&, Arguments& arguments);

struct TestEntry {
    std::string_view name;
    TestFunction holds;
};

/// Null for what is no test.
const TestEntry* find_test(std::string_view name);
Failure unknown_test(std::string_view name);

}  // namespace cooper::build::jinja
