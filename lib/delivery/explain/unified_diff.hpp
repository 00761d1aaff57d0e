// Texts line by line, as diff -u has it (private).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cooper::delivery {

/// Without file names: "@@ -1,3 +1,4 @@" and lines. At most `max_lines`, each cut at 200 bytes; what is left out is
/// said.
std::string unified_diff(std::string_view a, std::string_view b, std::size_t max_lines);

}  // namespace cooper::delivery
