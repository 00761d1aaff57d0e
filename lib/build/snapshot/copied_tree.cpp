#include "cooper/base/error.hpp"

#include "build/paths.hpp"
#include "build/snapshot/layer_capture.hpp"
#include "build/snapshot/manifest.hpp"
#include "build/snapshot/root_trees.hpp"
#include "build/snapshot/tree_copy.hpp"
#include "build/snapshot/tree_owners.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;

void make_directory(const fs::path& path) {
    if (mkdir(path.c_str(), 0700) != 0) {
        throw SystemError("cannot make the directory " + path.string(), errno);
    }
}

/// What a step changed, as a tree that overlay mounts could take too.
class ChangesCopy {
public:
    ChangesCopy(TreeRoot& from, const fs::path& to, const DiskForm& form, const Run& run)
        : from_(from), to_(to), form_(form), run_(run) {}

    /// Gives the directories that are there only for what they hold, the root among them.
    std::vector<std::string> copy(const Changes& changes) {
        for (const Member& member : changes.members) {
            run_.check();
            make_parents(std::string(parent_path(member.path)));
            add(member);
        }
        for (auto path = directories_.rbegin(); path != directories_.rend(); ++path) {
            describe_directory(from_, *path, to_, *path, form_);
        }
        implicit_.emplace_back();
        std::sort(implicit_.begin(), implicit_.end());
        return std::move(implicit_);
    }

private:
    [[nodiscard]] struct stat status(const std::string& path) {
        const auto found = from_.status(path);
        if (!found) {
            throw Error(ErrorCode::Conflict, TreeRoot::shown(path) + " was removed while its tree was read");
        }
        return *found;
    }

    void add(const Member& member) {
        if (member.whiteout) {
            if (form_.marked) {
                make_whiteout(to_, member.path);
            }
        } else if (const std::string* first = links_.first(member)) {
            link(*first, member.path);
        } else {
            copy_file(from_, to_, member.path, status(member.path), form_, run_);
            if (S_ISDIR(member.status.st_mode)) {
                directories_.insert(member.path);
            }
        }
    }

    void link(const std::string& target, const std::string& path) {
        const FileDescriptor directory = to_.open(std::string(parent_path(target)));
        const int parent = to_.directory(std::string(parent_path(path)));
        if (linkat(directory.get(), std::string(file_name(target)).c_str(), parent,
                   std::string(file_name(path)).c_str(), 0) != 0) {
            throw SystemError("cannot link " + TreeRoot::shown(path), errno);
        }
    }

    void make_parents(const std::string& path) {
        if (path.empty() || directories_.contains(path)) {
            return;
        }
        make_parents(std::string(parent_path(path)));
        copy_file(from_, to_, path, status(path), form_, run_);
        directories_.insert(path);
        implicit_.push_back(path);
    }

    TreeRoot& from_;
    TreeRoot to_;
    const DiskForm& form_;
    const Run& run_;
    HardLinks links_;
    std::set<std::string> directories_;
    std::vector<std::string> implicit_;
};

class CopiedTree final : public RootTree {
public:
    CopiedTree(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack, const Run& run)
        : directory_(std::move(directory)),
          stack_(std::move(stack)),
          owners_(directory_->form(), stack_),
          work_(directory_->make_work()),
          path_(work_.path() / "root") {
        make_directory(path_);
        manifest_.emplace(stack_, directory_->form(), path_, run);
        describe_root(path_, stack_.root_directory());
    }

    [[nodiscard]] const fs::path& path() const override { return path_; }
    [[nodiscard]] const std::vector<Digest>& layers() const override { return stack_.diff_ids(); }

    CapturedLayer capture(const CaptureOptions& options, const Run& run) override {
        const fs::path layer = work_.path() / std::to_string(++steps_);
        make_directory(layer);
        make_directory(layer / "tree");
        TreeRoot tree(path_);
        ChangeOptions how;
        how.whole = true;
        how.form = &directory_->form();
        how.has_new_owner = [this](const std::string& path) { return owners_.is_new(path); };
        LayerInTree found = capture_changes(tree, *manifest_, how, owners_, layer / "members", options, run);
        for (const auto& path : found.changes.nothing) {
            remove_file(tree, path);
        }
        for (const Member& member : found.scrubbed) {
            manifest_->restore(member.path, run);
        }
        tree.forget();
        part_links(tree, found.changes, run);
        set_times(tree, found.changes);
        describe_root(path_, stack_.root_directory());
        found.index.implicit = ChangesCopy(tree, layer / "tree", directory_->form(), run).copy(found.changes);
        keep(layer, found);
        settle(found.changes);
        return std::move(found.layer);
    }

    void set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) override {
        owners_.set(path_, path, uid, gid);
    }
    [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> owner(const std::string& path) const override {
        return owners_.get(path_, path);
    }

private:
    /// As overlay mounts do when one of several names is written to, or has a new time.
    void part_links(TreeRoot& tree, const Changes& changes, const Run& run) {
        for (const Member& member : changes.members) {
            if (!member.whiteout && !S_ISDIR(member.status.st_mode) && member.status.st_nlink > 1) {
                part_from_links(tree, member.path, directory_->form(), run);
            }
        }
    }

    void keep(const fs::path& layer, LayerInTree& found) {
        describe_root(layer / "tree", stack_.root_directory());
        found.index.made_on = stack_name(stack_.diff_ids());
        stack_.push(directory_->publish(layer, found.layer.diff_id, found.index));
        owners_.forget();
    }

    /// The tree is what the layers are, from now on.
    void settle(const Changes& changes) {
        std::vector<std::string> paths;
        for (const Member& member : changes.members) {
            manifest_->apply(member);
            if (!member.whiteout) {
                paths.push_back(member.path);
            }
        }
        manifest_->settle(paths);
    }

    std::shared_ptr<SnapshotDirectory> directory_;
    LayerStack stack_;
    TreeOwners owners_;
    WorkDirectory work_;
    fs::path path_;
    std::optional<Manifest> manifest_;
    unsigned steps_ = 0;
};

}  // namespace

std::unique_ptr<RootTree> open_copied_tree(std::shared_ptr<SnapshotDirectory> directory, LayerStack stack,
                                           const Run& run) {
    return std::make_unique<CopiedTree>(std::move(directory), std::move(stack), run);
}

}  // namespace cooper::build
