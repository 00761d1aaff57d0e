#include "cooper/build/layer.hpp"
#include "cooper/oci/overlay_blobs.hpp"

#include "build/layer/layer_contents.hpp"
#include "build/layer/layer_memory.hpp"
#include "build/layer/layer_paths.hpp"
#include "build/tree/file_times.hpp"

namespace cooper::build {

namespace {

LayerPaths paths_of(const std::map<std::string, Planned>& plan) {
    LayerPaths paths;
    paths.entries.reserve(plan.size());
    for (const auto& [path, planned] : plan) {
        paths.entries.emplace_back(path, PathInfo{planned.entry.type, planned.entry.link});
    }
    return paths;
}

}  // namespace

struct LayerBuilder::State {
    State(oci::Image base, std::filesystem::path of_blobs, LayerMemory of_layers)
        : below(std::move(base)), base_blobs(below.blobs), spool(std::move(of_blobs)), memory(std::move(of_layers)) {}

    BuiltLayer add(const LayerOptions& options, const Run& run);
    /// What is below the next layer, read when it is first needed.
    const BaseTree& tree(const Run& run);
    BuiltLayer make(const SourceTree& source, std::map<std::string, Planned>& plan, const LayerOptions& options,
                    const Run& run);
    void keep(BuiltLayer& layer, const Run& run) const;
    void put_below(const BuiltLayer& layer);

    oci::Image below;  ///< the base and the layers so far: documents are the base's but for the lists of layers
    std::shared_ptr<const oci::Blobs> base_blobs;
    std::filesystem::path spool;
    LayerMemory memory;
    std::map<Digest, std::filesystem::path> files;  ///< of the layers so far
    std::optional<BaseTree> known_tree;
};

LayerBuilder::LayerBuilder(oci::Image base, std::filesystem::path spool, LayerMemory memory) {
    base.check();
    state_ = std::make_unique<State>(std::move(base), std::move(spool), std::move(memory));
}

LayerBuilder::~LayerBuilder() = default;

BuiltLayer LayerBuilder::add(const LayerOptions& options, const Run& run) {
    BuiltLayer layer = state_->add(options, run);
    if (!state_->memory.directory.empty()) {
        remember_compressor(state_->memory, layer);
    }
    return layer;
}

BuiltLayer LayerBuilder::State::add(const LayerOptions& options, const Run& run) {
    const SourceTree source(options.directory);
    const auto began = nanoseconds_at(*run.clock);
    const auto listed = source.list(run);
    if (memory.directory.empty()) {
        auto plan = plan_layer(listed, options, tree(run));
        return make(source, plan, options, run);
    }
    const auto compressor = options.compression.fingerprint();
    const LayerKey key(source, listed, options, compressor, began);
    const auto reuse = [&](const std::string& name) {
        auto found = key.is_past() ? find_layer(memory, name) : std::nullopt;
        if (found) {
            found->compressor = compressor;
            found->target = options.target;
        }
        return found;
    };
    const auto by_layers = key.on_layers(below.config.diff_ids);
    if (auto found = reuse(by_layers)) {
        put_below(*found);
        known_tree.reset();
        return std::move(*found);
    }
    auto plan = plan_layer(listed, options, tree(run));
    const auto by_places = key.at_places(plan);
    if (auto found = reuse(by_places)) {
        remember_layer(memory, by_layers, *found);
        put_below(*found);
        known_tree.reset();
        return std::move(*found);
    }
    auto layer = make(source, plan, options, run);
    if (key.is_settled()) {
        remember_layer(memory, by_layers, layer);
        remember_layer(memory, by_places, layer);
    }
    return layer;
}

const BaseTree& LayerBuilder::State::tree(const Run& run) {
    if (!known_tree) {
        known_tree = BaseTree::read(below, run, memory.directory);
    }
    return *known_tree;
}

BuiltLayer LayerBuilder::State::make(const SourceTree& source, std::map<std::string, Planned>& plan,
                                     const LayerOptions& options, const Run& run) {
    auto layer = write_layer(source, plan, options, spool, run);
    for (const auto& [path, planned] : plan) {
        known_tree->apply(planned.entry);
    }
    if (!memory.directory.empty()) {
        LayerPathsMemory(memory.directory).remember(layer.descriptor.digest, layer.diff_id, paths_of(plan));
        keep(layer, run);
    }
    put_below(layer);
    return layer;
}

/// Without a place to keep it the layer stays in the spool, for this run alone.
void LayerBuilder::State::keep(BuiltLayer& layer, const Run& run) const {
    try {
        memory.keep(layer.descriptor.digest, layer.file);
        if (auto kept = memory.find(layer.descriptor.digest)) {
            layer.file = std::move(*kept);
        }
    } catch (const Error& error) {
        run.progress->notice(NoticeLevel::Warning,
                             std::string("the layer is not kept for the next time: ") + error.what());
    }
}

void LayerBuilder::State::put_below(const BuiltLayer& layer) {
    below.manifest.layers.push_back(layer.descriptor);
    below.config.diff_ids.push_back(layer.diff_id);
    files.insert_or_assign(layer.descriptor.digest, layer.file);
    below.blobs = oci::overlay_blobs(files, base_blobs);
}

}  // namespace cooper::build
