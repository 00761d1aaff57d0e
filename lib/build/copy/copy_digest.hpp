// What a selection is as content (private).
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"

#include "build/copy/copy_entries.hpp"

#include <filesystem>
#include <vector>

namespace cooper::build {

/// Reads the files that `memory` (a directory; empty: none) does not know. Throws Error{Integrity} for those that
/// change meanwhile.
Digest digest_of_items(const std::vector<CopyItem>& items, const std::filesystem::path& memory, const Run& run);

}  // namespace cooper::build
