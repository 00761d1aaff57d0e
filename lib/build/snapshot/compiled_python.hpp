// Times inside of compiled Python files (private). PEP 552, PEP 3147.
#pragma once

#include "build/snapshot/changes.hpp"

namespace cooper::build {

/// A .pyc file that goes by its source's time holds that time. Where the layer gives the source another one (Member::
/// time), the .pyc gets the same, so that Python goes on to believe it and its bytes do not tell when it was made.
/// Others stay as they are.
void date_compiled_python(TreeRoot& tree, const Changes& changes);

}  // namespace cooper::build
