// Archives that ADD unpacks (private).
#pragma once

#include "cooper/base/stream.hpp"

#include <memory>

namespace cooper::build {

/// The tar in it, whatever compresses it (gzip, bzip2, xz, zstd or nothing), told by its content. Bounded. Throws
/// Error{Integrity} for damage, then or while it is read.
std::unique_ptr<Source> open_archive(std::unique_ptr<Source> file);

/// Whether `file`, from its beginning, is an archive with at least one member: Go's tar reader would read its first
/// header.
bool is_archive(std::unique_ptr<Source> file);

}  // namespace cooper::build
