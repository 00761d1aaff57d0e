// One edit for all images of an index.
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/graph.hpp"

#include <functional>

namespace cooper::build {

using ImageEdit = std::function<oci::Image(const oci::Image&)>;

/// `graph` with `edit` applied to each of its images, in order; indexes above them get the new digests and sizes and
/// keep all else. Attestations of an image that changed are left out with a notice: they speak of the one before. What
/// is neither image nor attestation stays. Nothing changed: the graph as it was. Throws what `edit` throws, with the
/// platform; Error{NotFound} when there is no image at all.
oci::Graph edit_images(const oci::Graph& graph, const ImageEdit& edit, const Run& run);

}  // namespace cooper::build
