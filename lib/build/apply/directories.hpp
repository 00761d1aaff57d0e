// The directories of a root that entries go to: opened once, kept open while entries go on to come, and given back
// with the times that they must have.
#pragma once

#include "cooper/base/files.hpp"

#include <sys/stat.h>

#include <ctime>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

namespace cooper::build {

/// What may be done as the user that we are.
enum class Rights {
    Owner,  ///< directories that the user made but may not enter or change are opened up meanwhile
    Root,   ///< modes do not bind
};

/// An open directory. Its path is from the root and without symlinks.
struct Directory {
    std::string path;
    FileDescriptor descriptor;
    mode_t mode = 0;        ///< as it is now, with its type
    timespec modified{};    ///< the time that it shall have
    bool touched = false;   ///< the file system has given it another time meanwhile
    bool was_there = true;  ///< before make_child()

    [[nodiscard]] std::string child_path(std::string_view name) const;
};

/// All lookups are by descriptors beneath the root. Not thread-safe. A returned Directory stays valid until four more
/// calls; nothing else may change the tree meanwhile.
class Directories {
public:
    /// Which system calls to use; tests ask for the old ones.
    enum class Kernel { Newest, WithoutOpenat2 };

    Directories(FileDescriptor root, Rights rights, Kernel kernel);

    [[nodiscard]] Directory& root() { return root_; }
    /// The directory that `path` (cleaned) leads to; nullptr when there is none.
    Directory* find(const std::string& path);
    /// The same; what is missing is made (0755, time 0). Throws Error{InvalidInput} where a file is in the way.
    Directory& make(const std::string& path);
    /// `name` in `parent`, made unless it is a directory already; nullptr when something else is there.
    Directory* make_child(Directory& parent, const std::string& name);
    /// Permission bits, as far as they can be had now; finish() gives the rest. The root gets its own in finish():
    /// until then it is as private as it was.
    void set_mode(Directory& directory, mode_t mode);

    /// A link or file was removed: paths through it may lead elsewhere.
    void forget_links() { aliases_.clear(); }
    /// What is at `path`, and all below, is about to be removed: closes it. References to it are no longer valid.
    void forget(const std::string& path);
    /// Gives all directories their times.
    void settle();
    /// settle(), and the modes that would have been in our way.
    void finish();

private:
    using Opened = std::list<Directory>;

    Directory* find_opened(const std::string& path);
    Directory* open_by_kernel(const std::string& path);
    Directory* walk(const std::string& path, bool make_missing);
    Directory& adopt(FileDescriptor descriptor, std::string path);
    bool make_missing_directory(int parent, const std::string& name, const std::string& path);
    void open_up(int parent, const std::string& name, const std::string& path, const struct stat& status);
    static void settle(Directory& directory);

    Directory root_;
    Rights rights_;
    bool openat2_;
    Opened opened_;  // the last used one first
    std::unordered_map<std::string, Opened::iterator> index_;
    std::unordered_map<std::string, std::string> aliases_;  // paths through symlinks -> where they lead
    std::map<std::string, mode_t> final_modes_;             // of directories that are more open than they shall be
};

}  // namespace cooper::build
