#include "cooper/build/diff.hpp"

#include "build/edit/alignment.hpp"
#include "build/edit/file_system.hpp"
#include "build/paths.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace cooper::build {

namespace {

constexpr std::string_view kTask = "comparing layers";

FileState state_of(TarEntry header, const LayerEntry* entry) {
    header.path.clear();
    FileState state{std::move(header), std::nullopt, false};
    if (entry != nullptr && entry->content) {
        state.content = Digest::from_raw(DigestAlgorithm::Sha256, *entry->content);
    }
    return state;
}

/// The path that an entry of a layer speaks of: a whiteout's is the one that it hides, an opaque one's its directory.
std::string path_of(const LayerEntry& entry, const Whiteout& whiteout) {
    switch (whiteout.kind) {
        case Whiteout::Kind::Hides:
            return join_path(whiteout.directory, whiteout.hidden);
        case Whiteout::Kind::Opaque:
            return join_path(whiteout.directory, "*");
        default:
            return entry.path;
    }
}

class FileComparison {
public:
    explicit FileComparison(const DiffOptions& options) : options_(options) {}

    /// The members in which two states differ.
    [[nodiscard]] std::vector<std::string_view> fields(const FileState& a, const FileState& b) const {
        std::vector<std::string_view> differing;
        const auto compare = [&](std::string_view name, bool same) {
            if (!same) {
                differing.push_back(name);
            }
        };
        compare("whiteout", a.whiteout == b.whiteout);
        if (a.whiteout || b.whiteout) {
            return differing;
        }
        const auto& [x, y] = std::tie(a.entry, b.entry);
        compare("type", x.type == y.type);
        compare("mode", x.mode == y.mode);
        compare("uid", x.uid == y.uid);
        compare("gid", x.gid == y.gid);
        compare("mtime", options_.ignore_times || x.mtime == y.mtime);
        compare("link", x.link == y.link);
        compare("device", x.device_major == y.device_major && x.device_minor == y.device_minor);
        compare("xattrs", x.xattrs == y.xattrs);
        if (x.type == y.type) {
            compare("size", x.size == y.size);
            compare("content", a.content == b.content);
        }
        return differing;
    }

    /// Adds the change from `before` to `after`, if there is any. At least one is given.
    void add(std::vector<FileChange>& changes, const std::string& path, std::optional<FileState> before,
             std::optional<FileState> after) const {
        std::vector<std::string_view> differing;
        if (before && after) {
            differing = fields(*before, *after);
            if (differing.empty()) {
                return;
            }
        }
        changes.push_back({path, std::move(before), std::move(after), std::move(differing)});
    }

private:
    const DiffOptions& options_;
};

/// Calls `each(path, const B*, const A*)` for the keys of two maps, in order.
template <class Map, class F>
void for_each_path(const Map& before, const Map& after, F&& each) {
    constexpr const typename Map::mapped_type* kNone = nullptr;
    auto b = before.begin();
    auto a = after.begin();
    while (b != before.end() || a != after.end()) {
        if (a == after.end() || (b != before.end() && b->first < a->first)) {
            each(b->first, &b->second, kNone);
            ++b;
        } else if (b == before.end() || a->first < b->first) {
            each(a->first, kNone, &a->second);
            ++a;
        } else {
            each(b->first, &b->second, &a->second);
            ++a;
            ++b;
        }
    }
}

using EntriesByPath = std::map<std::string, const LayerEntry*>;

/// Of a path that is there twice, the last counts; a whiteout beside an entry of its name says nothing of its own.
EntriesByPath by_path(const LayerListing* layer) {
    EntriesByPath entries;
    if (layer == nullptr) {
        return entries;
    }
    for (const auto& entry : layer->entries) {
        if (entry.whiteout == Whiteout::Kind::Ignored) {
            continue;
        }
        const auto whiteout = whiteout_of(entry.header(entry.path), entry.path);
        auto& known = entries[path_of(entry, whiteout)];
        if (known == nullptr || entry.whiteout == Whiteout::Kind::None) {
            known = &entry;
        }
    }
    return entries;
}

std::optional<FileState> state_in_layer(const LayerEntry* const* entry) {
    if (entry == nullptr) {
        return std::nullopt;
    }
    auto state = state_of((*entry)->header(""), *entry);
    state.whiteout = (*entry)->whiteout != Whiteout::Kind::None;
    return state;
}

class Comparison {
public:
    Comparison(const oci::Image& before, const oci::Image& after, const DiffOptions& options, const Run& run)
        : before_(before), after_(after), options_(options), files_(options), run_(run) {}

    ImageDiff result() {
        compare_documents();
        pair_layers();
        read_layers();
        for (auto& layer : diff_.layers) {
            compare_layer(layer);
        }
        if (options_.file_system && !all_layers_same()) {
            compare_file_systems();
        }
        return std::move(diff_);
    }

private:
    void compare_documents() {
        const auto &old_raw = before_.manifest.raw.bytes, &new_raw = after_.manifest.raw.bytes;
        diff_.manifest = diff_json(old_raw, new_raw, "manifest");
        diff_.config = diff_json(before_.config.raw, after_.config.raw, "config");
        diff_.other_spelling = (diff_.manifest.empty() && old_raw != new_raw) ||
                               (diff_.config.empty() && before_.config.raw != after_.config.raw);
        if (options_.ignore_times) {
            std::erase_if(diff_.manifest, follows_from_content);
            std::erase_if(diff_.config, is_time);
            diff_.other_spelling = false;
        }
    }

    static bool follows_from_content(const ValueChange& change) {
        const std::string_view pointer = change.pointer;
        return (pointer.starts_with("/config/") || pointer.starts_with("/layers/")) &&
               (pointer.ends_with("/digest") || pointer.ends_with("/size"));
    }

    static bool is_time(const ValueChange& change) {
        const std::string_view pointer = change.pointer;
        return pointer == "/created" || (pointer.starts_with("/history/") && pointer.ends_with("/created")) ||
               pointer.starts_with("/rootfs/diff_ids");
    }

    void pair_layers() {
        const auto &old_ids = before_.config.diff_ids, &new_ids = after_.config.diff_ids;
        for (const auto& [b, a, equal] : align(old_ids.size(), new_ids.size(), [&](std::size_t i, std::size_t j) {
                 return old_ids[i] == new_ids[j];
             })) {
            LayerDiff layer{b, a, equal, false, {}, false};
            layer.same_blob = equal && before_.manifest.layers[*b].digest == after_.manifest.layers[*a].digest;
            diff_.layers.push_back(std::move(layer));
        }
    }

    [[nodiscard]] bool all_layers_same() const {
        return std::all_of(diff_.layers.begin(), diff_.layers.end(),
                           [](const auto& layer) { return layer.same_content; });
    }

    /// Each layer once, also one that is on both sides.
    void read_layers() {
        if (all_layers_same() || (!options_.layers && !options_.file_system)) {
            return;
        }
        std::vector<LayerOf> wanted;
        const auto want = [&](const oci::Image& image, const std::optional<std::size_t>& index) {
            if (index && numbers_.try_emplace(image.config.diff_ids[*index], wanted.size()).second) {
                wanted.push_back({&image, *index});
            }
        };
        for (const auto& layer : diff_.layers) {
            if (options_.file_system || !layer.same_content) {
                want(before_, layer.before);
                want(after_, layer.after);
            }
        }
        listings_ = list_layers(wanted, Contents::Hashed, std::string(kTask), run_);
    }

    [[nodiscard]] const LayerListing* listing(const oci::Image& image, const std::optional<std::size_t>& index) const {
        const auto found = index ? numbers_.find(image.config.diff_ids[*index]) : numbers_.end();
        return found == numbers_.end() ? nullptr : &listings_[found->second];
    }

    void compare_layer(LayerDiff& layer) const {
        if (layer.same_content || !options_.layers) {
            return;
        }
        layer.read = true;
        for_each_path(by_path(listing(before_, layer.before)), by_path(listing(after_, layer.after)),
                      [&](const std::string& path, const auto* b, const auto* a) {
                          files_.add(layer.files, path, state_in_layer(b), state_in_layer(a));
                      });
    }

    [[nodiscard]] FileSystem file_system(const oci::Image& image) const {
        FileSystem files;
        for (std::size_t i = 0; i < image.config.diff_ids.size(); ++i) {
            files.add(*listing(image, i));
        }
        return files;
    }

    void compare_file_systems() {
        const auto old_files = file_system(before_), new_files = file_system(after_);
        const auto state = [](const FileSystem& files, const FileSystem::NodeNumber* number) {
            if (number == nullptr) {
                return std::optional<FileState>();
            }
            const auto& node = files.node(*number);
            return std::optional(state_of(node.header(""), node.entry));
        };
        for_each_path(old_files.paths(), new_files.paths(), [&](const std::string& path, const auto* b, const auto* a) {
            if (b != nullptr && a != nullptr && is_implied(old_files.node(*b), new_files.node(*a))) {
                return;
            }
            files_.add(diff_.files, path, state(old_files, b), state(new_files, a));
        });
    }

    /// Of a directory that one side has no entry for, loaders choose mode and time.
    static bool is_implied(const FileNode& a, const FileNode& b) {
        return (a.entry == nullptr || b.entry == nullptr) && a.type() == b.type();
    }

    const oci::Image& before_;
    const oci::Image& after_;
    const DiffOptions& options_;
    FileComparison files_;
    const Run& run_;
    ImageDiff diff_;
    std::map<Digest, std::size_t> numbers_;  // diff ID -> position in listings_
    std::vector<LayerListing> listings_;
};

}  // namespace

std::string_view to_string(ChangeKind kind) noexcept {
    switch (kind) {
        case ChangeKind::Added:
            return "added";
        case ChangeKind::Removed:
            return "removed";
        case ChangeKind::Changed:
            break;
    }
    return "changed";
}

ChangeKind FileChange::kind() const noexcept {
    return !before ? ChangeKind::Added : !after ? ChangeKind::Removed : ChangeKind::Changed;
}

bool ImageDiff::same() const noexcept {
    const auto differs = [](const LayerDiff& layer) {
        return !layer.files.empty() || (!layer.read && !layer.same_content);
    };
    return manifest.empty() && config.empty() && !other_spelling && files.empty() &&
           std::none_of(layers.begin(), layers.end(), differs);
}

ImageDiff diff(const oci::Image& before, const oci::Image& after, const DiffOptions& options, const Run& run) {
    before.check();
    after.check();
    return Comparison(before, after, options, run).result();
}

}  // namespace cooper::build
