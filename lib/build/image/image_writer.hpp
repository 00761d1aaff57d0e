// From a stage's state to an image whose blobs lie in the store (private).
#pragma once

#include "cooper/build/image_build.hpp"

#include "build/image/image_state.hpp"

#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

/// The image of `state`, all of whose layers have blobs: an OCI manifest. Config and manifest are kept in the store.
oci::Image write_image(const ImageState& state, std::int64_t created,
                       const std::vector<std::pair<std::string, std::string>>& annotations,
                       const ImageBuildServices& services);

}  // namespace cooper::build
