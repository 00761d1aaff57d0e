// What one layer does to the tree below it: its headers without their contents, read from its blob or remembered
// (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/build/layer.hpp"
#include "cooper/oci/image.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

struct LayerPaths {
    std::vector<std::string> whiteouts;
    std::vector<std::pair<std::string, PathInfo>> entries;  ///< in the tar's order; paths are clean

    /// Of all names, roughly what they take.
    [[nodiscard]] std::size_t name_bytes() const;
};

/// Whether `entry`, whose clean path is `path`, hides something below it.
bool is_whiteout(const TarEntry& entry, std::string_view path);

/// Reads a layer to its end and checks both of its names. `what` names it in errors. Throws Error{InvalidInput} when
/// its names take more than `max_bytes`.
LayerPaths read_layer_paths(const oci::Blobs& blobs, const oci::Descriptor& layer, const Digest& diff_id,
                            const std::string& what, std::size_t max_bytes, const Run& run);

/// The paths of layers by blob and diff ID: who finds a pair here knows that this blob holds that tar. Small files in
/// one directory; an empty one remembers nothing. Safe from several threads and processes.
class LayerPathsMemory {
public:
    explicit LayerPathsMemory(std::filesystem::path directory) : directory_(std::move(directory)) {}

    [[nodiscard]] std::optional<LayerPaths> find(const Digest& blob, const Digest& diff_id) const;
    /// Does without when it cannot.
    void remember(const Digest& blob, const Digest& diff_id, const LayerPaths& paths) const noexcept;

private:
    [[nodiscard]] std::filesystem::path file_of(const Digest& blob, const Digest& diff_id) const;

    std::filesystem::path directory_;
};

}  // namespace cooper::build
