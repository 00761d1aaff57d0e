#include "build/snapshot/layer_stack.hpp"

#include "build/paths.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

bool contains(const std::vector<std::string>& sorted, const std::string& path) {
    return std::binary_search(sorted.begin(), sorted.end(), path);
}

/// Whether the layer leaves nothing to be seen of lower ones at `path`, where it has nothing itself.
bool hides(const LayerIndex& index, TreeRoot& tree, const std::string& path) {
    if (contains(index.whiteouts, path)) {
        return true;
    }
    for (std::string above(parent_path(path));; above = std::string(parent_path(above))) {
        if (contains(index.opaque, above) || contains(index.whiteouts, above)) {
            return true;
        }
        const auto status = tree.status(above);
        if ((status && !S_ISDIR(status->st_mode)) || above.empty()) {
            return status && !S_ISDIR(status->st_mode);
        }
    }
}

}  // namespace

Digest stack_name(const std::vector<Digest>& layers) {
    Hasher hasher;
    for (const Digest& layer : layers) {
        hasher.update(layer.text() + "\n");
    }
    return hasher.finish();
}

LayerStack::LayerStack(std::shared_ptr<SnapshotDirectory> directory, std::vector<LayerHandle> layers)
    : directory_(std::move(directory)) {
    for (LayerHandle& layer : layers) {
        push(std::move(layer));
    }
}

void LayerStack::push(LayerHandle layer) {
    diff_ids_.push_back(layer->diff_id);
    layers_.push_back(std::move(layer));
    trees_.emplace_back();
}

std::vector<std::filesystem::path> LayerStack::directories() const {
    std::vector<std::filesystem::path> directories;
    for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
        directories.push_back((*layer)->tree());
    }
    directories.push_back(directory_->empty_directory());
    if (directories.size() == 1) {
        directories.push_back(directory_->other_empty_directory());
    }
    return directories;
}

std::optional<LayerStack::Found> LayerStack::find(const std::string& path) {
    for (std::size_t layer = layers_.size(); layer-- > 0;) {
        const auto status = tree(layer).status(path);
        const bool whiteout = status && S_ISCHR(status->st_mode) && status->st_rdev == 0;
        if (status && !whiteout) {
            return Found{layer, *status};
        }
        if (whiteout || hides(layers_[layer]->index, tree(layer), path)) {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

std::optional<Unset> LayerStack::find_unset(const std::string& path) {
    for (std::size_t layer = layers_.size(); layer-- > 0;) {
        const LayerIndex& index = layers_[layer]->index;
        if (const auto found = index.unset.find(path); found != index.unset.end()) {
            return found->second;
        }
        const bool described = tree(layer).status(path).has_value() && !contains(index.implicit, path);
        if (described || hides(index, tree(layer), path)) {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

std::filesystem::path LayerStack::root_directory() const {
    return layers_.empty() ? directory_->empty_directory() : layers_.back()->tree();
}

TreeRoot& LayerStack::tree(std::size_t layer) {
    if (!trees_[layer]) {
        trees_[layer] = std::make_unique<TreeRoot>(layers_[layer]->tree());
    }
    return *trees_[layer];
}

}  // namespace cooper::build
