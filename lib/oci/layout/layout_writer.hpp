// Documents and blobs of a graph become files of a layout (private).
#pragma once

#include "cooper/oci/layout.hpp"

#include <filesystem>

namespace cooper::oci {

/// Writes what `layout` lacks of `graph`: first the blobs, several at once, the largest first, then the manifests,
/// children before parents, so that whoever finds a manifest finds all below it. Foreign layers, which no registry
/// gives out, are left out.
OciLayout::Written write_blobs(const std::filesystem::path& layout, const Graph& graph,
                               const OciLayout::WriteOptions& options, const Run& run);

}  // namespace cooper::oci
