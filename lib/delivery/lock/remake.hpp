// Layer blobs made again from their tar (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/build/layer.hpp"
#include "cooper/delivery/lock.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace cooper::delivery {

/// What makes a blob of the lock's layer out of its tar today, and what that is called.
struct Recipe {
    build::LayerCompression compression;
    std::string fingerprint;  ///< today's; the blob comes out the same only if it is the lock's
};

/// nullopt: the lock does not say what compressed the layer, or says what this cooper does not know. A layer that is a
/// plain tar needs no compressor.
std::optional<Recipe> recipe_of(const LockedLayer& layer);

/// Makes the blob from `form`, any blob of the same tar, and returns its file below `spool`. Throws IntegrityError when
/// `form` or what comes out of it is not what it should be.
std::filesystem::path remake_layer(const LockedLayer& layer, const Recipe& recipe, const oci::Descriptor& form,
                                   const oci::Blobs& blobs, const std::filesystem::path& spool, const Run& run);

}  // namespace cooper::delivery
