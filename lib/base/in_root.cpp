#include "base/in_root.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <vector>

namespace cooper::detail {

namespace {

constexpr int kStepFlags = O_PATH | O_CLOEXEC | O_NOFOLLOW;

class Walk {
public:
    Walk(int root, std::string_view path, const WalkHooks& hooks) : root_(root), path_(path), hooks_(hooks) {
        push(path);
    }

    Walked run() {
        while (!todo_.empty()) {
            const std::string name = std::move(todo_.back());
            todo_.pop_back();
            if (name.empty() || name == ".") {
                continue;
            }
            if (++steps_ > kMaxWalkSteps) {
                refuse("leads through more than " + std::to_string(kMaxWalkSteps) + " directories");
            }
            if (name == "..") {
                leave();
                continue;
            }
            const auto end = step(name);
            if (end != Walked::End::Directory) {
                return {end, FileDescriptor(), below(name)};
            }
        }
        return {Walked::End::Directory, open_here(), here_path_};
    }

private:
    struct Level {
        dev_t device;
        ino_t inode;
        std::size_t parent_length;  // of here_path_ above it
    };

    [[noreturn]] void refuse(const std::string& problem) const {
        throw Error(ErrorCode::InvalidInput, "'" + path_ + "' " + problem);
    }
    [[noreturn]] void fail(const std::string& name) const {
        throw SystemError("cannot open '" + below(name) + "'", errno);
    }

    [[nodiscard]] int here() const { return levels_.empty() ? root_ : here_.get(); }
    [[nodiscard]] std::string below(const std::string& name) const {
        return here_path_.empty() ? name : here_path_ + "/" + name;
    }

    void push(std::string_view text) {
        const auto parts = split(text, '/');
        std::for_each(parts.rbegin(), parts.rend(), [&](std::string_view part) { todo_.emplace_back(part); });
    }

    Walked::End step(const std::string& name) {
        FileDescriptor next(openat(here(), name.c_str(), kStepFlags));
        if (!next.valid() && errno == ENOENT && hooks_.missing && hooks_.missing(here(), name, below(name))) {
            next = FileDescriptor(openat(here(), name.c_str(), kStepFlags));
        }
        if (!next.valid() && errno == ENOENT) {
            return Walked::End::Missing;
        }
        struct stat status {};
        if (!next.valid() || fstat(next.get(), &status) != 0) {
            fail(name);
        }
        if (S_ISLNK(status.st_mode)) {
            follow(next.get(), name);
            return Walked::End::Directory;
        }
        if (!S_ISDIR(status.st_mode)) {
            return Walked::End::NotDirectory;
        }
        enter(std::move(next), name, status);
        return Walked::End::Directory;
    }

    void enter(FileDescriptor next, const std::string& name, const struct stat& status) {
        if (hooks_.entered) {
            hooks_.entered(here(), name, below(name), status);
        }
        levels_.push_back({status.st_dev, status.st_ino, here_path_.size()});
        here_path_ = below(name);
        here_ = std::move(next);
    }

    void follow(int link, const std::string& name) {
        struct statfs system {};
        if (fstatfs(link, &system) != 0) {
            fail(name);
        }
        if (system.f_type == PROC_SUPER_MAGIC) {  // its links lead to what a process holds, whatever their text says
            refuse("leads through a link of a process file system");
        }
        if (++links_ > kMaxSymlinks) {
            refuse("leads through a loop of symbolic links, or more than " + std::to_string(kMaxSymlinks));
        }
        std::array<char, PATH_MAX> target{};
        const ssize_t length = readlinkat(link, "", target.data(), target.size());
        if (length < 0) {
            fail(name);
        }
        const std::string_view text(target.data(), static_cast<std::size_t>(length));
        if (text.starts_with('/')) {
            levels_.clear();
            here_path_.clear();
        }
        push(text);
    }

    /// One up; stays in the root. Whether it is the directory that we came through is checked: a directory that
    /// somebody moves meanwhile must not take us out of the root.
    void leave() {
        if (levels_.empty()) {
            return;
        }
        here_path_.resize(levels_.back().parent_length);
        levels_.pop_back();
        if (levels_.empty()) {
            return;
        }
        FileDescriptor parent(openat(here_.get(), "..", kStepFlags));
        struct stat status {};
        if (!parent.valid() || fstat(parent.get(), &status) != 0) {
            fail("");
        }
        if (status.st_dev != levels_.back().device || status.st_ino != levels_.back().inode) {
            throw Error(ErrorCode::Conflict, "'" + here_path_ + "' was moved while it was walked through");
        }
        here_ = std::move(parent);
    }

    FileDescriptor open_here() {
        if (!levels_.empty()) {
            return std::move(here_);
        }
        FileDescriptor root(openat(root_, ".", kStepFlags | O_DIRECTORY));
        if (!root.valid()) {
            fail("");
        }
        return root;
    }

    int root_;
    std::string path_;
    const WalkHooks& hooks_;
    std::vector<std::string> todo_;  // components, next one last
    std::vector<Level> levels_;      // the directories between the root and here
    FileDescriptor here_;            // of the last level
    std::string here_path_;
    int links_ = 0;
    int steps_ = 0;
};

}  // namespace

FileDescriptor open_in_root_by_kernel(int root, const std::string& path, int flags, std::uint64_t more) {
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_DIRECTORY | O_CLOEXEC);
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | more;
    long opened = -1;
    do {
        opened = syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how);
    } while (opened < 0 && (errno == EINTR || errno == EAGAIN));  // EAGAIN: a rename raced with the lookup
    return FileDescriptor(static_cast<int>(opened));
}

Walked walk_in_root(int root, std::string_view path, const WalkHooks& hooks) {
    return Walk(root, path, hooks).run();
}

}  // namespace cooper::detail
