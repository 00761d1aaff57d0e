#include "cooper/base/error.hpp"

#include "build/paths.hpp"
#include "build/snapshot/changes.hpp"
#include "build/snapshot/layer_capture.hpp"
#include "build/snapshot/overlay_mount.hpp"
#include "build/snapshot/root_trees.hpp"
#include "build/snapshot/tree_owners.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
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
        if (member.whiteout) {
            make_whiteout(tree, member.path);
        }
    }
}

/// Lower layers' files are seen again; their directories are empty by the time that it is their turn.
void remove_scrubbed(TreeRoot& tree, const std::vector<Member>& scrubbed) {
    for (auto member = scrubbed.rbegin(); member != scrubbed.rend(); ++member) {
        const int parent = tree.directory(std::string(parent_path(member->path)));
        const int flags = S_ISDIR(member->status.st_mode) ? AT_REMOVEDIR : 0;
        if (unlinkat(parent, std::string(file_name(member->path)).c_str(), flags) != 0 && errno != ENOENT) {
            fail("cannot remove", member->path);
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

class OverlayTree final : public RootTree {
public:
    OverlayTree(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack, const Run& run)
        : directory_(std::move(directory)),
          stack_(std::move(stack)),
          owners_(directory_->form(), stack_),
          work_(directory_->make_work()),
          path_(work_.path() / "root") {
        make_directory(path_);
        make_directory(work_.path() / "lower");
        mount(run);
    }

    [[nodiscard]] const fs::path& path() const override { return path_; }
    [[nodiscard]] const std::vector<Digest>& layers() const override { return stack_.diff_ids(); }

    CapturedLayer capture(const CaptureOptions& options, const Run& run) override {
        TreeRoot upper(layer_ / "tree");
        LayerInTree found = find(upper, options, run);
        mounted_.reset();
        normalise(upper, found.changes, directory_->form());
        remove_scrubbed(upper, found.scrubbed);
        drop_empty_passages(upper, found.changes);
        set_times(upper, found.changes);
        describe_root(layer_ / "tree", stack_.root_directory());
        for (const Passage& passage : found.changes.passages) {
            found.index.implicit.push_back(passage.path);
        }
        std::sort(found.index.implicit.begin(), found.index.implicit.end());
        found.index.made_on = stack_name(stack_.diff_ids());
        stack_.push(directory_->publish(layer_, found.layer.diff_id, found.index));
        owners_.forget();
        mount(run);
        return std::move(found.layer);
    }

    void set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) override {
        owners_.set(path_, path, uid, gid);
    }
    [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> owner(const std::string& path) const override {
        return owners_.get(path_, path);
    }

private:
    /// A new upper directory over all layers.
    void mount(const Run& run) {
        const fs::path step = work_.path() / std::to_string(++steps_);
        layer_ = step;
        make_directory(layer_);
        make_directory(layer_ / "tree");
        describe_root(layer_ / "tree", stack_.root_directory());
        OverlayLayers layers;
        layers.lower = stack_.directories(run);
        layers.upper = layer_ / "tree";
        layers.work = work_.path() / (std::to_string(steps_) + "-work");
        layers.user_xattr = directory_->form().user_xattr;
        make_directory(layers.work);
        mounted_.emplace(path_, layers);
    }

    LayerInTree find(TreeRoot& upper, const CaptureOptions& capture, const Run& run) {
        OverlayLayers below;
        below.lower = stack_.directories(run);
        below.user_xattr = directory_->form().user_xattr;
        const OverlayMount mounted(work_.path() / "lower", below);
        LowerTree lower(work_.path() / "lower");
        ChangeOptions options;
        options.form = &directory_->form();
        options.has_new_owner = [this](const std::string& path) { return owners_.is_new(path); };
        return capture_changes(upper, lower, options, owners_, layer_ / "members", capture, run);
    }

    std::shared_ptr<SnapshotDirectory> directory_;
    LayerStack stack_;
    TreeOwners owners_;
    WorkDirectory work_;
    fs::path path_;
    fs::path layer_;  // in work_, with the upper directory as its tree
    unsigned steps_ = 0;
    std::optional<OverlayMount> mounted_;  // last: unmounted before its directories are removed
};

class OverlayView final : public RootTree {
public:
    OverlayView(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack, const Run& run)
        : directory_(std::move(directory)),
          stack_(std::move(stack)),
          owners_(directory_->form(), stack_),
          work_(directory_->make_work()),
          path_(work_.path() / "root") {
        make_directory(path_);
        OverlayLayers layers;
        layers.lower = stack_.directories(run);
        layers.user_xattr = directory_->form().user_xattr;
        mounted_.emplace(path_, layers);
    }

    [[nodiscard]] const fs::path& path() const override { return path_; }
    [[nodiscard]] const std::vector<Digest>& layers() const override { return stack_.diff_ids(); }
    CapturedLayer capture(const CaptureOptions&, const Run&) override { refuse(); }
    void set_owner(const std::string&, std::uint32_t, std::uint32_t) override { refuse(); }
    [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> owner(const std::string& path) const override {
        return owners_.get(path_, path);
    }

private:
    [[noreturn]] static void refuse() {
        throw Error(ErrorCode::Unsupported, "a file system that was opened to read only cannot be changed");
    }

    std::shared_ptr<SnapshotDirectory> directory_;
    LayerStack stack_;
    TreeOwners owners_;
    WorkDirectory work_;
    fs::path path_;
    std::optional<OverlayMount> mounted_;
};

}  // namespace

std::unique_ptr<RootTree> open_overlay_tree(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack,
                                            const Run& run) {
    return std::make_unique<OverlayTree>(std::move(directory), std::move(stack), run);
}

std::unique_ptr<RootTree> open_overlay_view(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack,
                                            const Run& run) {
    return std::make_unique<OverlayView>(std::move(directory), std::move(stack), run);
}

}  // namespace cooper::build
