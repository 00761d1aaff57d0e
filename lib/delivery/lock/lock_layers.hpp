// All layers of a lock by digest (private): for those who look up many.
#pragma once

#include "cooper/delivery/lock.hpp"

#include <map>
#include <string>

namespace cooper::delivery {

using LayersByDigest = std::map<Digest, const LockedLayer*>;
/// Borrows the lock.
LayersByDigest layers_by_digest(const Lock& lock);

/// Lock::owner_of() each.
std::map<Digest, std::string> owners_of(const Lock& lock);

}  // namespace cooper::delivery
