#include "build/snapshot/layer_capture.hpp"

#include "cooper/base/error.hpp"

#include "build/paths.hpp"
#include "build/snapshot/compiled_python.hpp"
#include "build/snapshot/file_copy.hpp"
#include "build/snapshot/member_list.hpp"
#include "build/snapshot/scrub.hpp"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <set>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxListed = 1000;

/// Hashes and counts.
class HashSink final : public Sink {
public:
    void write(Bytes chunk) override {
        hasher_.update(chunk);
        size_ += chunk.size();
    }
    void finish() override {}
    [[nodiscard]] Digest digest() { return hasher_.finish(); }
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

private:
    Hasher hasher_;
    std::uint64_t size_ = 0;
};

TarType type_of(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFDIR:
            return TarType::Directory;
        case S_IFLNK:
            return TarType::Symlink;
        case S_IFIFO:
            return TarType::Fifo;
        case S_IFCHR:
            return TarType::CharDevice;
        case S_IFBLK:
            return TarType::BlockDevice;
        default:
            return TarType::File;
    }
}

TarEntry entry_of(const Member& member) {
    TarEntry entry;
    entry.path = member.tar_path();
    if (member.whiteout) {
        entry.mode = 0;
        entry.mtime = member.time;
        return entry;
    }
    const struct stat& status = member.status;
    entry.type = type_of(status.st_mode);
    entry.link = member.link;
    entry.mode = entry.type == TarType::Symlink ? 0777 : status.st_mode & 07777U;
    entry.uid = status.st_uid;
    entry.gid = status.st_gid;
    entry.size = entry.type == TarType::File ? static_cast<std::uint64_t>(status.st_size) : 0;
    entry.mtime = member.time;
    if (entry.type == TarType::CharDevice || entry.type == TarType::BlockDevice) {
        entry.device_major = major(status.st_rdev);
        entry.device_minor = minor(status.st_rdev);
    }
    return entry;
}

[[noreturn]] void fail(std::string_view action, const std::string& path) {
    throw SystemError(std::string(action) + " " + TreeRoot::shown(path), errno);
}

void set_time(TreeRoot& tree, const std::string& path, timespec time, bool is_directory) {
    const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, time};
    const int descriptor = tree.directory(is_directory ? path : std::string(parent_path(path)));
    const std::string name = is_directory ? "." : std::string(file_name(path));
    if (utimensat(descriptor, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
        fail("cannot set the time of", path);
    }
}

/// Whole seconds from 1970 to `epoch`.
void date_members(Changes& changes, std::int64_t epoch) {
    for (Member& member : changes.members) {
        const std::int64_t time = member.whiteout ? epoch : std::min<std::int64_t>(member.status.st_mtim.tv_sec, epoch);
        member.time = std::max<std::int64_t>(time, 0);
    }
}

/// The directories above each member, changed or not: docker and podman unpack a layer by itself, and would make those
/// that it does not name as root's, with mode 0755.
void add_directories_above(TreeRoot& tree, Changes& changes) {
    std::set<std::string, std::less<>> named;
    for (const Member& member : changes.members) {
        if (!member.whiteout && S_ISDIR(member.status.st_mode)) {
            named.insert(member.path);
        }
    }
    std::vector<Member> above;
    for (const Member& member : changes.members) {
        for (auto path = parent_path(member.path); !path.empty() && !named.contains(path); path = parent_path(path)) {
            Member directory;
            directory.path = path;
            directory.status = *tree.status(directory.path);
            named.insert(directory.path);
            above.push_back(std::move(directory));
        }
    }
    changes.members.insert(changes.members.end(), std::make_move_iterator(above.begin()),
                           std::make_move_iterator(above.end()));
    std::sort(changes.members.begin(), changes.members.end(),
              [](const Member& one, const Member& other) { return one.tar_path() < other.tar_path(); });
    std::erase_if(changes.passages, [&](const Passage& passage) { return named.contains(passage.path); });
}

class LayerHash {
public:
    LayerHash(TreeRoot& tree, const TreeOwners& owners, const std::filesystem::path& members, LayerIndex& index,
              const Run& run)
        : tree_(tree), owners_(owners), index_(index), run_(run), tar_(sink_), list_(members) {}

    void add(const Member& member) {
        run_.check();
        TarEntry entry = entry_of(member);
        if (member.whiteout) {
            index_.whiteouts.push_back(member.path);
        } else {
            owners_.describe(member, entry, index_.unset);
        }
        FileDescriptor file;
        if (const auto* first = links_.first(member)) {
            entry.type = TarType::HardLink;
            entry.link = *first;
            entry.size = 0;
        } else if (!member.whiteout && (entry.type == TarType::File || entry.type == TarType::Directory)) {
            file = tree_.open(member.path);
            entry.xattrs = layer_xattrs(file.get(), member.path);
        }
        list_.add(entry);
        index_.bytes += entry.size;
        if (entry.size > 0) {
            FileSource content(file.get(), member.path);
            tar_.add(entry, content, run_.stop);
        } else {
            tar_.add(entry);
        }
    }

    Digest finish() {
        tar_.finish();
        list_.finish();
        index_.tar_size = sink_.size();
        std::sort(index_.whiteouts.begin(), index_.whiteouts.end());
        return sink_.digest();
    }

private:
    TreeRoot& tree_;
    const TreeOwners& owners_;
    LayerIndex& index_;
    const Run& run_;
    HashSink sink_;
    TarWriter tar_;
    MemberWriter list_;
    HardLinks links_;
};

}  // namespace

LayerInTree capture_changes(TreeRoot& tree, LowerView& lower, const ChangeOptions& options, const TreeOwners& owners,
                            const std::filesystem::path& members, const CaptureOptions& capture, const Run& run) {
    Changes changes = find_changes(tree, lower, options, run);
    std::vector<Member> scrubbed = take_scrubbed(changes, capture.scrub);
    add_directories_above(tree, changes);
    date_members(changes, capture.epoch);
    date_compiled_python(tree, changes);
    LayerIndex index;
    index.captured = true;
    index.entries = changes.members.size();
    LayerHash hash(tree, owners, members, index, run);
    for (const Member& member : changes.members) {
        hash.add(member);
    }
    CapturedLayer layer{hash.finish(), index.tar_size, index.entries, {}};
    for (const Member& member : scrubbed) {
        if (layer.scrubbed.size() < kMaxListed) {
            layer.scrubbed.push_back(member.path);
        }
    }
    return {std::move(changes), std::move(scrubbed), std::move(layer), std::move(index)};
}

const std::string* HardLinks::first(const Member& member) {
    if (member.whiteout || !S_ISREG(member.status.st_mode) || member.status.st_nlink < 2) {
        return nullptr;
    }
    const auto [found, added] = first_.try_emplace(member.status.st_ino, &member.path);
    return added ? nullptr : found->second;
}

void set_times(TreeRoot& tree, const Changes& changes) {
    for (const Member& member : changes.members) {
        const bool is_directory = !member.whiteout && S_ISDIR(member.status.st_mode);
        const bool stands = member.status.st_mtim.tv_sec == member.time && member.status.st_mtim.tv_nsec == 0;
        if (!member.whiteout && (is_directory || !stands)) {
            set_time(tree, member.path, {member.time, 0}, is_directory);
        }
    }
    for (const Passage& passage : changes.passages) {
        set_time(tree, passage.path, passage.status.st_mtim, true);
    }
}

void describe_root(const std::filesystem::path& root, const std::filesystem::path& as) {
    struct stat status {};
    if (stat(as.c_str(), &status) != 0) {
        fail("cannot examine", "");
    }
    const std::array<timespec, 2> times{status.st_mtim, status.st_mtim};
    if (lchown(root.c_str(), status.st_uid, status.st_gid) != 0 || chmod(root.c_str(), status.st_mode & 07777U) != 0 ||
        utimensat(AT_FDCWD, root.c_str(), times.data(), 0) != 0) {
        fail("cannot describe", "");
    }
}

void remove_file(TreeRoot& tree, const std::string& path) {
    const int parent = tree.directory(std::string(parent_path(path)));
    if (unlinkat(parent, std::string(file_name(path)).c_str(), 0) != 0) {
        fail("cannot remove", path);
    }
}

void make_whiteout(TreeRoot& tree, const std::string& path) {
    const int parent = tree.directory(std::string(parent_path(path)));
    if (mknodat(parent, std::string(file_name(path)).c_str(), S_IFCHR, 0) != 0 && errno != EEXIST) {
        fail("cannot mark the removal of", path);
    }
}

}  // namespace cooper::build
