// Members of release.json that this cooper knows (private).
#pragma once

#include <string>
#include <string_view>

namespace cooper::delivery {

/// What is written again must not lose what a later cooper put there: throws Error{Unsupported} for a member that is
/// not known. `text` was read as a record before.
void check_nothing_unknown(std::string_view text, const std::string& what);

}  // namespace cooper::delivery
