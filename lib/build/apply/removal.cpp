#include "build/apply/removal.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "build/directory_stream.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <string_view>
#include <vector>

namespace cooper::build {

namespace {

constexpr mode_t kUsable = 0700;
constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct Entry {
    std::string name;
    bool maybe_directory;
};

[[noreturn]] void fail(const std::string& path) {
    throw SystemError("cannot remove '" + oci::printable(path) + "'", errno);
}

std::vector<Entry> list(int descriptor, const std::string& path) {
    // Of its own, so that nobody shares the position in the listing.
    const int again = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const DirectoryStream stream(again < 0 ? nullptr : fdopendir(again));
    if (!stream) {
        fail(path);
    }
    std::vector<Entry> entries;
    errno = 0;
    while (const dirent* entry = readdir(stream.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            entries.push_back({std::string(name), entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN});
        }
        errno = 0;
    }
    if (errno != 0) {
        fail(path);
    }
    return entries;
}

/// Depth first without recursion: hostile trees are deeper than stacks, and than descriptors that a process may have.
class Removal {
public:
    Removal(int parent, const RemovalOptions& options) : parent_(parent), options_(options) {}

    bool remove(const std::string& name, const std::string& path) {
        nothing_left_ = true;
        remove_one({name, true}, path);
        while (!levels_.empty()) {
            Level& level = levels_.back();
            if (level.entries.empty()) {
                leave();
                continue;
            }
            const Entry entry = std::move(level.entries.back());
            level.entries.pop_back();
            remove_one(entry, join_path(level.path, entry.name));
        }
        return nothing_left_;
    }

private:
    struct Level {
        std::string name;
        std::string path;
        dev_t device;
        ino_t inode;
        timespec modified;
        std::vector<Entry> entries;  // still to be removed
        bool named = false;          // what stays by its own right
        bool kept = false;
    };

    [[nodiscard]] int here() const { return levels_.empty() ? parent_ : here_.get(); }

    void stays() {
        if (levels_.empty()) {
            nothing_left_ = false;
        } else {
            levels_.back().kept = true;
        }
    }

    void remove_one(const Entry& entry, const std::string& path) {
        if (entry.maybe_directory && enter(entry.name, path)) {
            return;
        }
        if (options_.keep && options_.keep(path)) {
            stays();
        } else if (unlinkat(here(), entry.name.c_str(), 0) != 0 && errno != ENOENT) {
            fail(path);
        }
    }

    /// False: it is no directory, or not there.
    bool enter(const std::string& name, const std::string& path) {
        FileDescriptor next(openat(here(), name.c_str(), kFlags));
        if (!next.valid() && errno == EACCES && options_.open_up &&
            fchmodat(here(), name.c_str(), kUsable, AT_SYMLINK_NOFOLLOW) == 0) {
            next = FileDescriptor(openat(here(), name.c_str(), kFlags));
        }
        if (!next.valid() && (errno == ENOTDIR || errno == ELOOP || errno == ENOENT)) {
            return false;
        }
        struct stat status {};
        if (!next.valid() || fstat(next.get(), &status) != 0) {
            fail(path);
        }
        if (options_.open_up && (status.st_mode & kUsable) != kUsable && status.st_uid == geteuid() &&
            fchmod(next.get(), (status.st_mode & 07777) | kUsable) != 0) {
            fail(path);
        }
        const bool named = options_.keep && options_.keep(path);
        levels_.push_back(
            {name, path, status.st_dev, status.st_ino, status.st_mtim, list(next.get(), path), named, named});
        here_ = std::move(next);
        return true;
    }

    void leave() {
        const Level level = std::move(levels_.back());
        levels_.pop_back();
        if (level.kept) {
            const std::array<timespec, 2> times{level.modified, level.modified};
            if (futimens(here_.get(), times.data()) != 0) {
                fail(level.path);
            }
            if (!level.named && options_.emptied) {
                options_.emptied(level.path);
            }
        }
        if (levels_.empty()) {
            here_ = FileDescriptor();
        } else {
            go_up(level.path);
        }
        if (level.kept) {
            stays();
        } else if (unlinkat(here(), level.name.c_str(), AT_REMOVEDIR) != 0) {
            fail(level.path);
        }
    }

    void go_up(const std::string& from) {
        FileDescriptor up(openat(here_.get(), "..", kFlags));
        struct stat status {};
        if (!up.valid() || fstat(up.get(), &status) != 0) {
            fail(from);
        }
        if (status.st_dev != levels_.back().device || status.st_ino != levels_.back().inode) {
            throw Error(ErrorCode::Conflict, "'" + oci::printable(from) + "' was moved while it was removed");
        }
        here_ = std::move(up);
    }

    int parent_;
    const RemovalOptions& options_;
    std::vector<Level> levels_;
    FileDescriptor here_;  // of the last level
    bool nothing_left_ = true;
};

}  // namespace

bool remove_tree(int parent, const std::string& name, const std::string& path, const RemovalOptions& options) {
    return Removal(parent, options).remove(name, path);
}

void remove_contents(int descriptor, const std::string& path, const RemovalOptions& options) {
    for (const Entry& entry : list(descriptor, path)) {
        remove_tree(descriptor, entry.name, join_path(path, entry.name), options);
    }
}

}  // namespace cooper::build
