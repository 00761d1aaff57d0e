// Which values of a config are the base's (private).
#pragma once

#include "build/edit/json_text.hpp"

#include <string>
#include <vector>

namespace cooper::build {

/// Makes `config` have from `new_base` what it has unchanged from `old_base` (all are whole config documents), and
/// returns what was changed: "env PATH", "workdir".
std::vector<std::string> inherit_config(ObjectText& config, const ObjectText& old_base, const ObjectText& new_base);

}  // namespace cooper::build
