// The digest of a whole file.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"

#include <filesystem>

namespace cooper {

/// The SHA-256 of the file at `path`, streamed. Throws SystemError, Cancelled.
Digest sha256_of_file(const std::filesystem::path& path, const Run& run);

}  // namespace cooper
