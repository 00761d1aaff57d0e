#include "build/snapshot/layer_unpacker.hpp"

#include "cooper/base/error.hpp"

#include "build/apply/layer_applier.hpp"
#include "build/paths.hpp"
#include "build/snapshot/file_copy.hpp"
#include "build/snapshot/tree_root.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

namespace cooper::build {

namespace {

constexpr mode_t kOwnersAccess = 0600;

class UnpackedLayer final : public LowerLayers {
public:
    UnpackedLayer(const DiskForm& form, const FindBelow& below, const Run& run)
        : form_(form), below_(below), run_(run) {}

    void hide(Directory& parent, const std::string& name) override {
        const std::string path = parent.child_path(name);
        struct stat status {};
        const bool own = fstatat(parent.descriptor.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
        if (own && S_ISDIR(status.st_mode)) {
            const FileDescriptor directory(
                openat(parent.descriptor.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            mark_opaque(directory.get(), path);
            return;
        }
        hidden_.insert(path);
        if (own || !form_.marked) {
            return;
        }
        parent.touched = true;
        if (mknodat(parent.descriptor.get(), name.c_str(), S_IFCHR, 0) != 0) {
            throw SystemError("cannot make a whiteout", errno);
        }
    }

    void hide_all(Directory& directory) override { mark_opaque(directory.descriptor.get(), directory.path); }

    bool link(Directory& parent, const std::string& name, const TarEntry& entry) override {
        const auto found = below_ ? below_(clean_path(entry.link)) : std::nullopt;
        if (!found) {
            return false;
        }
        parent.touched = true;
        TreeRoot lower(found->tree);
        const auto status = lower.status(found->path);
        if (!status || !S_ISREG(status->st_mode)) {
            return false;
        }
        unlinkat(parent.descriptor.get(), name.c_str(), 0);
        const FileDescriptor from = lower.open(found->path);
        const FileDescriptor to(
            openat(parent.descriptor.get(), name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, kOwnersAccess));
        if (!to.valid()) {
            throw SystemError("cannot create it", errno);
        }
        copy_content(from.get(), to.get(), found->path, run_);
        describe(to.get(), entry, layer_xattrs(from.get(), found->path));
        return true;
    }

    [[nodiscard]] bool is_hidden(const std::string& path) const override { return hidden_.contains(path); }

    void added(const std::string& path, const TarEntry& entry) override {
        root_described_ = root_described_ || path.empty();
        const bool device = entry.type == TarType::CharDevice || entry.type == TarType::BlockDevice;
        const bool as_it_is = form_.owners && (form_.devices || !device);
        if (as_it_is) {
            return;
        }
        const bool plain = entry.uid == 0 && entry.gid == 0 && !device && is_accessible(entry);
        if (plain) {
            index_.unset.erase(path);
        } else {
            const auto type = entry.type == TarType::HardLink ? TarType::File : entry.type;
            index_.unset[path] = {type, static_cast<std::uint32_t>(entry.uid), static_cast<std::uint32_t>(entry.gid),
                                  entry.mode};
        }
    }

    LayerIndex finish(const LayerApplier& applier, const Applied& applied) {
        index_.entries = applied.entries + applied.whiteouts;
        index_.bytes = applied.bytes;
        index_.whiteouts.assign(hidden_.begin(), hidden_.end());
        index_.opaque.assign(opaque_.begin(), opaque_.end());
        std::set<std::string> implicit;
        const auto add_parents = [&](std::string path) {
            while (!path.empty()) {
                path = std::string(parent_path(path));
                const bool described = path.empty() ? root_described_ : applier.own_paths().contains(path);
                if (!described && !implicit.insert(path).second) {
                    return;
                }
            }
        };
        for (const auto& path : applier.own_paths()) {
            add_parents(path);
        }
        for (const auto& path : hidden_) {
            add_parents(path);
        }
        for (const auto& path : opaque_) {
            add_parents(join_path(path, "x"));
        }
        if (!root_described_) {
            implicit.insert("");
        }
        index_.implicit.assign(implicit.begin(), implicit.end());
        return std::move(index_);
    }

private:
    /// Without root's rights, files that their owner may not read would be lost to us.
    static bool is_accessible(const TarEntry& entry) {
        const mode_t needed = entry.type == TarType::Directory ? S_IRWXU : S_IRUSR | S_IWUSR;
        return geteuid() == 0 || entry.type == TarType::Symlink || (entry.mode & needed) == needed;
    }

    void mark_opaque(int directory, const std::string& path) {
        opaque_.insert(path);
        if (form_.marked && fsetxattr(directory, form_.overlay_xattr("opaque").c_str(), "y", 1, 0) != 0) {
            throw SystemError("cannot mark " + TreeRoot::shown(path) + " as opaque", errno);
        }
    }

    void describe(int file, const TarEntry& entry, const std::map<std::string, std::string>& xattrs) const {
        TarEntry described = entry;
        described.xattrs = xattrs;
        if (form_.owners) {
            set_owner(file, "", described, AT_EMPTY_PATH);
        }
        if (fchmod(file, entry.mode) != 0) {
            throw SystemError("cannot change its mode", errno);
        }
        set_xattrs(file, described, form_.owners, false, [](std::string_view, std::string_view) {});
        if (futimens(file, times_of(described).data()) != 0) {
            throw SystemError("cannot set its time", errno);
        }
    }

    const DiskForm& form_;
    const FindBelow& below_;
    const Run& run_;
    LayerIndex index_;
    std::set<std::string> hidden_;
    std::set<std::string> opaque_;
    bool root_described_ = false;
};

/// Lets us into what its mode keeps us out of; the index has the modes that it shall have. Parents come first.
void open_up(const std::filesystem::path& tree, const LayerIndex& index) {
    if (geteuid() == 0) {
        return;
    }
    TreeRoot root(tree);
    for (const auto& [path, what] : index.unset) {
        const auto status = root.status(path);
        if (!status || S_ISLNK(status->st_mode)) {
            continue;
        }
        const mode_t mode = (status->st_mode & 07777U) | (S_ISDIR(status->st_mode) ? S_IRWXU : kOwnersAccess);
        const int parent = root.directory(std::string(parent_path(path)));
        const std::string name = path.empty() ? "." : std::string(file_name(path));
        if (fchmodat(parent, name.c_str(), mode, 0) != 0) {
            throw SystemError("cannot open up " + TreeRoot::shown(path), errno);
        }
    }
}

}  // namespace

LayerIndex unpack_layer(Source& tar, const std::filesystem::path& tree, const DiskForm& form, const FindBelow& below,
                        const Run& run) {
    ApplyOptions options;
    options.owners = form.owners;
    options.devices = form.devices;
    UnpackedLayer layer(form, below, run);
    LayerIndex index;
    {
        FileDescriptor root(open(tree.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!root.valid()) {
            throw SystemError("cannot open " + tree.string(), errno);
        }
        LayerApplier applier(std::move(root), options, Directories::Kernel::Newest, &layer);
        applier.describe_new_root();
        applier.apply(tar, run);
        const Applied applied = applier.finish(run);
        index = layer.finish(applier, applied);
    }
    open_up(tree, index);
    return index;
}

}  // namespace cooper::build
