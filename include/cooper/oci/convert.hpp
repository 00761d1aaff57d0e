// Making an image's layers fit for an archive: zstd becomes gzip, or everything becomes plain.
#pragma once

#include "cooper/oci/image.hpp"

#include <cstdint>
#include <filesystem>

namespace cooper::oci {

enum class LayerForm {
    Keep,          ///< plain and gzip as they are; anything else re-encoded to gzip
    Uncompressed,  ///< plain tars
};

/// True when convert_layers() would re-encode a layer of `image`. Throws Error{Unsupported} for a layer of unknown
/// type.
bool needs_conversion(const Image& image, LayerForm form);

/// The image with its layers in the asked form. What must be re-encoded is fetched, verified (blob digest and diff ID)
/// and spooled below `spool`, which must outlive the result; a layer kept is not touched. The manifest changes only if
/// a layer does; then it is an OCI manifest. The config (image ID) and the diff IDs never change.
Image convert_layers(const Image& image, LayerForm form, const std::filesystem::path& spool, const Run& run);

}  // namespace cooper::oci
