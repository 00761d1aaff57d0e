// Writing what was chosen (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/build/copy_files.hpp"

#include "build/copy/copy_entries.hpp"

#include <vector>

namespace cooper::build {

/// As CopySelection::write().
void write_items(const std::vector<CopyItem>& items, const CopyInstruction& copy, std::int64_t epoch, RootTree& tree,
                 const CopyTarget& target, const Run& run);

}  // namespace cooper::build
