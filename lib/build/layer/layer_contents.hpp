// A planned layer with its files' contents becomes a blob (private).
#pragma once

#include "build/layer/placement.hpp"

#include <filesystem>
#include <map>
#include <string>

namespace cooper::build {

/// Reads the files of `plan` and writes the layer into `spool`; entries get their xattrs. Throws Error{Integrity} for a
/// file that is another than it was when it was listed.
BuiltLayer write_layer(const SourceTree& tree, std::map<std::string, Planned>& plan, const LayerOptions& options,
                       const std::filesystem::path& spool, const Run& run);

}  // namespace cooper::build
