// What a tree has become, against what it was: the members of a new layer (private).
#pragma once

#include "cooper/base/run.hpp"

#include "build/snapshot/disk_form.hpp"
#include "build/snapshot/tree_root.hpp"

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

/// The file system before the changes. Paths as TreeRoot has them.
class LowerView {
public:
    virtual ~LowerView() = default;
    /// nullopt: nothing is there.
    virtual std::optional<struct stat> status(const std::string& path) = 0;
    virtual std::vector<std::string> names(const std::string& path) = 0;
    virtual FileDescriptor open(const std::string& path) = 0;
    virtual std::string link(const std::string& path) = 0;
    /// Whether `now` is what it was, so that it needs no closer look.
    virtual bool is_untouched(const std::string& path, const struct stat& now) = 0;
};

/// One that lies in a directory.
class LowerTree final : public LowerView {
public:
    explicit LowerTree(const std::filesystem::path& directory) : tree_(directory) {}
    std::optional<struct stat> status(const std::string& path) override { return tree_.status(path); }
    std::vector<std::string> names(const std::string& path) override { return tree_.names(path); }
    FileDescriptor open(const std::string& path) override { return tree_.open(path); }
    std::string link(const std::string& path) override { return tree_.link(path); }
    bool is_untouched(const std::string&, const struct stat&) override { return false; }

private:
    TreeRoot tree_;
};

/// A member of the layer.
struct Member {
    std::string path;  ///< without slashes at its ends; of a whiteout: what it hides
    bool whiteout = false;
    struct stat status {};  ///< not of whiteouts
    std::string link;       ///< of a symbolic link
    std::int64_t time = 0;  ///< as the layer has it

    [[nodiscard]] std::string tar_path() const;
};

/// Directories that are on the disk only for what they hold.
struct Passage {
    std::string path;
    struct stat status {};
};

struct Changes {
    std::vector<Member> members;         ///< sorted bytewise by path in the tar
    std::vector<Passage> passages;       ///< parents come first
    std::vector<std::string> unchanged;  ///< files that are as they were
    std::vector<std::string> nothing;    ///< whiteouts of nothing, and sockets
    std::vector<std::string> opaque;     ///< directories with that mark
};

struct ChangeOptions {
    /// True: the whole file system lies in the tree, and what is not there was removed. False: the tree is the upper
    /// directory of an overlay mount.
    bool whole = false;
    const DiskForm* form = nullptr;
    /// Whether a file's owner was changed where the disk does not show it.
    std::function<bool(const std::string& path)> has_new_owner;
};

/// Walks `upper` and compares it with `lower`: type, mode, owner, size, time, link, attributes, device numbers; and
/// contents where all of these agree. Sockets are left out with a notice. Throws Error: Unsupported (marks of overlay
/// mounts that layers cannot say), InvalidInput (names that mean whiteouts, paths over the limits).
Changes find_changes(TreeRoot& upper, LowerView& lower, const ChangeOptions& options, const Run& run);

}  // namespace cooper::build
