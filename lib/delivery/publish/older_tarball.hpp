// The newest tarball of an image in a place, so that the next one sends only what changed (private).
//
// BRANCH/.newest/NAME.json and, for the first build of a branch, .cooper/newest/NAME.json say which it is; its lock
// lies beside it. They are hints: what is wrong, missing or forged there costs bytes, never correctness, as every part
// that a store copied is checked against the bytes that it must have.
#pragma once

#include "cooper/delivery/place.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

/// nullopt: there is none, or it has nothing worth copying.
std::optional<Reuse> find_older_tarball(Place& place, const std::string& branch_prefix, const std::string& name,
                                        const std::vector<LockedSegment>& segments, const Run& run);

/// After a tarball became visible. A failure is told and no failure of the delivery.
void remember_newest(Place& place, const std::string& branch_prefix, const std::string& name,
                     const std::string& tarball_key, const Run& run);

}  // namespace cooper::delivery
