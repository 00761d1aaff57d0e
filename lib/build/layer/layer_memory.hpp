// What a layer was when it was built before, found by what the file system says about its directory (private).
#pragma once

#include "cooper/build/layer.hpp"

#include "build/layer/placement.hpp"
#include "build/layer/source_tree.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

/// What decides a layer, but for the base: a directory's files without their contents, the options, the compressor.
class LayerKey {
public:
    /// `began`: before the files were listed, by Run::clock (nanoseconds since 1970). `compressor`: its fingerprint.
    LayerKey(const SourceTree& tree, const std::vector<SourceFile>& files, const LayerOptions& options,
             const std::string& compressor, std::int64_t began);

    /// Whether a file that changes from `began` on cannot look as it does now. Else nothing is to be remembered.
    [[nodiscard]] bool is_settled() const noexcept { return settled_; }
    /// Whether no file claims to be of the future, as after a clock was set back. Else nothing is to be believed.
    [[nodiscard]] bool is_past() const noexcept { return past_; }
    /// The layer on a base with these layers.
    [[nodiscard]] std::string on_layers(const std::vector<Digest>& diff_ids) const;
    /// The layer with its members at these places, whatever the base.
    [[nodiscard]] std::string at_places(const std::map<std::string, Planned>& plan) const;

private:
    const std::vector<SourceFile>& files_;
    std::string text_;
    bool settled_ = true;
    bool past_ = true;
};

/// Finds the layer of `key` (as LayerKey names it) when its blob is still kept.
std::optional<BuiltLayer> find_layer(const LayerMemory& memory, const std::string& key);

/// For find_compressor(). Does without when it cannot.
void remember_compressor(const LayerMemory& memory, const BuiltLayer& layer) noexcept;

/// Does without when it cannot.
void remember_layer(const LayerMemory& memory, const std::string& key, const BuiltLayer& layer) noexcept;

}  // namespace cooper::build
