// Archives that ADD unpacks (private).
#pragma once

#include "cooper/base/compression.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/stream.hpp"

#include <memory>

namespace cooper::build {

/// The tar in it, whatever compresses it (gzip, bzip2, xz, zstd or nothing), told by its content. Throws
/// Error{Integrity} for damage, Error{InvalidInput} beyond the limits, then or while it is read.
std::unique_ptr<Source> open_archive(const Ranged& file, const DecompressionLimits& limits = {});

/// Whether it is an archive with at least one member: Go's tar reader would read its first header.
bool is_archive(const Ranged& file);

}  // namespace cooper::build
