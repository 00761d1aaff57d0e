// Blobs of an image where some lie in files and the rest come from elsewhere.
#pragma once

#include <filesystem>
#include <map>
#include <memory>

#include "cooper/oci/image.hpp"

namespace cooper::oci {

/// Opens the digests in `files` from disk and all others from `base` (null: Error{NotFound}). The files must stay until the last
/// handle is gone; they are opened when they are read.
std::shared_ptr<const Blobs> overlay_blobs(std::map<Digest, std::filesystem::path> files, std::shared_ptr<const Blobs> base);

}  // namespace cooper::oci
