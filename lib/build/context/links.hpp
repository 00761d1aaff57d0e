// Symlinks of a build context must not lead out of it (private).
#pragma once

#include "cooper/base/run.hpp"

#include "build/context/members.hpp"

namespace cooper::build {

/// Throws Error{InvalidInput} that names the symlinks with absolute targets and those that leave their place's part of
/// the tree, by their own text or through other links of the context. A target that is not there is no concern.
void check_links(const ContextMembers& members, const Run& run);

}  // namespace cooper::build
