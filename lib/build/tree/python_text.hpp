// What Python means by blanks and digits, where its programs are to be answered alike. Text that is not UTF-8 has
// neither beyond ASCII.
#pragma once

#include <string_view>

namespace cooper::build {

/// str.strip().
std::string_view python_strip(std::string_view text);
/// Every character is one of \d, a decimal digit of any script (Unicode 15.0); true for nothing.
bool python_is_decimal(std::string_view text);

}  // namespace cooper::build
