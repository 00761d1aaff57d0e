#include "cooper/oci/image.hpp"

#include "cooper/base/error.hpp"

namespace cooper::oci {

void Image::check() const {
    if (manifest.layers.size() != config.diff_ids.size()) {
        throw Error(ErrorCode::InvalidInput, "the manifest lists " + std::to_string(manifest.layers.size()) +
                                                 " layers, the config " + std::to_string(config.diff_ids.size()) +
                                                 " diff IDs");
    }
}

}  // namespace cooper::oci
