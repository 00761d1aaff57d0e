#include "cooper/base/text.hpp"
#include "cooper/build/layer.hpp"

#include "base/workers.hpp"
#include "build/layer/layer_paths.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <unordered_set>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxTreeBytes = 512ULL << 20;  // of all paths and links: a million files take some 60 MB
constexpr unsigned kMaxReaders = 4;                  // layers read at once
constexpr std::string_view kTask = "reading the base";

/// The paths of all of an image's layers, several at once.
class LayersReader {
public:
    LayersReader(const oci::Image& image, LayerPathsMemory memory) : image_(image), memory_(std::move(memory)) {}

    std::vector<LayerPaths> read(const Run& run) {
        const auto& layers = image_.manifest.layers;
        std::uint64_t total = 0;
        for (const auto& layer : layers) {
            total += layer.size;
        }
        read_.resize(layers.size());
        run.progress->begin(kTask, total);
        Workers workers(run);
        const auto readers = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxReaders);
        for (unsigned i = 0; i < std::min<std::size_t>(readers, layers.size()); ++i) {
            workers.start([this, of_workers = workers.run()] { take_turns(of_workers); });
        }
        workers.join();
        run.progress->end(kTask);
        return std::move(read_);
    }

private:
    void take_turns(const Run& run) {
        for (std::size_t index = 0; (index = next_++) < read_.size();) {
            read_[index] = read_one(index, run);
            if ((bytes_ += read_[index].name_bytes()) > kMaxTreeBytes) {
                throw Error(ErrorCode::InvalidInput,
                            "the names in the base's layers exceed the limit of " + format_bytes(kMaxTreeBytes));
            }
            const std::scoped_lock lock(progress_);
            run.progress->advance(kTask, done_ += image_.manifest.layers[index].size);
        }
    }

    [[nodiscard]] LayerPaths read_one(std::size_t index, const Run& run) const {
        const auto& layer = image_.manifest.layers[index];
        const auto& diff_id = image_.config.diff_ids[index];
        if (auto known = memory_.find(layer.digest, diff_id)) {
            return std::move(*known);
        }
        const auto what = "layer " + std::to_string(index + 1) + " of " +
                          std::to_string(image_.manifest.layers.size()) + " (" + layer.digest.shortened() + ")";
        auto paths = in_context("reading " + what + " of the base", [&] {
            return read_layer_paths(*image_.blobs, layer, diff_id, what, kMaxTreeBytes - bytes_, run);
        });
        memory_.remember(layer.digest, diff_id, paths);
        return paths;
    }

    const oci::Image& image_;
    LayerPathsMemory memory_;
    std::vector<LayerPaths> read_;
    std::atomic<std::size_t> next_ = 0;
    std::atomic<std::size_t> bytes_ = 0;
    std::mutex progress_;
    std::uint64_t done_ = 0;
};

}  // namespace

/// Merges one layer: its whiteouts speak of the layers below only, wherever in the tar they stand.
class BaseTree::Merge {
public:
    explicit Merge(BaseTree& tree) : tree_(tree) {}

    void layer(LayerPaths&& layer) {
        for (const auto& path : layer.whiteouts) {
            tree_.hide(path);
        }
        own_links_.clear();
        for (auto& [path, info] : layer.entries) {
            const bool link = info.type == TarType::Symlink;
            auto place = through_own_links(path);
            if (link) {
                own_links_.insert(place);
            }
            tree_.place(place, std::move(info));
        }
    }

private:
    /// Unpackers follow a symlink that the same layer made; one of a lower layer is replaced by a real directory.
    std::string through_own_links(const std::string& path) const {
        for (auto slash = path.find('/'); slash != std::string::npos && !own_links_.empty();
             slash = path.find('/', slash + 1)) {
            if (own_links_.contains(path.substr(0, slash))) {
                return tree_.resolve_parents(path);
            }
        }
        return path;
    }

    BaseTree& tree_;
    std::unordered_set<std::string> own_links_;
};

BaseTree BaseTree::read(const oci::Image& image, const Run& run, const std::filesystem::path& memory) {
    image.check();
    auto layers = LayersReader(image, LayerPathsMemory(memory)).read(run);
    BaseTree tree;
    Merge merge(tree);
    for (auto& layer : layers) {
        merge.layer(std::exchange(layer, {}));
    }
    return tree;
}

const PathInfo* BaseTree::find(const std::string& path) const {
    const auto found = paths_.find(path);
    return found == paths_.end() ? nullptr : &found->second;
}

std::string BaseTree::resolve_parents(const std::string& path) const {
    return follow_parents(path, [&](const std::string& parent) -> const std::string* {
        const auto* info = find(parent);
        if (info == nullptr || info->type == TarType::Directory) {
            return nullptr;
        }
        if (info->type != TarType::Symlink) {
            throw Error(ErrorCode::InvalidInput, "'" + oci::printable(path) + "' cannot be in the image: '" +
                                                     oci::printable(parent) + "' is no directory in the base");
        }
        return &info->link;
    });
}

void BaseTree::apply(const TarEntry& entry) {
    const auto path = clean_path(entry.path);
    if (is_whiteout(entry, path)) {
        hide(path);
    } else if (!path.empty()) {
        place(path, {entry.type, entry.link});
    }
}

void BaseTree::place(const std::string& path, PathInfo info) {
    for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        auto& parent = paths_[path.substr(0, slash)];
        if (parent.type != TarType::Directory) {
            parent = {TarType::Directory, ""};
        }
    }
    if (info.type != TarType::Directory) {
        erase_below(path);
    }
    if (info.type == TarType::HardLink) {
        info = {TarType::File, ""};
    }
    paths_[path] = std::move(info);
}

void BaseTree::hide(const std::string& whiteout) {
    constexpr std::string_view kOpaque = ".wh..wh..opq", kPrefix = ".wh.", kAufsPrefix = ".wh..wh.";
    const auto name = file_name(whiteout);
    const std::string parent(parent_path(whiteout));
    if (name == kOpaque) {
        erase_below(parent);
        return;
    }
    if (name.starts_with(kAufsPrefix)) {
        return;  // aufs's own bookkeeping
    }
    const auto hidden = name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
    if (hidden.empty() || hidden == "." || hidden == "..") {
        throw Error(ErrorCode::InvalidInput, "'" + oci::printable(whiteout) + "' is a whiteout of nothing");
    }
    const auto path = join_path(parent, hidden);
    erase_below(path);
    paths_.erase(path);
}

void BaseTree::erase_below(const std::string& path) {
    if (path.empty()) {
        paths_.clear();
        return;
    }
    // '0' follows '/': the range is all that begins with "PATH/".
    paths_.erase(paths_.lower_bound(path + '/'), paths_.lower_bound(path + '0'));
}

}  // namespace cooper::build
