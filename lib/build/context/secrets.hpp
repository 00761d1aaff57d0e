// Files that look like credentials stay out of build contexts unless they are allowed by name (private).
#pragma once

#include "cooper/base/run.hpp"

#include "build/context/members.hpp"

namespace cooper::build {

/// Throws Error{InvalidInput} that names the files of the context that look like credentials and match none of
/// `allowed`, each with the reason.
void check_secrets(const ContextMembers& members, const std::vector<std::string>& allowed, const Run& run);

}  // namespace cooper::build
