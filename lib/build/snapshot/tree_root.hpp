// A tree of files that others wrote: everything in it is reached by descriptors, and no link is followed (private).
#pragma once

#include "cooper/base/files.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// Paths are below the tree, without slashes at their ends; "" is the root. Keeps the directory that was used last
/// open, so that files in the order of their paths cost one lookup each. One thread at a time.
class TreeRoot {
public:
    /// Throws SystemError.
    explicit TreeRoot(std::filesystem::path directory);

    /// A descriptor that is valid until the next call; -1: no directory is there, or the way leads through a link.
    [[nodiscard]] int directory(const std::string& path);
    /// nullopt: nothing is there. Symbolic links are not followed.
    [[nodiscard]] std::optional<struct stat> status(const std::string& path);
    /// A regular file or directory to read. Throws SystemError naming it.
    [[nodiscard]] FileDescriptor open(const std::string& path);
    /// A regular file to change.
    [[nodiscard]] FileDescriptor open_to_write(const std::string& path);
    [[nodiscard]] std::string link(const std::string& path);
    /// Names in a directory, sorted bytewise; "." and ".." are left out.
    [[nodiscard]] std::vector<std::string> names(const std::string& path);

    /// A directory's descriptor was closed or replaced: looks it up again.
    void forget() { opened_ = FileDescriptor(); }
    [[nodiscard]] int descriptor() const noexcept { return root_.get(); }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return directory_; }
    /// For messages: printable, in quotes.
    [[nodiscard]] static std::string shown(const std::string& path);

private:
    [[nodiscard]] FileDescriptor open_with(const std::string& path, int flags);

    std::filesystem::path directory_;
    FileDescriptor root_;
    FileDescriptor opened_;
    std::string opened_path_;
};

/// What layers keep of a file's extended attributes: user.* and security.capability, but not those of overlay mounts.
/// `path` names it in errors.
std::map<std::string, std::string> layer_xattrs(int descriptor, const std::string& path);

/// The value of one attribute; nullopt: it has none of that name.
std::optional<std::string> find_xattr(int descriptor, const std::string& name);

}  // namespace cooper::build
