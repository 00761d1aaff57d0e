#include "cooper/base/error.hpp"

#include "build/paths.hpp"
#include "build/snapshot/changes.hpp"
#include "build/snapshot/layer_capture.hpp"
#include "build/snapshot/overlay_mount.hpp"
#include "build/snapshot/root_trees.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;

void make_directory(const fs::path& path) {
    if (mkdir(path.c_str(), 0700) != 0) {
        throw SystemError("cannot make the directory " + path.string(), errno);
    }
}

[[noreturn]] void fail(std::string_view action, const std::string& path) {
    throw SystemError(std::string(action) + " " + TreeRoot::shown(path), errno);
}

/// Owner, mode and time of a root are not in any layer: what a step changed of them does not last.
void describe_root(const fs::path& root, const fs::path& as) {
    struct stat status {};
    if (stat(as.c_str(), &status) != 0) {
        fail("cannot examine", "");
    }
    const std::array<timespec, 2> times{status.st_mtim, status.st_mtim};
    if (lchown(root.c_str(), status.st_uid, status.st_gid) != 0 || chmod(root.c_str(), status.st_mode & 07777U) != 0 ||
        utimensat(AT_FDCWD, root.c_str(), times.data(), 0) != 0) {
        fail("cannot describe", "");
    }
}

void remove_file(TreeRoot& tree, const std::string& path) {
    const int parent = tree.directory(std::string(parent_path(path)));
    if (unlinkat(parent, std::string(file_name(path)).c_str(), 0) != 0) {
        fail("cannot remove", path);
    }
}

/// The upper directory becomes what the layer says: no opaque directories, nothing that did not change.
void normalise(TreeRoot& tree, const Changes& changes, const DiskForm& form) {
    for (const auto& path : changes.nothing) {
        remove_file(tree, path);
    }
    for (const auto& path : changes.unchanged) {
        remove_file(tree, path);
    }
    const std::string opaque = form.overlay_xattr("opaque");
    for (const auto& path : changes.opaque) {
        if (fremovexattr(tree.directory(path), opaque.c_str()) != 0) {
            fail("cannot unmark", path);
        }
    }
    for (const Member& member : changes.members) {
        if (!member.whiteout) {
            continue;
        }
        const int parent = tree.directory(std::string(parent_path(member.path)));
        if (mknodat(parent, std::string(file_name(member.path)).c_str(), S_IFCHR, 0) != 0 && errno != EEXIST) {
            fail("cannot mark the removal of", member.path);
        }
    }
}

/// Directories that hold nothing of the layer go.
void drop_empty_passages(TreeRoot& tree, Changes& changes) {
    std::vector<Passage> kept;
    for (auto passage = changes.passages.rbegin(); passage != changes.passages.rend(); ++passage) {
        const int parent = tree.directory(std::string(parent_path(passage->path)));
        const bool removed = !passage->path.empty() &&
                             unlinkat(parent, std::string(file_name(passage->path)).c_str(), AT_REMOVEDIR) == 0;
        if (!removed) {
            kept.push_back(*passage);
        }
    }
    changes.passages.assign(kept.rbegin(), kept.rend());
}

/// The numbers and paths of a layer that was found.
LayerIndex index_of(const Changes& changes, const CapturedLayer& layer, const Digest& made_on) {
    LayerIndex index;
    index.captured = true;
    index.tar_size = layer.tar_size;
    index.entries = layer.entries;
    index.made_on = made_on;
    for (const Member& member : changes.members) {
        if (member.whiteout) {
            index.whiteouts.push_back(member.path);
        } else if (S_ISREG(member.status.st_mode)) {
            index.bytes += static_cast<std::uint64_t>(member.status.st_size);
        }
    }
    std::sort(index.whiteouts.begin(), index.whiteouts.end());
    for (const Passage& passage : changes.passages) {
        index.implicit.push_back(passage.path);
    }
    std::sort(index.implicit.begin(), index.implicit.end());
    return index;
}

class OverlayTree final : public RootTree {
public:
    OverlayTree(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack)
        : directory_(std::move(directory)),
          stack_(std::move(stack)),
          work_(directory_->make_work()),
          path_(work_.path() / "root") {
        make_directory(path_);
        make_directory(work_.path() / "lower");
        mount();
    }

    [[nodiscard]] const fs::path& path() const override { return path_; }
    [[nodiscard]] const std::vector<Digest>& layers() const override { return stack_.diff_ids(); }

    CapturedLayer capture(const CaptureOptions& options, const Run& run) override {
        TreeRoot upper(layer_ / "tree");
        Changes changes = find(upper, run);
        date_members(changes, options.epoch);
        CapturedLayer captured = hash_layer(upper, changes, layer_ / "members", nullptr, run);
        mounted_.reset();
        normalise(upper, changes, directory_->form());
        drop_empty_passages(upper, changes);
        set_times(upper, changes);
        describe_root(layer_ / "tree", stack_.root_directory());
        const LayerIndex index = index_of(changes, captured, stack_name(stack_.diff_ids()));
        stack_.push(directory_->publish(layer_, captured.diff_id, index));
        mount();
        return captured;
    }

    void set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) override {
        TreeRoot tree(path_);
        const std::string clean = clean_path(path);
        const int parent = tree.directory(std::string(parent_path(clean)));
        const std::string name = clean.empty() ? "." : std::string(file_name(clean));
        if (fchownat(parent, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) {
            fail("cannot change the owner of", clean);
        }
    }

    [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> owner(const std::string& path) const override {
        TreeRoot tree(path_);
        const std::string clean = clean_path(path);
        const auto status = tree.status(clean);
        if (!status) {
            throw Error(ErrorCode::NotFound, TreeRoot::shown(clean) + " is not there");
        }
        return {status->st_uid, status->st_gid};
    }

private:
    /// A new upper directory over all layers.
    void mount() {
        const fs::path step = work_.path() / std::to_string(++steps_);
        layer_ = step;
        make_directory(layer_);
        make_directory(layer_ / "tree");
        describe_root(layer_ / "tree", stack_.root_directory());
        OverlayLayers layers;
        layers.lower = stack_.directories();
        layers.upper = layer_ / "tree";
        layers.work = work_.path() / (std::to_string(steps_) + "-work");
        layers.user_xattr = directory_->form().user_xattr;
        make_directory(layers.work);
        mounted_.emplace(path_, layers);
    }

    Changes find(TreeRoot& upper, const Run& run) {
        OverlayLayers below;
        below.lower = stack_.directories();
        below.user_xattr = directory_->form().user_xattr;
        const OverlayMount mounted(work_.path() / "lower", below);
        LowerTree lower(work_.path() / "lower");
        ChangeOptions options;
        options.form = &directory_->form();
        return find_changes(upper, lower, options, run);
    }

    std::shared_ptr<SnapshotDirectory> directory_;
    LayerStack stack_;
    WorkDirectory work_;
    fs::path path_;
    fs::path layer_;  // in work_, with the upper directory as its tree
    unsigned steps_ = 0;
    std::optional<OverlayMount> mounted_;  // last: unmounted before its directories are removed
};

class OverlayView final : public RootTree {
public:
    OverlayView(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack)
        : directory_(std::move(directory)),
          stack_(std::move(stack)),
          work_(directory_->make_work()),
          path_(work_.path() / "root") {
        make_directory(path_);
        OverlayLayers layers;
        layers.lower = stack_.directories();
        layers.user_xattr = directory_->form().user_xattr;
        mounted_.emplace(path_, layers);
    }

    [[nodiscard]] const fs::path& path() const override { return path_; }
    [[nodiscard]] const std::vector<Digest>& layers() const override { return stack_.diff_ids(); }
    CapturedLayer capture(const CaptureOptions&, const Run&) override { refuse(); }
    void set_owner(const std::string&, std::uint32_t, std::uint32_t) override { refuse(); }
    [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> owner(const std::string& path) const override {
        TreeRoot tree(path_);
        const auto status = tree.status(clean_path(path));
        if (!status) {
            throw Error(ErrorCode::NotFound, TreeRoot::shown(path) + " is not there");
        }
        return {status->st_uid, status->st_gid};
    }

private:
    [[noreturn]] static void refuse() {
        throw Error(ErrorCode::Unsupported, "a file system that was opened to read only cannot be changed");
    }

    std::shared_ptr<SnapshotDirectory> directory_;
    LayerStack stack_;
    WorkDirectory work_;
    fs::path path_;
    std::optional<OverlayMount> mounted_;
};

}  // namespace

std::unique_ptr<RootTree> open_overlay_tree(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack) {
    return std::make_unique<OverlayTree>(std::move(directory), std::move(stack));
}

std::unique_ptr<RootTree> open_overlay_view(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack) {
    return std::make_unique<OverlayView>(std::move(directory), std::move(stack));
}

}  // namespace cooper::build
