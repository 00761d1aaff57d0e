// Puts files into a root file system, wherever its symlinks lead, and never out of it (private).
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"

#include "build/copy/copy_entries.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::build {

/// A directory that is open (O_PATH). Its path is from the root and without symlinks; "" is the root.
struct OpenDirectory {
    FileDescriptor descriptor;
    std::string path;

    [[nodiscard]] std::string child_path(std::string_view name) const;
};

/// What stands where something is to be written.
enum class InTheWay : std::uint8_t {
    Refuse,   ///< directories stay directories, and nothing else becomes one
    Replace,  ///< it goes, with all below
};

/// Gives a file to its owner; `path` is absolute in the tree. Empty: all files are ours.
using OwnerSetter = std::function<void(const std::string& path, std::uint32_t uid, std::uint32_t gid)>;

/// One operation on one tree. Directories get their modes and times in finish(). Not thread-safe.
class TreeWriter {
public:
    /// `missing`: what directories get that nothing describes.
    TreeWriter(const std::filesystem::path& root, OwnerSetter set_owner, std::int64_t epoch, FileAttributes missing);

    /// The directory that `path` leads to, symlinks followed; what is missing is made. Throws Error{InvalidInput} where
    /// something else stands in the way.
    OpenDirectory make_directories(const std::string& path);
    /// The same, if it is there.
    std::optional<OpenDirectory> find_directory(const std::string& path);
    /// Where a file called `path` goes, symlinks followed, the last one too; parents are made. An empty `name`: it is a
    /// directory.
    struct Place {
        OpenDirectory directory;
        std::string name;
    };
    Place find_place(const std::string& path);

    /// A directory below `top`, without following anything; it was made before. Valid until the next call.
    const OpenDirectory& below(const OpenDirectory& top, std::string_view relative);

    /// A directory that nothing describes.
    void make_missing_directory(const OpenDirectory& parent, const std::string& name) {
        make_missing(parent.descriptor.get(), name, parent.child_path(name));
    }
    void make_directory(const OpenDirectory& parent, const std::string& name, const FileAttributes& attributes,
                        InTheWay in_the_way);
    /// `fill` writes the content.
    void make_file(const OpenDirectory& parent, const std::string& name, const FileAttributes& attributes,
                   InTheWay in_the_way, const std::function<void(int file, const std::string& shown)>& fill);
    void make_symlink(const OpenDirectory& parent, const std::string& name, const std::string& target,
                      const FileAttributes& attributes, InTheWay in_the_way);
    /// Devices and fifos.
    void make_node(const OpenDirectory& parent, const std::string& name, mode_t type, dev_t device,
                   const FileAttributes& attributes, InTheWay in_the_way);
    void make_link(const OpenDirectory& parent, const std::string& name, const OpenDirectory& target_parent,
                   const std::string& target, InTheWay in_the_way);

    /// Once, at the end.
    void finish();

private:
    template <class Make>
    void create(const OpenDirectory& parent, const std::string& name, InTheWay in_the_way, const char* what,
                Make&& make);
    bool make_missing(int parent, const std::string& name, const std::string& path);
    void give(const std::string& path, const FileAttributes& attributes) const;
    void set_xattrs(int file, const FileAttributes& attributes, const std::string& path) const;
    [[nodiscard]] std::int64_t clamped(std::int64_t mtime) const;
    [[nodiscard]] OpenDirectory root() const;

    OwnerSetter set_owner_;
    std::int64_t epoch_;
    FileAttributes missing_;
    FileDescriptor root_;
    OpenDirectory last_;                             // what below() gave
    std::map<std::string, FileAttributes> pending_;  // directories: mode and time
};

}  // namespace cooper::build
