// xz and bzip2, which archives of sources still have (private). Their libraries are opened when one comes: images have
// neither.
#pragma once

#include "cooper/base/compression.hpp"
#include "cooper/base/stream.hpp"

#include <memory>

namespace cooper::build {

/// `compression` is Xz or Bzip2; several streams one after another are one. Damaged or cut input is Error{Integrity}.
/// Throws Error{Unsupported} where the library is not installed.
std::unique_ptr<Source> decompressed_by_library(std::unique_ptr<Source> inner, Compression compression,
                                                const DecompressionLimits& limits);

}  // namespace cooper::build
