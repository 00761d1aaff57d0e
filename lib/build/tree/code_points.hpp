// File names as characters.
#pragma once

#include <string>
#include <string_view>

namespace cooper::build {

/// The code points of UTF-8; a byte that is not part of any becomes U+DC00 + byte (what Python calls surrogateescape),
/// so that it counts as one character and is none that a name can have.
std::u32string code_points(std::string_view bytes);

}  // namespace cooper::build
