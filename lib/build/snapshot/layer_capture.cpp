#include "build/snapshot/layer_capture.hpp"

#include "cooper/base/error.hpp"

#include "build/paths.hpp"
#include "build/snapshot/file_copy.hpp"
#include "build/snapshot/member_list.hpp"

#include <fcntl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <unordered_map>

namespace cooper::build {

namespace {

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

/// The first path of each file that has several.
class HardLinks {
public:
    /// Null: it is the first.
    const std::string* first(const Member& member) {
        if (!S_ISREG(member.status.st_mode) || member.whiteout || member.status.st_nlink < 2) {
            return nullptr;
        }
        const auto [found, added] = first_.try_emplace(member.status.st_ino, &member.path);
        return added ? nullptr : found->second;
    }

private:
    std::unordered_map<ino_t, const std::string*> first_;
};

void set_time(TreeRoot& tree, const std::string& path, timespec time, bool is_directory) {
    const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, time};
    const int descriptor = tree.directory(is_directory ? path : std::string(parent_path(path)));
    const std::string name = is_directory ? "." : std::string(file_name(path));
    if (utimensat(descriptor, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
        throw SystemError("cannot set the time of " + TreeRoot::shown(path), errno);
    }
}

}  // namespace

void date_members(Changes& changes, std::int64_t epoch) {
    for (Member& member : changes.members) {
        member.time = member.whiteout
                          ? std::max<std::int64_t>(epoch, 0)
                          : std::max<std::int64_t>(std::min<std::int64_t>(member.status.st_mtim.tv_sec, epoch), 0);
    }
}

CapturedLayer hash_layer(TreeRoot& tree, const Changes& changes, const std::filesystem::path& members,
                         const Describe& describe, const Run& run) {
    HashSink sink;
    TarWriter tar(sink);
    MemberWriter list(members);
    HardLinks links;
    for (const Member& member : changes.members) {
        run.check();
        TarEntry entry = entry_of(member);
        if (describe && !member.whiteout) {
            describe(member, entry);
        }
        FileDescriptor file;
        if (const auto* first = links.first(member)) {
            entry.type = TarType::HardLink;
            entry.link = *first;
            entry.size = 0;
        } else if (!member.whiteout && (entry.type == TarType::File || entry.type == TarType::Directory)) {
            file = tree.open(member.path);
            entry.xattrs = layer_xattrs(file.get(), member.path);
        }
        list.add(entry);
        if (entry.type == TarType::File && entry.size > 0) {
            FileSource content(file.get(), member.path);
            tar.add(entry, content, run.stop);
        } else {
            tar.add(entry);
        }
    }
    tar.finish();
    list.finish();
    const std::uint64_t size = sink.size();
    return {sink.digest(), size, changes.members.size(), {}};
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

}  // namespace cooper::build
