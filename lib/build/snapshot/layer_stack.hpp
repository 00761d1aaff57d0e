// Layers on one another (private).
#pragma once

#include "cooper/base/run.hpp"

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
    /// What an overlay mount takes as lowerdir, the topmost first; at least two. Valid as long as the stack.
    ///
    /// An overlay mount takes a directory's owner, mode and time from the topmost layer that has the directory on the
    /// disk, also where the layer has no entry for it. Layers captured on this very stack have the right ones there;
    /// for others the stack gets one more layer, of directories only, that puts it right.
    [[nodiscard]] std::vector<std::filesystem::path> directories(const Run& run);

    struct Found {
        std::size_t layer = 0;
        struct stat status {};
    };
    /// The file that is seen at `path`; nullopt: none is. Files that could not be made on the disk are not there.
    [[nodiscard]] std::optional<Found> find(const std::string& path);
    /// What the layers say of it, when the disk does not.
    [[nodiscard]] std::optional<Unset> find_unset(const std::string& path);
    [[nodiscard]] TreeRoot& tree(std::size_t layer);
    /// A directory that is as the one at `path` shall be, in the lowest `layers`: one of the topmost of them that has
    /// an entry for it, or one of 1970, 0755 and root's.
    struct Description {
        TreeRoot* tree = nullptr;
        std::string path;
    };
    [[nodiscard]] Description description(const std::string& path, std::size_t layers);
    /// The directory whose owner, mode and attributes are those of the root.
    [[nodiscard]] std::filesystem::path root_directory();

private:
    [[nodiscard]] std::optional<std::size_t> describing_layer(const std::string& path, std::size_t layers);
    [[nodiscard]] std::optional<Found> find_in(const std::string& path, std::size_t layers);
    [[nodiscard]] std::size_t count_unsettled() const;
    [[nodiscard]] std::vector<std::string> wrong_directories(std::size_t layers);
    void write_fix(const std::filesystem::path& root, const std::vector<std::string>& wrong, std::size_t layers,
                   const Run& run);
    void prepare_fix(std::size_t layers, const Run& run);
    std::shared_ptr<SnapshotDirectory> directory_;
    TreeRoot undescribed_;  // the empty directory is as directories without any entry are
    std::vector<LayerHandle> layers_;
    std::vector<Digest> diff_ids_;
    std::vector<std::unique_ptr<TreeRoot>> trees_;  // opened when they are asked for
    std::size_t fixed_ = 0;                         // so many layers, from below, have one on top that puts them right
    std::shared_ptr<const StackFix> fix_;
};

}  // namespace cooper::build
