// A private copy of what layers make together, and what is known of each of its files (private).
#pragma once

#include "cooper/base/run.hpp"

#include "build/snapshot/changes.hpp"
#include "build/snapshot/layer_stack.hpp"

#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// Files as they were when the copy was last known to be equal to its layers. As the lower file system it tells what
/// was changed since: by device, inode, time of change (which no program can set), and all else that stat(2) tells.
class Manifest final : public LowerView {
public:
    /// Fills `root`, an empty directory. Files of several names become files of their own, as overlay mounts make them
    /// when they are written to. Borrows `stack`.
    Manifest(LayerStack& stack, const DiskForm& form, const std::filesystem::path& root, const Run& run);

    std::optional<struct stat> status(const std::string& path) override;
    std::vector<std::string> names(const std::string& path) override;
    FileDescriptor open(const std::string& path) override;
    std::string link(const std::string& path) override;
    bool is_untouched(const std::string& path, const struct stat& now) override;

    /// A member of the stack's topmost layer, or its removal.
    void apply(const Member& member);
    /// Puts what the layers have at `path` into the place of what is there, or removes it.
    void restore(const std::string& path, const Run& run);
    /// Looks at the files of `paths` again; what happens from now on is a change.
    void settle(const std::vector<std::string>& paths);

private:
    struct Known {
        std::size_t layer = 0;
        struct stat status {};  // in the copy
        bool described = true;  // by an entry of that layer
    };
    using Files = std::map<std::string, Known, std::less<>>;

    void merge(std::size_t layer);
    void merge_directory(std::size_t layer, TreeRoot& tree, const std::string& path, std::vector<std::string>& todo);
    void erase_below(const std::string& path);
    void copy_all(const Run& run);
    void describe(const std::string& path, const Known& known);

    LayerStack& stack_;
    const DiskForm& form_;
    TreeRoot root_;
    Files files_;
    timespec settled_{};
};

}  // namespace cooper::build
