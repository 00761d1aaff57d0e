// Where unpacked layers lie, and who uses them (private).
//
//   FORM/layers/HEX/tree     the layer as overlay mounts take it; HEX is of its diff ID
//   FORM/layers/HEX/index    what the tree cannot say (LayerIndex)
//   FORM/layers/HEX/members  of a captured layer: its tar's members in their order (MemberList)
//   FORM/fixes/HEX           directories that a stack of layers needs on top of it (LayerStack)
//   FORM/empty, FORM/nothing empty directories, for mounts that need one more
//   FORM/work/NAME           what is being made or changed
//
// FORM is DiskForm::name. Who uses a layer holds flock(2) shared on its directory, who removes one exclusively; the
// directory's time is that of its last use. Work directories are locked by whoever made them: one that is not is left
// from a killed process.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"

#include "build/snapshot/disk_form.hpp"
#include "build/snapshot/layer_index.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace cooper::build {

/// A layer that stays as long as somebody has this.
struct StoredLayer {
    Digest diff_id;
    std::filesystem::path directory;
    LayerIndex index;
    FileDescriptor lease;

    [[nodiscard]] std::filesystem::path tree() const { return directory / "tree"; }
    [[nodiscard]] std::filesystem::path members() const { return directory / "members"; }
};
/// Directories that a stack of layers needs on top of it; stays as long as somebody has this.
struct StackFix {
    std::filesystem::path directory;
    FileDescriptor lease;
    bool empty = true;  ///< it needs none

    [[nodiscard]] std::filesystem::path tree() const { return directory / "tree"; }
};
using LayerHandle = std::shared_ptr<const StoredLayer>;

/// A directory of our own, locked; removed with all in it when it goes.
class WorkDirectory {
public:
    WorkDirectory(std::filesystem::path path, FileDescriptor lock) : path_(std::move(path)), lock_(std::move(lock)) {}
    WorkDirectory(WorkDirectory&&) noexcept = default;
    WorkDirectory& operator=(WorkDirectory&&) = delete;
    ~WorkDirectory();
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
    FileDescriptor lock_;
};

/// Safe from several threads and processes.
class SnapshotDirectory {
public:
    /// Made when it is missing (0700).
    SnapshotDirectory(const std::filesystem::path& directory, DiskForm form);

    [[nodiscard]] const DiskForm& form() const noexcept { return form_; }
    [[nodiscard]] bool has(const Digest& diff_id) const;
    /// Null: it is not here.
    [[nodiscard]] LayerHandle find(const Digest& diff_id);
    /// Throws Error{NotFound}.
    [[nodiscard]] LayerHandle get(const Digest& diff_id);

    [[nodiscard]] WorkDirectory make_work() const;
    /// The one place where this layer is unpacked, empty; waits for others. nullopt: the layer is here by now.
    [[nodiscard]] std::optional<WorkDirectory> claim(const Digest& diff_id, const Run& run) const;
    /// `layer` (a directory in a work directory, with "tree") becomes the layer, unless there is one already.
    LayerHandle publish(const std::filesystem::path& layer, const Digest& diff_id, const LayerIndex& index);

    /// Null: it is not here. `name` is the stack's.
    [[nodiscard]] std::shared_ptr<const StackFix> find_fix(const Digest& name) const;
    std::shared_ptr<const StackFix> publish_fix(const std::filesystem::path& fix, const Digest& name) const;

    [[nodiscard]] std::filesystem::path empty_directory() const { return root_ / "empty"; }
    [[nodiscard]] std::filesystem::path other_empty_directory() const { return root_ / "nothing"; }

private:
    [[nodiscard]] std::filesystem::path directory_of(const Digest& diff_id) const;

    DiskForm form_;
    std::filesystem::path root_;
    std::mutex mutex_;
    std::map<Digest, std::weak_ptr<const StoredLayer>> in_use_;  // one lease of a layer for all its users
};

/// Opens a directory with its lock: a shared one is waited for. Invalid: there is none, or (exclusive) somebody else
/// has it. What is locked is what the name stands for.
FileDescriptor lock_directory(const std::filesystem::path& path, bool exclusive);

/// What killed processes left: work directories without a lock go, with what is still mounted in them.
void remove_abandoned(const std::filesystem::path& form_directory);

/// Removes a directory and all in it; what cannot be removed stays.
void remove_quietly(const std::filesystem::path& path) noexcept;

}  // namespace cooper::build
