#include "cooper/base/digest.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/layer.hpp"

#include "base/workers.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <unordered_set>

namespace cooper::build {

namespace {

constexpr int kMaxSymlinks = 40;                     // as Linux has it (MAXSYMLINKS)
constexpr std::size_t kMaxTreeBytes = 512ULL << 20;  // of all paths and links: a million files take some 60 MB
constexpr unsigned kMaxReaders = 4;                  // layers read at once
constexpr std::string_view kTask = "reading the base";

/// What one layer does to the tree below it.
struct LayerPaths {
    std::vector<std::string> whiteouts;
    std::vector<std::pair<std::string, PathInfo>> entries;
};

/// Hashes what passes through.
class HashingSource final : public Source {
public:
    HashingSource(std::unique_ptr<Source> inner, DigestAlgorithm algorithm)
        : inner_(std::move(inner)), hasher_(algorithm) {}
    std::size_t read(MutableBytes into) override {
        const auto count = inner_->read(into);
        hasher_.update(Bytes(into).first(count));
        return count;
    }
    /// Reads to the end and names it all.
    Digest finish() {
        skip(*this, UINT64_MAX);
        return hasher_.finish();
    }

private:
    std::unique_ptr<Source> inner_;
    Hasher hasher_;
};

bool is_whiteout(const TarEntry& entry, std::string_view path) {
    // A character device 0/0 is an overlay whiteout: containerd and overlay2 delete the path below it.
    const bool overlay_whiteout =
        entry.type == TarType::CharDevice && entry.device_major == 0 && entry.device_minor == 0;
    return overlay_whiteout || is_whiteout_name(file_name(path));
}

/// Reads layer `index` of `image` to its end and checks both of its names.
LayerPaths read_layer(const oci::Image& image, std::size_t index, std::atomic<std::size_t>& bytes, const Run& run) {
    const auto& layer = image.manifest.layers[index];
    const auto& diff_id = image.config.diff_ids[index];
    const auto what = "layer " + std::to_string(index + 1) + " of " + std::to_string(image.manifest.layers.size()) +
                      " (" + layer.digest.shortened() + ")";
    return in_context("reading " + what + " of the base", [&] {
        HashingSource tar(
            decompressed_by_magic(verified(image.blobs->open(layer, 0, run), layer.digest, layer.size, what)),
            diff_id.algorithm());
        TarReader reader(tar);
        LayerPaths paths;
        while (auto entry = reader.next()) {
            run.check();
            auto path = clean_path(entry->path);
            if ((bytes += path.size() + entry->link.size()) > kMaxTreeBytes) {
                throw Error(ErrorCode::InvalidInput,
                            "the names in the base's layers exceed the limit of " + format_bytes(kMaxTreeBytes));
            }
            if (is_whiteout(*entry, path)) {
                paths.whiteouts.push_back(std::move(path));
            } else if (!path.empty()) {
                paths.entries.emplace_back(std::move(path), PathInfo{entry->type, std::move(entry->link)});
            }
        }
        if (const auto actual = tar.finish(); actual != diff_id) {
            throw IntegrityError("diff ID of " + what, diff_id.text(), actual.text());
        }
        return paths;
    });
}

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

BaseTree BaseTree::read(const oci::Image& image, const Run& run) {
    image.check();
    const auto count = image.manifest.layers.size();
    std::vector<LayerPaths> layers(count);
    std::atomic<std::size_t> next = 0, bytes = 0;
    std::uint64_t done = 0, total = 0;
    std::mutex progress;
    for (const auto& layer : image.manifest.layers) {
        total += layer.size;
    }
    run.progress->begin(kTask, total);
    Workers workers(run);
    const auto readers = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxReaders);
    for (unsigned i = 0; i < std::min<std::size_t>(readers, count); ++i) {
        workers.start([&, inner = workers.run()] {
            for (std::size_t index = 0; (index = next++) < count;) {
                layers[index] = read_layer(image, index, bytes, inner);
                const std::scoped_lock lock(progress);
                inner.progress->advance(kTask, done += image.manifest.layers[index].size);
            }
        });
    }
    workers.join();
    BaseTree tree;
    Merge merge(tree);
    for (auto& layer : layers) {
        merge.layer(std::exchange(layer, {}));
    }
    run.progress->end(kTask);
    return tree;
}

const PathInfo* BaseTree::find(const std::string& path) const {
    const auto found = paths_.find(path);
    return found == paths_.end() ? nullptr : &found->second;
}

std::string BaseTree::resolve_parents(const std::string& path) const {
    std::vector<std::string> todo;  // components, next one last
    const auto push = [&todo](std::string_view text) {
        auto parts = split(text, '/');
        std::for_each(parts.rbegin(), parts.rend(), [&](std::string_view part) { todo.emplace_back(part); });
    };
    push(path);
    std::string resolved;
    for (int links = 0; !todo.empty();) {
        const auto part = std::move(todo.back());
        todo.pop_back();
        if (part.empty() || part == ".") {
            continue;
        }
        if (part == "..") {
            resolved = std::string(parent_path(resolved));  // the root's parent is the root
            continue;
        }
        auto next = join_path(resolved, part);
        check_path(next);
        const auto* info = todo.empty() ? nullptr : find(next);
        if (info != nullptr && info->type == TarType::Symlink) {
            if (++links > kMaxSymlinks) {
                throw Error(ErrorCode::InvalidInput,
                            "'" + oci::printable(path) + "' leads through a loop of symbolic links in the base");
            }
            if (info->link.starts_with('/')) {
                resolved.clear();
            }
            push(info->link);
            continue;
        }
        if (info != nullptr && info->type != TarType::Directory) {
            throw Error(ErrorCode::InvalidInput, "'" + oci::printable(path) + "' cannot be in the image: '" +
                                                     oci::printable(next) + "' is no directory in the base");
        }
        resolved = std::move(next);
    }
    return resolved;
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
