// Files that package managers leave and that differ from run to run (private). `trust-and-delivery.md` 1.2.
#pragma once

#include "build/snapshot/changes.hpp"

#include <string>
#include <vector>

namespace cooper::build {

/// Takes the members that the lists ("debian", "alpine", "python") name out of the layer. Throws Error{InvalidInput}
/// for a list that is not known.
std::vector<Member> take_scrubbed(Changes& changes, const std::vector<std::string>& lists);

}  // namespace cooper::build
