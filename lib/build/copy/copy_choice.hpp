// Which files the sources of a COPY or ADD mean (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/build/copy_files.hpp"

#include "build/copy/copy_entries.hpp"

#include <vector>

namespace cooper::build {

/// In the order of the sources, heredocs last. Throws as CopySelection::choose() says.
std::vector<CopyItem> choose_items(const CopyInstruction& copy, const CopyInputs& inputs, const Run& run);

/// Whether what the instruction names as destination can only be a directory: "x/", ".", "..", "x/.".
bool names_directory(std::string_view destination);

}  // namespace cooper::build
