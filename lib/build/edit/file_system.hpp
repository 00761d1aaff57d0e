// The file system that layers make together, as containers on overlay file systems see it (private).
#pragma once

#include "build/edit/layer_listing.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

namespace cooper::build {

/// What a path leads to; hard links share one.
struct FileNode {
    std::uint32_t layer = 0;
    const LayerEntry* entry = nullptr;    ///< null: a directory that no layer has an entry for
    const LayerEntry* renamed = nullptr;  ///< the last hard link to it, whose header speaks of owner, mode and time

    [[nodiscard]] TarType type() const { return entry == nullptr ? TarType::Directory : entry->type; }
    /// The header in effect, for this path; a missing directory is 0755 0:0.
    [[nodiscard]] TarEntry header(std::string at) const;
};

/// Built by adding layers, base first. Entries are borrowed from the listings.
///
/// A whiteout speaks of the layers below its own, wherever in the tar it stands. A path whose parent is a symlink of
/// the same layer is followed, as unpackers do; a symlink of a lower layer is replaced by a directory, which is what
/// overlay file systems show. Paths have no slash at either end; "" is the root, if a layer has an entry for it.
class FileSystem {
public:
    using NodeNumber = std::uint32_t;

    /// Throws Error{InvalidInput} for a hard link to nothing or to a directory.
    void add(const LayerListing& layer);

    [[nodiscard]] const std::map<std::string, NodeNumber>& paths() const noexcept { return paths_; }
    [[nodiscard]] const FileNode& node(NodeNumber number) const { return nodes_[number]; }
    /// nullptr: there is nothing.
    [[nodiscard]] const FileNode* find(const std::string& path) const;
    /// `path` with symlinked parents followed inside the root. Throws Error{InvalidInput} for a loop.
    [[nodiscard]] std::string resolve_parents(const std::string& path) const;

private:
    void hide(const LayerEntry& whiteout);
    void erase_below(const std::string& path);
    void place(const std::string& path, NodeNumber number);
    void make_parents(const std::string& path);
    [[nodiscard]] std::string through_own_links(const std::string& path) const;
    NodeNumber linked(const LayerEntry& link);
    NodeNumber new_node(const FileNode& node);

    std::map<std::string, NodeNumber> paths_;
    std::vector<FileNode> nodes_;
    std::unordered_set<std::string> own_links_;  // of the layer that is being added
    std::uint32_t layers_ = 0;
};

}  // namespace cooper::build
