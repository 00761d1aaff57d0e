#include "build/apply/layer_applier.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "build/apply/removal.hpp"
#include "build/directory_stream.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxListed = 1000;
constexpr std::size_t kMaxOwnBytes = 512ULL << 20;  // paths of one layer; a million take some 60 MB
constexpr mode_t kPrivate = 0600;

[[noreturn]] void refuse(const std::string& problem) {
    throw Error(ErrorCode::InvalidInput, problem);
}

[[noreturn]] void fail(std::string_view action) {
    throw SystemError(std::string(action), errno);
}

void check_limit(std::uint64_t sum, std::uint64_t more, std::uint64_t limit, std::string_view what) {
    if (more > limit || sum > limit - more) {
        refuse(std::string(what) + " exceed the limit of " + format_bytes(limit));
    }
}

bool is_empty(const Directory& directory) {
    const int again = openat(directory.descriptor.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const DirectoryStream stream(again < 0 ? nullptr : fdopendir(again));
    if (!stream) {
        fail("cannot list the directory");
    }
    while (const dirent* entry = readdir(stream.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") {
            return false;
        }
    }
    return true;
}

void write_all(int file, Bytes chunk) {
    while (!chunk.empty()) {
        const ssize_t count = write(file, chunk.data(), chunk.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            throw SystemError("cannot write it", count < 0 ? errno : ENOSPC);
        }
        chunk = chunk.subspan(static_cast<std::size_t>(count));
    }
}

/// A full disk is no fault of the entry: says how much was asked of it.
[[noreturn]] void rethrow_explained(const SystemError& error, const std::string& entry, std::uint64_t bytes) {
    SystemError explained = error;
    explained.add_context("applying '" + oci::printable(entry) + "'");
    if (error.error_number() == ENOSPC || error.error_number() == EDQUOT) {
        explained.advise("the file system is full after " + format_bytes(bytes) +
                         " of the image's files (or has no inodes left): make room, or unpack elsewhere");
    }
    throw SystemError(explained);
}

/// Whether something new at `path` removes `other`.
bool replaces(const std::string& path, const std::string& other) {
    return other.starts_with(path) && (other.size() == path.size() || other[path.size()] == '/');
}

/// A directory that no entry describes.
TarEntry implicit_directory() {
    TarEntry entry;
    entry.type = TarType::Directory;
    entry.mode = 0755;
    return entry;
}

std::string_view word_for(TarType type) {
    switch (type) {
        case TarType::CharDevice:
            return "character device";
        case TarType::BlockDevice:
            return "block device";
        default:
            return "fifo";
    }
}

}  // namespace

LayerApplier::LayerApplier(FileDescriptor root, const ApplyOptions& options, Directories::Kernel kernel,
                           LowerLayers* lower)
    : options_(options),
      directories_(std::move(root), options.owners ? Rights::Root : Rights::Owner, kernel),
      lower_(lower),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kStreamStep)) {}

void LayerApplier::apply(Source& tar, const Run& run) {
    below_ = lower_ != nullptr || !is_empty(directories_.root());
    layer_bytes_ = 0;
    own_.clear();
    own_bytes_ = 0;
    TarReader reader(tar, options_.limits);
    while (const auto entry = reader.next()) {
        run.check();
        try {
            add(*entry, reader.content(), run);
        } catch (const SystemError& error) {
            rethrow_explained(error, entry->path, applied_.bytes);
        } catch (Error& error) {
            error.add_context("applying '" + oci::printable(entry->path) + "'");
            throw;
        }
    }
    directories_.settle();
}

void LayerApplier::describe_new_root() {
    describe_directory(directories_.root(), implicit_directory());
}

Applied LayerApplier::finish(const Run& run) {
    directories_.finish();
    if (left_out_ > 0) {
        run.progress->notice(NoticeLevel::Warning,
                             std::to_string(left_out_) +
                                 " things of the image cannot be had here and were left out, first " +
                                 applied_.left_out.front());
    }
    return std::exchange(applied_, {});
}

void LayerApplier::add(const TarEntry& entry, Source& content, const Run& run) {
    const std::string path = clean_path(entry.path);
    const Whiteout whiteout = whiteout_of(entry, path);
    if (whiteout.kind != Whiteout::Kind::None) {
        ++applied_.whiteouts;
        hide(whiteout);
        return;
    }
    ++applied_.entries;
    if (path.empty()) {
        add_root(entry);
        return;
    }
    Directory& parent = directories_.make(whiteout.directory);
    const std::string place_path = parent.child_path(whiteout.hidden);
    remember_own(place_path);
    place(parent, whiteout.hidden, entry, content, run);
    if (lower_ != nullptr) {
        lower_->added(place_path, entry);
    }
}

void LayerApplier::place(Directory& parent, const std::string& name, const TarEntry& entry, Source& content,
                         const Run& run) {
    switch (entry.type) {
        case TarType::Directory:
            return add_directory(parent, name, entry);
        case TarType::File:
            return add_file(parent, name, entry, content, run);
        case TarType::Symlink:
            return add_symlink(parent, name, entry);
        case TarType::HardLink:
            return add_hard_link(parent, name, entry);
        case TarType::CharDevice:
        case TarType::BlockDevice:
        case TarType::Fifo:
            return add_node(parent, name, entry);
    }
}

void LayerApplier::add_root(const TarEntry& entry) {
    if (entry.type != TarType::Directory) {
        refuse("the root of an image cannot be anything but a directory");
    }
    describe_directory(directories_.root(), entry);
    if (lower_ != nullptr) {
        lower_->added("", entry);
    }
}

void LayerApplier::add_directory(Directory& parent, const std::string& name, const TarEntry& entry) {
    Directory* directory = directories_.make_child(parent, name);
    if (directory == nullptr) {
        make_room(parent, name);
        directory = directories_.make_child(parent, name);
    }
    if (directory == nullptr) {
        refuse("something else appears in the place of the directory");
    }
    describe_directory(*directory, entry);
    if (lower_ != nullptr && lower_->is_hidden(directory->path)) {
        lower_->hide_all(*directory);
    }
}

void LayerApplier::describe_directory(Directory& directory, const TarEntry& entry) {
    if (options_.owners) {
        set_owner(directory.descriptor.get(), "", entry, AT_EMPTY_PATH);
    }
    directories_.set_mode(directory, entry.mode);
    if (directory.was_there || !entry.xattrs.empty()) {
        set_xattrs(directory.descriptor.get(), entry, options_.owners, directory.was_there, leaving_out_of(entry));
    }
    directory.modified = times_of(entry)[1];
    directory.touched = true;
}

void LayerApplier::add_file(Directory& parent, const std::string& name, const TarEntry& entry, Source& content,
                            const Run& run) {
    FileDescriptor file;
    create(parent, name, "cannot create it", [&] {
        constexpr int kFlags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
        file = FileDescriptor(openat(parent.descriptor.get(), name.c_str(), kFlags, kPrivate));
        return file.valid();
    });
    write_content(file.get(), entry, content, run);
    give_owner(parent, file.get(), entry);  // takes setuid and capabilities away: before both
    if (fchmod(file.get(), entry.mode) != 0) {
        fail("cannot change its mode");
    }
    if (!entry.xattrs.empty()) {
        set_xattrs(file.get(), entry, options_.owners, false, leaving_out_of(entry));
    }
    if (futimens(file.get(), times_of(entry).data()) != 0) {
        fail("cannot set its time");
    }
}

void LayerApplier::write_content(int file, const TarEntry& entry, Source& content, const Run& run) {
    check_limit(layer_bytes_, entry.size, options_.max_layer_bytes, "the files of one layer");
    check_limit(applied_.bytes, entry.size, options_.max_total_bytes, "the files of all layers");
    const MutableBytes buffer(buffer_.get(), kStreamStep);
    for (std::uint64_t left = entry.size; left > 0;) {
        const std::size_t count = read_full(content, buffer.first(std::min<std::uint64_t>(left, buffer.size())));
        write_all(file, Bytes(buffer).first(count));
        left -= count;
        run.check();
    }
    layer_bytes_ += entry.size;
    applied_.bytes += entry.size;
}

/// A new file is ours already, but a directory with the setgid bit gives it its group.
void LayerApplier::give_owner(Directory& parent, int file, const TarEntry& entry) const {
    const bool ours = entry.uid == geteuid() && entry.gid == getegid() && (parent.mode & S_ISGID) == 0;
    if (options_.owners && !ours) {
        set_owner(file, "", entry, AT_EMPTY_PATH);
    }
}

void LayerApplier::add_symlink(Directory& parent, const std::string& name, const TarEntry& entry) {
    create(parent, name, "cannot create the symbolic link",
           [&] { return symlinkat(entry.link.c_str(), parent.descriptor.get(), name.c_str()) == 0; });
    describe_unopened(parent, name, entry, false);
}

void LayerApplier::add_node(Directory& parent, const std::string& name, const TarEntry& entry) {
    const bool device = entry.type != TarType::Fifo;
    const mode_t type = entry.type == TarType::Fifo ? S_IFIFO : entry.type == TarType::CharDevice ? S_IFCHR : S_IFBLK;
    bool permitted = !device || (options_.owners && options_.devices);
    if (permitted) {
        create(parent, name, "cannot create the " + std::string(word_for(entry.type)), [&] {
            const dev_t number = device ? makedev(entry.device_major, entry.device_minor) : 0;
            const bool made = mknodat(parent.descriptor.get(), name.c_str(), type | kPrivate, number) == 0;
            permitted = made || !device || errno != EPERM;  // root of a user namespace makes none
            return made || !permitted;
        });
    }
    if (!permitted) {
        make_room(parent, name);
        leave_out(entry, word_for(entry.type), options_.owners ? "not permitted" : "needs the image's owners");
        return;
    }
    describe_unopened(parent, name, entry, true);
}

void LayerApplier::add_hard_link(Directory& parent, const std::string& name, const TarEntry& entry) {
    const std::string path = clean_path(entry.link);
    const std::string target(file_name(path));
    const std::string shown = "the target '" + oci::printable(entry.link) + "' of the hard link ";
    Directory* const directory = target.empty() ? nullptr : directories_.find(std::string(parent_path(path)));
    struct stat status {};
    if (directory == nullptr ||
        fstatat(directory->descriptor.get(), target.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
        (lower_ != nullptr && S_ISCHR(status.st_mode) && status.st_rdev == 0)) {
        if (lower_ != nullptr && lower_->link(parent, name, entry)) {
            return;
        }
        refuse(shown + "is not there");
    }
    if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
        refuse(shown + "is no regular file");
    }
    if (replaces(parent.child_path(name), directory->child_path(target))) {
        refuse(shown + "is what the link takes the place of");
    }
    create(parent, name, "cannot create the hard link", [&] {
        return linkat(directory->descriptor.get(), target.c_str(), parent.descriptor.get(), name.c_str(), 0) == 0;
    });
    describe_link(parent, name, entry, status);
}

/// A hard link's header speaks of the file that it shares; docker, podman and containerd believe the last one.
void LayerApplier::describe_link(Directory& parent, const std::string& name, const TarEntry& entry,
                                 const struct stat& target) {
    // A change of owners would take capabilities away.
    const bool same_owner = target.st_uid == entry.uid && target.st_gid == entry.gid;
    if (options_.owners && !same_owner) {
        set_owner(parent.descriptor.get(), name.c_str(), entry, AT_SYMLINK_NOFOLLOW);
    }
    if (S_ISREG(target.st_mode) &&
        fchmodat(parent.descriptor.get(), name.c_str(), entry.mode, AT_SYMLINK_NOFOLLOW) != 0) {
        fail("cannot change its mode");
    }
    if (utimensat(parent.descriptor.get(), name.c_str(), times_of(entry).data(), AT_SYMLINK_NOFOLLOW) != 0) {
        fail("cannot set its time");
    }
}

/// Owner, mode and time of what is not opened: symlinks, fifos, devices.
void LayerApplier::describe_unopened(Directory& parent, const std::string& name, const TarEntry& entry,
                                     bool with_mode) {
    const int directory = parent.descriptor.get();
    if (options_.owners) {
        set_owner(directory, name.c_str(), entry, AT_SYMLINK_NOFOLLOW);
    }
    if (with_mode && fchmodat(directory, name.c_str(), entry.mode, AT_SYMLINK_NOFOLLOW) != 0) {
        fail("cannot change its mode");
    }
    for (const auto& [xattr, value] : entry.xattrs) {
        leave_out(entry, xattr, "only files and directories have them here");
    }
    if (utimensat(directory, name.c_str(), times_of(entry).data(), AT_SYMLINK_NOFOLLOW) != 0) {
        fail("cannot set its time");
    }
}

/// Runs `make` until it succeeds: once more after what is in the place is gone.
template <class Make>
void LayerApplier::create(Directory& parent, const std::string& name, std::string_view what, Make&& make) {
    parent.touched = true;
    if (make()) {
        return;
    }
    if (errno == EEXIST) {
        make_room(parent, name);
        if (make()) {
            return;
        }
    }
    fail(what);
}

void LayerApplier::make_room(Directory& parent, const std::string& name) {
    parent.touched = true;
    directories_.forget_links();
    if (unlinkat(parent.descriptor.get(), name.c_str(), 0) == 0 || errno == ENOENT) {
        return;
    }
    if (errno != EISDIR && errno != EPERM) {
        fail("cannot remove what was there");
    }
    const std::string path = parent.child_path(name);
    directories_.forget(path);
    remove_tree(parent.descriptor.get(), name, path);
}

void LayerApplier::hide(const Whiteout& whiteout) {
    if (whiteout.kind == Whiteout::Kind::Ignored || !below_) {
        return;
    }
    if (lower_ == nullptr) {
        remove_hidden(whiteout);
        return;
    }
    Directory& parent = directories_.make(whiteout.directory);
    if (whiteout.kind == Whiteout::Kind::Opaque) {
        lower_->hide_all(parent);
    } else {
        lower_->hide(parent, whiteout.hidden);
    }
}

/// Removes what lower layers have there; this layer's own entries stay, wherever in it the whiteout stands. Directories
/// that stay for their sake are new ones.
void LayerApplier::remove_hidden(const Whiteout& whiteout) {
    Directory* parent = directories_.find(whiteout.directory);
    if (parent == nullptr) {
        return;
    }
    std::vector<std::string> emptied;
    RemovalOptions removal;
    removal.open_up = !options_.owners;
    removal.keep = [this](const std::string& path) { return own_.contains(path); };
    removal.emptied = [&emptied](const std::string& path) { emptied.push_back(path); };
    parent->touched = true;
    const std::string path = parent->path;
    if (whiteout.kind == Whiteout::Kind::Opaque) {
        directories_.forget(path);
        parent = directories_.find(path);
        parent->touched = true;
        remove_contents(parent->descriptor.get(), path, removal);
    } else {
        directories_.forget(parent->child_path(whiteout.hidden));
        remove_tree(parent->descriptor.get(), whiteout.hidden, parent->child_path(whiteout.hidden), removal);
    }
    for (const std::string& implicit : emptied) {
        if (Directory* const directory = directories_.find(implicit)) {
            describe_directory(*directory, implicit_directory());
        }
    }
}

void LayerApplier::remember_own(const std::string& path) {
    if (below_ && own_.insert(path).second && (own_bytes_ += path.size()) > kMaxOwnBytes) {
        refuse("the names in one layer exceed the limit of " + format_bytes(kMaxOwnBytes));
    }
}

void LayerApplier::leave_out(const TarEntry& entry, std::string_view what, std::string_view why) {
    ++left_out_;
    if (applied_.left_out.size() < kMaxListed) {
        applied_.left_out.push_back(oci::printable(entry.path) + " (" + oci::printable(what) + ": " + std::string(why) +
                                    ")");
    }
}

LeaveOut LayerApplier::leaving_out_of(const TarEntry& entry) {
    return [this, &entry](std::string_view what, std::string_view why) { leave_out(entry, what, why); };
}

}  // namespace cooper::build
