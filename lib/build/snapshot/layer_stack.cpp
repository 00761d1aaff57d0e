#include "build/snapshot/layer_stack.hpp"

#include "cooper/base/error.hpp"

#include "build/paths.hpp"
#include "build/snapshot/tree_copy.hpp"

#include <algorithm>
#include <cerrno>
#include <set>

namespace cooper::build {

namespace {

bool contains(const std::vector<std::string>& sorted, const std::string& path) {
    return std::binary_search(sorted.begin(), sorted.end(), path);
}

/// Whether the layer leaves nothing to be seen of lower ones at `path`, where it has nothing itself.
bool hides(const LayerIndex& index, TreeRoot& tree, const std::string& path) {
    if (path.empty()) {
        return false;
    }
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

bool is_same_directory(TreeRoot& tree, const std::string& path, TreeRoot& other_tree, const std::string& other_path) {
    const FileDescriptor one = tree.open(path);
    const FileDescriptor other = other_tree.open(other_path);
    struct stat ours {};
    struct stat theirs {};
    if (fstat(one.get(), &ours) != 0 || fstat(other.get(), &theirs) != 0) {
        throw SystemError("cannot examine " + TreeRoot::shown(path), errno);
    }
    return ours.st_mode == theirs.st_mode && ours.st_uid == theirs.st_uid && ours.st_gid == theirs.st_gid &&
           ours.st_mtim.tv_sec == theirs.st_mtim.tv_sec && ours.st_mtim.tv_nsec == theirs.st_mtim.tv_nsec &&
           layer_xattrs(one.get(), path) == layer_xattrs(other.get(), path);
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
    : directory_(std::move(directory)), undescribed_(directory_->empty_directory()) {
    for (LayerHandle& layer : layers) {
        push(std::move(layer));
    }
}

void LayerStack::push(LayerHandle layer) {
    diff_ids_.push_back(layer->diff_id);
    layers_.push_back(std::move(layer));
    trees_.emplace_back();
}

std::vector<std::filesystem::path> LayerStack::directories(const Run& run) {
    if (const std::size_t unsettled = count_unsettled(); unsettled > fixed_) {
        prepare_fix(unsettled, run);
    }
    std::vector<std::filesystem::path> directories;
    for (std::size_t layer = layers_.size(); layer-- > 0;) {
        if (fix_ && layer + 1 == fixed_ && !fix_->empty) {
            directories.push_back(fix_->tree());
        }
        const auto& tree = layers_[layer]->tree();
        if (std::find(directories.begin(), directories.end(), tree) == directories.end()) {
            directories.push_back(tree);  // lower ones of the same layer have nothing that this one does not hide
        }
    }
    directories.push_back(directory_->empty_directory());
    if (directories.size() == 1) {
        directories.push_back(directory_->other_empty_directory());
    }
    return directories;
}

/// Layers from below up to the last one whose directories without entries may be wrong here.
std::size_t LayerStack::count_unsettled() const {
    std::size_t unsettled = 0;
    std::vector<Digest> below;
    for (std::size_t layer = 0; layer < layers_.size(); ++layer) {
        const LayerIndex& index = layers_[layer]->index;
        const bool unpacked_first = layer == 0 && !index.made_on;
        if (!index.implicit.empty() && !unpacked_first && index.made_on != stack_name(below)) {
            unsettled = layer + 1;
        }
        below.push_back(diff_ids_[layer]);
    }
    return unsettled;
}

void LayerStack::prepare_fix(std::size_t layers, const Run& run) {
    const Digest name = stack_name({diff_ids_.begin(), diff_ids_.begin() + static_cast<std::ptrdiff_t>(layers)});
    fix_ = directory_->find_fix(name);
    if (!fix_) {
        const WorkDirectory work = directory_->make_work();
        const auto fix = work.path() / "fix";
        std::filesystem::create_directory(fix);
        if (const auto wrong = wrong_directories(layers); !wrong.empty()) {
            std::filesystem::create_directory(fix / "tree");
            write_fix(fix / "tree", wrong, layers, run);
        }
        fix_ = directory_->publish_fix(fix, name);
    }
    fixed_ = layers;
}

/// Sorted, so that parents come first.
std::vector<std::string> LayerStack::wrong_directories(std::size_t layers) {
    std::set<std::string> candidates;
    for (std::size_t layer = 0; layer < layers; ++layer) {
        const auto& implicit = layers_[layer]->index.implicit;
        candidates.insert(implicit.begin(), implicit.end());
    }
    std::vector<std::string> wrong;
    for (const auto& path : candidates) {
        const auto seen = find_in(path, layers);
        if (!seen || !S_ISDIR(seen->status.st_mode)) {
            continue;
        }
        const Description right = description(path, layers);
        TreeRoot& there = tree(seen->layer);
        if (right.tree != &there && !is_same_directory(there, path, *right.tree, right.path)) {
            wrong.push_back(path);
        }
    }
    return wrong;
}

void LayerStack::write_fix(const std::filesystem::path& root, const std::vector<std::string>& wrong, std::size_t layers,
                           const Run& run) {
    std::set<std::string> directories{""};
    for (const auto& path : wrong) {
        for (std::string above = path; directories.insert(above).second;) {
            above = std::string(parent_path(above));
        }
    }
    TreeRoot to(root);
    struct stat directory {};
    directory.st_mode = S_IFDIR;
    for (const auto& path : directories) {
        if (!path.empty()) {
            copy_file(to, to, path, directory, directory_->form(), run);
        }
    }
    for (auto path = directories.rbegin(); path != directories.rend(); ++path) {
        const Description right = description(*path, layers);
        describe_directory(*right.tree, right.path, to, *path, directory_->form());
    }
}

LayerStack::Description LayerStack::description(const std::string& path, std::size_t layers) {
    if (const auto layer = describing_layer(path, layers)) {
        return {&tree(*layer), path};
    }
    return {&undescribed_, ""};
}

std::optional<std::size_t> LayerStack::describing_layer(const std::string& path, std::size_t layers) {
    for (std::size_t layer = layers; layer-- > 0;) {
        const LayerIndex& index = layers_[layer]->index;
        const auto status = tree(layer).status(path);
        if (status && !S_ISDIR(status->st_mode)) {
            return std::nullopt;
        }
        if (status && !contains(index.implicit, path)) {
            return layer;
        }
        if (hides(index, tree(layer), path)) {
            return std::nullopt;
        }
    }
    return std::nullopt;
}

std::optional<LayerStack::Found> LayerStack::find(const std::string& path) {
    return find_in(path, layers_.size());
}

std::optional<LayerStack::Found> LayerStack::find_in(const std::string& path, std::size_t layers) {
    for (std::size_t layer = layers; layer-- > 0;) {
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

std::filesystem::path LayerStack::root_directory() {
    const auto layer = describing_layer("", layers_.size());
    return layer ? layers_[*layer]->tree() : directory_->empty_directory();
}

TreeRoot& LayerStack::tree(std::size_t layer) {
    if (!trees_[layer]) {
        trees_[layer] = std::make_unique<TreeRoot>(layers_[layer]->tree());
    }
    return *trees_[layer];
}

}  // namespace cooper::build
