// An image's layers as one: the file system that they make together.
#pragma once

#include "cooper/base/clock.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/layer.hpp"
#include "cooper/oci/image.hpp"

#include <filesystem>
#include <optional>

namespace cooper::build {

struct FlattenOptions {
    std::filesystem::path spool;  ///< where the layer is written; must outlive the image
    LayerCompression compression;
    std::optional<TimePoint> edit_time;  ///< of the history entry; nullopt: 1970-01-01
};

/// `image` with one layer in the place of all. Whiteouts are applied as containers see it on overlay file systems (a
/// directory over a symlink of a lower layer replaces it); owners, modes, times, xattrs, devices and hard links are
/// kept, a missing parent becomes a directory 0755 0:0. Directories come first, sorted, then the rest in the order of
/// the layers, so the same layers give the same bytes. The config stays but for its diff IDs and its history,
/// which becomes one entry: what was done in layers that are gone goes with them. The manifest keeps its kind (zstd
/// makes it an OCI manifest). An image that is flat already, with the asked compression, is returned as it was.
///
/// Every blob is read twice, verified both times: headers first, then contents; memory goes with the number of paths.
/// Throws Error: Integrity, InvalidInput (limits, whiteouts and hard links of nothing, no layer at all).
oci::Image flatten(const oci::Image& image, const FlattenOptions& options, const Run& run);

}  // namespace cooper::build
