#include "build/edit/file_system.hpp"

#include "cooper/base/error.hpp"

#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
    throw Error(ErrorCode::InvalidInput, "'" + oci::printable(path) + "' " + why);
}

}  // namespace

TarEntry FileNode::header(std::string at) const {
    if (entry == nullptr) {
        TarEntry directory;
        directory.type = TarType::Directory;
        directory.path = std::move(at);
        directory.mode = 0755;
        return directory;
    }
    auto header = entry->header(std::move(at));
    if (renamed != nullptr) {
        header.mode = renamed->mode;
        header.uid = renamed->uid;
        header.gid = renamed->gid;
        header.mtime = renamed->mtime;
        if (renamed->xattrs) {
            for (const auto& [name, value] : *renamed->xattrs) {
                header.xattrs[name] = value;
            }
        }
    }
    header.mtime = std::max<std::int64_t>(header.mtime, 0);  // what docker and containerd make of times before 1970
    return header;
}

void FileSystem::add(const LayerListing& layer) {
    for (const auto& entry : layer.entries) {
        if (entry.whiteout != Whiteout::Kind::None) {
            hide(entry);
        }
    }
    own_links_.clear();
    for (const auto& entry : layer.entries) {
        if (entry.whiteout != Whiteout::Kind::None) {
            continue;
        }
        if (entry.path.empty() && entry.type != TarType::Directory) {
            continue;  // the root is a directory, whatever a layer says
        }
        const auto path = through_own_links(entry.path);
        place(path, entry.type == TarType::HardLink ? linked(entry) : new_node({layers_, &entry, nullptr}));
        if (find(path)->type() == TarType::Symlink) {
            own_links_.insert(path);
        }
    }
    ++layers_;
}

const FileNode* FileSystem::find(const std::string& path) const {
    const auto found = paths_.find(path);
    return found == paths_.end() ? nullptr : &nodes_[found->second];
}

FileSystem::NodeNumber FileSystem::new_node(const FileNode& node) {
    nodes_.push_back(node);
    return static_cast<NodeNumber>(nodes_.size() - 1);
}

FileSystem::NodeNumber FileSystem::linked(const LayerEntry& link) {
    const auto target = through_own_links(clean_path(link.link));
    const auto found = paths_.find(target);
    if (found == paths_.end()) {
        refuse(link.path, "is a hard link to '" + oci::printable(link.link) + "', which is not there");
    }
    auto& node = nodes_[found->second];
    if (node.type() == TarType::Directory) {
        refuse(link.path, "is a hard link to '" + oci::printable(link.link) + "', which is a directory");
    }
    node.renamed = &link;
    return found->second;
}

std::string FileSystem::through_own_links(const std::string& path) const {
    for (auto slash = path.find('/'); slash != std::string::npos && !own_links_.empty();
         slash = path.find('/', slash + 1)) {
        if (own_links_.contains(path.substr(0, slash))) {
            return resolve_parents(path);
        }
    }
    return path;
}

std::string FileSystem::resolve_parents(const std::string& path) const {
    return follow_parents(path, [&](const std::string& parent) {
        const auto* node = find(parent);
        return node != nullptr && node->type() == TarType::Symlink ? &node->entry->link : nullptr;
    });
}

void FileSystem::make_parents(const std::string& path) {
    const std::string parent(parent_path(path));
    const auto* there = find(parent);
    if (parent.empty() || (there != nullptr && there->type() == TarType::Directory)) {
        return;  // and so are all above it
    }
    for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
        const auto above = path.substr(0, slash);
        const auto* node = find(above);
        if (node == nullptr || node->type() != TarType::Directory) {
            paths_[above] = new_node({layers_, nullptr, nullptr});
        }
    }
}

void FileSystem::place(const std::string& path, NodeNumber number) {
    make_parents(path);
    if (nodes_[number].type() != TarType::Directory) {
        erase_below(path);
    }
    paths_[path] = number;
}

void FileSystem::hide(const LayerEntry& entry) {
    const auto whiteout = whiteout_of(entry.header(entry.path), entry.path);
    if (whiteout.kind == Whiteout::Kind::Opaque) {
        erase_below(whiteout.directory);
    } else if (whiteout.kind == Whiteout::Kind::Hides) {
        const auto path = join_path(whiteout.directory, whiteout.hidden);
        erase_below(path);
        paths_.erase(path);
    }
}

void FileSystem::erase_below(const std::string& path) {
    if (path.empty()) {
        paths_.erase(paths_.upper_bound(""), paths_.end());
        return;
    }
    // '0' follows '/': the range is all that begins with "PATH/".
    paths_.erase(paths_.lower_bound(path + '/'), paths_.lower_bound(path + '0'));
}

}  // namespace cooper::build
