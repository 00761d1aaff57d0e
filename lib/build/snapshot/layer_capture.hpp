// Changes become a layer: dated, hashed, listed (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/build/snapshots.hpp"

#include "build/snapshot/changes.hpp"
#include "build/snapshot/layer_index.hpp"
#include "build/snapshot/layer_stack.hpp"
#include "build/snapshot/tree_owners.hpp"

#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

namespace cooper::build {

struct LayerInTree {
    Changes changes;
    std::vector<Member> scrubbed;  ///< what is to go from the tree, so that lower layers are seen; parents come first
    CapturedLayer layer;
    LayerIndex index;  ///< but for the paths of directories on the way
};

/// Finds what `tree` has become since it stood on `stack`, dates it, and hashes the layer; the list of its members is
/// written to `members`. In the tree only times inside of .pyc files are changed.
LayerInTree capture_changes(TreeRoot& tree, LowerView& lower, const ChangeOptions& options, const TreeOwners& owners,
                            const std::filesystem::path& members, const CaptureOptions& capture, const Run& run);

/// Makes the files in `tree` as young as the layer says; directories on the way keep the times that they were found
/// with. After all other changes of the tree.
void set_times(TreeRoot& tree, const Changes& changes);

/// Owner, mode and time of a root are in no layer: what a step changed of them does not last.
void describe_root(const std::filesystem::path& root, const std::filesystem::path& as);

/// The first path of each file that has several in the layer.
class HardLinks {
public:
    /// Null: it is the first, or the only one.
    const std::string* first(const Member& member);

private:
    std::unordered_map<ino_t, const std::string*> first_;
};

void remove_file(TreeRoot& tree, const std::string& path);
/// A mark of overlay mounts; one that is there already is as good.
void make_whiteout(TreeRoot& tree, const std::string& path);

}  // namespace cooper::build
