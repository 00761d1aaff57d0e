#include "build/snapshot/changes.hpp"

#include "cooper/base/error.hpp"

#include "build/paths.hpp"
#include "build/snapshot/file_copy.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <set>

namespace cooper::build {

namespace {

constexpr std::uint64_t kMaxEntries = 5'000'000;

bool has_same_time(const struct stat& one, const struct stat& other) {
    return one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec;
}

bool is_device(mode_t mode) {
    return S_ISCHR(mode) || S_ISBLK(mode);
}

bool has_same_content(int one, int other, const std::string& path, const Run& run) {
    FileSource first(one, path);
    FileSource second(other, path);
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(2 * kStreamStep);
    std::byte* const left = buffer.get();
    std::byte* const right = buffer.get() + kStreamStep;
    for (;;) {
        run.check();
        const std::size_t count = read_full(first, {left, kStreamStep});
        if (read_full(second, {right, kStreamStep}) != count || std::memcmp(left, right, count) != 0) {
            return false;
        }
        if (count < kStreamStep) {
            return true;
        }
    }
}

class ChangeSearch {
public:
    ChangeSearch(TreeRoot& upper, LowerView& lower, const ChangeOptions& options, const Run& run)
        : upper_(upper), lower_(lower), options_(options), run_(run) {}

    Changes search() {
        const auto root = upper_.status("");
        changes_.passages.push_back({"", *root});
        todo_.push_back({"", true, options_.whole});
        while (!todo_.empty()) {
            const Directory directory = std::move(todo_.front());
            todo_.pop_front();
            search_directory(directory);
        }
        add_linked();
        std::sort(changes_.members.begin(), changes_.members.end(),
                  [](const Member& one, const Member& other) { return one.tar_path() < other.tar_path(); });
        return std::move(changes_);
    }

private:
    struct Directory {
        std::string path;
        bool below = false;  ///< the lower file system has a directory there
        bool whole = false;  ///< which has nothing that is not in ours
    };

    void search_directory(const Directory& directory) {
        run_.check();
        const auto names = upper_.names(directory.path);
        const bool whole = directory.whole || (is_upper() && is_opaque(directory.path));
        const bool whiteout_files = is_upper() && has_whiteout_files_;
        std::set<std::string_view> there;
        for (const auto& name : names) {
            const std::string path = join_path(directory.path, name);
            check_path(path);
            const auto status = upper_.status(path);
            if (!status) {
                throw Error(ErrorCode::Conflict, TreeRoot::shown(path) + " was removed while its tree was read");
            }
            if (is_whiteout(path, *status, whiteout_files) || S_ISSOCK(status->st_mode)) {
                add_nothing({directory.path, directory.below, whole}, path, *status);
                continue;
            }
            there.insert(name);
            add_file({directory.path, directory.below, whole}, path, *status);
        }
        if (whole && directory.below) {
            add_vanished(directory.path, there);
        }
    }

    [[nodiscard]] bool is_upper() const { return !options_.whole; }

    bool is_opaque(const std::string& path) {
        has_whiteout_files_ = false;
        const int descriptor = upper_.directory(path);
        const auto mark = find_xattr(descriptor, options_.form->overlay_xattr("opaque"));
        has_whiteout_files_ = mark == "x";
        if (mark) {
            changes_.opaque.push_back(path);
        }
        return mark == "y";
    }

    /// A character device 0/0; in directories marked so, also an empty file with an attribute (Linux 6.7).
    bool is_whiteout(const std::string& path, const struct stat& status, bool whiteout_files) {
        if (!is_upper()) {
            return false;
        }
        if (S_ISCHR(status.st_mode)) {
            return status.st_rdev == 0;
        }
        return whiteout_files && S_ISREG(status.st_mode) && status.st_size == 0 &&
               find_xattr(upper_.open(path).get(), options_.form->overlay_xattr("whiteout")).has_value();
    }

    /// What stands for nothing: whether it hides something is told by the lower file system.
    void add_nothing(const Directory& directory, const std::string& path, const struct stat& status) {
        if (S_ISSOCK(status.st_mode)) {
            run_.progress->notice(NoticeLevel::Info,
                                  "left out " + TreeRoot::shown(path) + ": a layer cannot hold sockets");
        }
        const bool hides = !directory.whole && directory.below && lower_.status(path);
        if (hides) {
            add_whiteout(path);
        }
        if (!hides || !S_ISCHR(status.st_mode)) {
            changes_.nothing.push_back(path);
        }
    }

    void add_vanished(const std::string& directory, const std::set<std::string_view>& there) {
        for (const auto& name : lower_.names(directory)) {
            if (!there.contains(name)) {
                add_whiteout(join_path(directory, name));
            }
        }
    }

    void add_whiteout(const std::string& path) {
        Member member;
        member.path = path;
        member.whiteout = true;
        add(std::move(member));
    }

    void add_file(const Directory& directory, const std::string& path, const struct stat& status) {
        if (is_whiteout_name(file_name(path))) {
            Error error(ErrorCode::InvalidInput,
                        TreeRoot::shown(path) + " cannot be in a layer: names with .wh. mean removed files there");
            error.advise("rename or remove it in the same step");
            throw Error(error);
        }
        const auto before = directory.below ? lower_.status(path) : std::nullopt;
        const bool same = before && is_same(path, status, *before);
        if (!same) {
            add_member(path, status);
        } else if (S_ISREG(status.st_mode) && status.st_nlink > 1 && !lower_.is_untouched(path, status)) {
            linked_.push_back({path, status});
        } else if (!S_ISDIR(status.st_mode) && is_upper()) {
            changes_.unchanged.push_back(path);
        }
        if (S_ISDIR(status.st_mode)) {
            if (same && is_upper()) {
                changes_.passages.push_back({path, status});
            }
            todo_.push_back({path, before && S_ISDIR(before->st_mode), directory.whole});
        }
    }

    bool is_same(const std::string& path, const struct stat& now, const struct stat& before) {
        if (options_.has_new_owner && options_.has_new_owner(path)) {
            return false;
        }
        if (lower_.is_untouched(path, now)) {
            return true;
        }
        if (now.st_mode != before.st_mode || now.st_uid != before.st_uid || now.st_gid != before.st_gid ||
            !has_same_time(now, before) || (is_device(now.st_mode) && now.st_rdev != before.st_rdev) ||
            (S_ISREG(now.st_mode) && now.st_size != before.st_size)) {
            return false;
        }
        if (S_ISLNK(now.st_mode)) {
            return upper_.link(path) == lower_.link(path);
        }
        if (!S_ISREG(now.st_mode) && !S_ISDIR(now.st_mode)) {
            return true;
        }
        const FileDescriptor ours = upper_.open(path);
        const FileDescriptor theirs = lower_.open(path);
        return layer_xattrs(ours.get(), path) == layer_xattrs(theirs.get(), path) &&
               (S_ISDIR(now.st_mode) || has_same_content(ours.get(), theirs.get(), path, run_));
    }

    /// A file that is as it was, but has a new name beside the old one: without both in the layer they would be two
    /// files.
    void add_linked() {
        std::set<std::pair<dev_t, ino_t>> files;
        for (const Member& member : changes_.members) {
            if (!member.whiteout && S_ISREG(member.status.st_mode)) {
                files.emplace(member.status.st_dev, member.status.st_ino);
            }
        }
        for (const auto& [path, status] : linked_) {
            if (files.contains({status.st_dev, status.st_ino})) {
                add_member(path, status);
            } else if (is_upper()) {
                changes_.unchanged.push_back(path);
            }
        }
    }

    void add_member(const std::string& path, const struct stat& status) {
        Member member;
        member.path = path;
        member.status = status;
        member.link = S_ISLNK(status.st_mode) ? upper_.link(path) : std::string();
        add(std::move(member));
    }

    void add(Member member) {
        if (changes_.members.size() == kMaxEntries) {
            throw Error(ErrorCode::InvalidInput,
                        "the step changed more files than the limit of " + std::to_string(kMaxEntries));
        }
        changes_.members.push_back(std::move(member));
    }

    TreeRoot& upper_;
    LowerView& lower_;
    const ChangeOptions& options_;
    const Run& run_;
    Changes changes_;
    std::deque<Directory> todo_;
    std::vector<std::pair<std::string, struct stat>> linked_;  // as they were, and with several names
    bool has_whiteout_files_ = false;                          // of the directory that is_opaque() was asked about
};

}  // namespace

std::string Member::tar_path() const {
    return whiteout ? join_path(parent_path(path), ".wh." + std::string(file_name(path))) : path;
}

Changes find_changes(TreeRoot& upper, LowerView& lower, const ChangeOptions& options, const Run& run) {
    return ChangeSearch(upper, lower, options, run).search();
}

}  // namespace cooper::build
