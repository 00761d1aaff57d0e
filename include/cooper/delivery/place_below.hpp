// A place inside a place: everything under a prefix, for buckets that several teams share.
#pragma once

#include "cooper/delivery/place.hpp"

#include <memory>
#include <string>

namespace cooper::delivery {

/// `place` (owned) with `prefix` and a slash in front of every key; slashes at the ends of `prefix` do not count, and
/// without a prefix it is `place` itself. Keys in results are relative to it, as name() is "s3://BUCKET/PREFIX".
std::unique_ptr<Place> make_place_below(std::unique_ptr<Place> place, std::string prefix);

}  // namespace cooper::delivery
