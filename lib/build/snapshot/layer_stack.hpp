// Layers on one another (private).
#pragma once

#include "build/snapshot/snapshot_directory.hpp"
#include "build/snapshot/tree_root.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

/// Names layers in their order, base first.
Digest stack_name(const std::vector<Digest>& layers);

/// Unpacked layers, base first. One thread at a time.
class LayerStack {
public:
    LayerStack(std::shared_ptr<SnapshotDirectory> directory, std::vector<LayerHandle> layers);

    void push(LayerHandle layer);
    [[nodiscard]] const std::vector<LayerHandle>& layers() const noexcept { return layers_; }
    [[nodiscard]] const std::vector<Digest>& diff_ids() const noexcept { return diff_ids_; }
    /// What an overlay mount takes as lowerdir, the topmost first; at least two.
    [[nodiscard]] std::vector<std::filesystem::path> directories() const;

    struct Found {
        std::size_t layer = 0;
        struct stat status {};
    };
    /// The file that is seen at `path`; nullopt: none is. Files that could not be made on the disk are not there.
    [[nodiscard]] std::optional<Found> find(const std::string& path);
    /// What the layers say of it, when the disk does not.
    [[nodiscard]] std::optional<Unset> find_unset(const std::string& path);
    [[nodiscard]] TreeRoot& tree(std::size_t layer);
    /// The directory whose owner, mode and attributes are those of the root.
    [[nodiscard]] std::filesystem::path root_directory() const;

private:
    std::shared_ptr<SnapshotDirectory> directory_;
    std::vector<LayerHandle> layers_;
    std::vector<Digest> diff_ids_;
    std::vector<std::unique_ptr<TreeRoot>> trees_;  // opened when they are asked for
};

}  // namespace cooper::build
