// The kinds of RootTree (private).
#pragma once

#include "cooper/build/snapshots.hpp"

#include "build/snapshot/layer_stack.hpp"
#include "build/snapshot/snapshot_directory.hpp"

#include <memory>

namespace cooper::build {

/// An overlay mount over the layers.
std::unique_ptr<RootTree> open_overlay_tree(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack,
                                            const Run& run);
/// The same to read only.
std::unique_ptr<RootTree> open_overlay_view(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack,
                                            const Run& run);

/// A private copy of what the layers make.
std::unique_ptr<RootTree> open_copied_tree(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack,
                                           const Run& run);

}  // namespace cooper::build
