// A build's entry in the changelog, marked as withdrawn.
#pragma once

#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/place.hpp"

#include <string>

namespace cooper::delivery {

/// `there` is the entry as it stands in BRANCH/CHANGELOG.md. An entry object with all that is known of the build is
/// written first, so that a rebuilt changelog has the mark as well. True when the document changed. Throws LostRace.
bool withdraw_entry(Place& place, const std::string& branch_prefix, const ParsedEntry& there,
                    const Withdrawal& withdrawal, const Run& run);

}  // namespace cooper::delivery
