// Where each file of a source directory lands in the image, given what the base has there.
#pragma once

#include "cooper/build/layer.hpp"

#include "build/layer/source_tree.hpp"

#include <map>
#include <string>
#include <vector>

namespace cooper::build {

/// One member of the layer. `source` is null for parents that are made.
struct Planned {
    TarEntry entry;
    const SourceFile* source = nullptr;
};

/// The time that the layer gives a file: clamped, whole seconds.
std::int64_t written_time(const SourceFile& file, const LayerOptions& options);

/// The layer's members by path: sorted bytewise, so parents come first, and none twice. Symlinked parents of the base
/// are followed, its directories are not repeated (that would reset their mode, owner and time), missing parents are
/// made. Throws Error{InvalidInput} when two files land on one path or a file would lie below another file.
std::map<std::string, Planned> plan_layer(const std::vector<SourceFile>& files, const LayerOptions& options,
                                          const BaseTree& base);

}  // namespace cooper::build
