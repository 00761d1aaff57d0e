// Blobs of a registry, with the local store before them (private).
#pragma once

#include "cooper/oci/copy.hpp"

#include <memory>

namespace cooper::oci {

/// What the store has comes from there; the rest from `base`, and is kept in the store if `access` says so.
std::shared_ptr<const Blobs> through_store(std::shared_ptr<const Blobs> base, const PlaceAccess& access);

}  // namespace cooper::oci
