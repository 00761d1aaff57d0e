// Blobs of an image where some lie in files and the rest come from elsewhere.
#pragma once

#include "cooper/oci/image.hpp"

#include <filesystem>
#include <map>
#include <memory>

namespace cooper::oci {

/// Opens the digests in `files` from disk and all others from `base` (null: Error{NotFound}). The files must stay until
/// the last handle is gone; they are opened when they are read.
std::shared_ptr<const Blobs> overlay_blobs(std::map<Digest, std::filesystem::path> files,
                                           std::shared_ptr<const Blobs> base);

/// Opens what `base` has and keeps each blob that was read from its first byte to its last as a file below `directory`,
/// where it is read from the next time: for what is read twice (a base's tree, then the archive). Like any blob it is
/// **not verified** here. The directory must stay until the last handle is gone.
std::shared_ptr<const Blobs> kept_blobs(std::shared_ptr<const Blobs> base, std::filesystem::path directory);

}  // namespace cooper::oci
