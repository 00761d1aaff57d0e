// Do an image's own layers fit on another base? (private)
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/image.hpp"

#include <string>
#include <vector>

namespace cooper::build {

/// Warnings about directories that are links in one base and not, or elsewhere, in the other (a merged /usr), where the
/// layers of `image` above those of `old_base` have something. Reads the headers of all layers.
std::vector<std::string> check_on_base(const oci::Image& image, const oci::Image& old_base, const oci::Image& new_base,
                                       const Run& run);

}  // namespace cooper::build
