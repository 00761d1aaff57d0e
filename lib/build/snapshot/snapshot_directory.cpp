#include "build/snapshot/snapshot_directory.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "build/apply/removal.hpp"
#include "build/snapshot/overlay_mount.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;

constexpr mode_t kPrivate = 0700;
constexpr mode_t kRootMode = 0755;  // of the root of a file system that nobody describes
constexpr std::chrono::milliseconds kLockPause{10};
constexpr std::string_view kUnpackPrefix = "unpack-";

void make_directory(const fs::path& path, mode_t mode) {
    if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
        throw SystemError("cannot make the directory " + path.string(), errno);
    }
}

/// An empty directory that is the root of a file system of no layers.
void make_root(const fs::path& path) {
    make_directory(path, kRootMode);
    const std::array<timespec, 2> times{};
    if (chmod(path.c_str(), kRootMode) != 0 || utimensat(AT_FDCWD, path.c_str(), times.data(), 0) != 0) {
        throw SystemError("cannot describe " + path.string(), errno);
    }
}

/// Exclusive: false when somebody else has it. Shared: waits, as others have it exclusively for a moment only.
bool lock(int directory, const fs::path& path, bool exclusive) {
    int result = 0;
    do {
        result = flock(directory, exclusive ? LOCK_EX | LOCK_NB : LOCK_SH);
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno != EWOULDBLOCK) {
        throw SystemError("cannot lock " + path.string(), errno);
    }
    return result == 0;
}

bool is_same_file(int descriptor, const fs::path& path) {
    struct stat opened {};
    struct stat named {};
    return fstat(descriptor, &opened) == 0 && lstat(path.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

}  // namespace

FileDescriptor lock_directory(const fs::path& path, bool exclusive) {
    for (;;) {
        FileDescriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!directory.valid()) {
            if (errno != ENOENT) {
                throw SystemError("cannot open " + path.string(), errno);
            }
            return {};
        }
        if (!lock(directory.get(), path, exclusive)) {
            return {};
        }
        if (is_same_file(directory.get(), path)) {
            return directory;
        }
    }
}

void remove_quietly(const fs::path& path) noexcept {
    try {
        const FileDescriptor parent(open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (parent.valid()) {
            remove_tree(parent.get(), path.filename().string(), path.filename().string());
        }
    } catch (const std::exception&) {  // the next collect() tries again
    }
}

void remove_abandoned(const fs::path& form_directory) {
    std::error_code ignored;
    for (const auto& item : fs::directory_iterator(form_directory / "work", ignored)) {
        const FileDescriptor lock = lock_directory(item.path(), true);
        if (lock.valid()) {
            unmount_quietly(item.path() / "root");
            unmount_quietly(item.path() / "lower");
            remove_quietly(item.path());
        }
    }
}

WorkDirectory::~WorkDirectory() {
    if (lock_.valid()) {
        remove_quietly(path_);
    }
}

SnapshotDirectory::SnapshotDirectory(const fs::path& directory, DiskForm form)
    : form_(std::move(form)), root_(fs::absolute(directory) / form_.name) {
    std::error_code ignored;
    fs::create_directories(fs::absolute(directory).parent_path(), ignored);
    make_directory(fs::absolute(directory), kPrivate);
    make_directory(root_, kPrivate);
    for (const char* name : {"layers", "fixes", "work"}) {
        make_directory(root_ / name, kPrivate);
    }
    make_root(empty_directory());
    make_root(other_empty_directory());
    remove_abandoned(root_);
}

fs::path SnapshotDirectory::directory_of(const Digest& diff_id) const {
    return root_ / "layers" / diff_id.hex();
}

bool SnapshotDirectory::has(const Digest& diff_id) const {
    return access((directory_of(diff_id) / "index").c_str(), F_OK) == 0;
}

LayerHandle SnapshotDirectory::find(const Digest& diff_id) {
    const std::lock_guard lock(mutex_);
    if (auto layer = in_use_[diff_id].lock()) {
        return layer;
    }
    const fs::path directory = directory_of(diff_id);
    FileDescriptor lease = lock_directory(directory, false);
    if (!lease.valid() || !has(diff_id)) {
        return nullptr;
    }
    futimens(lease.get(), nullptr);
    auto layer = std::make_shared<const StoredLayer>(
        StoredLayer{diff_id, directory, LayerIndex::read(directory / "index"), std::move(lease)});
    in_use_[diff_id] = layer;
    return layer;
}

LayerHandle SnapshotDirectory::get(const Digest& diff_id) {
    auto layer = find(diff_id);
    if (!layer) {
        throw Error(ErrorCode::NotFound, "the layer " + diff_id.shortened() + " is not unpacked here");
    }
    return layer;
}

WorkDirectory SnapshotDirectory::make_work() const {
    for (;;) {
        std::string name = (root_ / "work" / "XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) {
            throw SystemError("cannot make a directory in " + (root_ / "work").string(), errno);
        }
        if (FileDescriptor lock = lock_directory(name, true); lock.valid()) {
            return {name, std::move(lock)};
        }
    }
}

std::optional<WorkDirectory> SnapshotDirectory::claim(const Digest& diff_id, const Run& run) const {
    const fs::path path = root_ / "work" / (std::string(kUnpackPrefix) + std::string(diff_id.hex()));
    while (!has(diff_id)) {
        make_directory(path, kPrivate);
        FileDescriptor lock = lock_directory(path, true);
        if (!lock.valid()) {
            run.clock->sleep_for(kLockPause, run.stop);
            continue;
        }
        WorkDirectory work(path, std::move(lock));
        if (has(diff_id)) {
            break;
        }
        const FileDescriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        remove_contents(directory.get(), "");  // of one that was killed
        return work;
    }
    return std::nullopt;
}

LayerHandle SnapshotDirectory::publish(const fs::path& layer, const Digest& diff_id, const LayerIndex& index) {
    index.write(layer / "index");
    if (rename(layer.c_str(), directory_of(diff_id).c_str()) != 0 && errno != ENOTEMPTY && errno != EEXIST) {
        throw SystemError("cannot keep the layer " + diff_id.shortened(), errno);
    }
    return get(diff_id);
}

std::shared_ptr<const StackFix> SnapshotDirectory::find_fix(const Digest& name) const {
    const fs::path directory = root_ / "fixes" / name.hex();
    FileDescriptor lease = lock_directory(directory, false);
    if (!lease.valid()) {
        return nullptr;
    }
    futimens(lease.get(), nullptr);
    const bool empty = access((directory / "tree").c_str(), F_OK) != 0;
    return std::make_shared<const StackFix>(StackFix{directory, std::move(lease), empty});
}

std::shared_ptr<const StackFix> SnapshotDirectory::publish_fix(const fs::path& fix, const Digest& name) const {
    const fs::path directory = root_ / "fixes" / name.hex();
    for (;;) {
        if (rename(fix.c_str(), directory.c_str()) != 0 && errno != ENOTEMPTY && errno != EEXIST) {
            throw SystemError("cannot keep " + directory.string(), errno);
        }
        if (auto found = find_fix(name)) {
            return found;
        }
    }
}

}  // namespace cooper::build
