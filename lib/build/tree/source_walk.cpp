#include "build/tree/source_walk.hpp"

#include "cooper/base/tar.hpp"

#include "base/beneath.hpp"
#include "build/directory_stream.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cooper::build {

namespace {

using Kind = SourceHashError::Kind;

constexpr std::uint64_t kMaxEntries = TarLimits().max_entries;
constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
constexpr std::size_t kMaxOpen = 16;  // directories above the current one that stay open

/// A directory whose subdirectories are still to come.
struct OpenDirectory {
    std::size_t index;
    DirectoryStream stream;
};

struct Name {
    std::string text;
    unsigned char type;  // DT_…
    friend bool operator<(const Name& one, const Name& other) { return one.text < other.text; }
};

/// Error::advise() returns an Error: thrown as it is, it would have lost its kind.
SourceHashError refused(Kind kind, ErrorCode code, const std::string& message, std::string advice) {
    SourceHashError error(kind, code, message);
    error.advise(std::move(advice));
    return error;
}

class Walker {
public:
    Walker(const std::filesystem::path& root, const WildmatchList& patterns, const SourceHashOptions& options,
           WalkFor purpose, const Run& run)
        : root_(root), patterns_(patterns), options_(options), purpose_(purpose), run_(run) {}

    SourceWalk walk();

private:
    [[nodiscard]] std::string shown(const std::string& path) const {
        return "'" + oci::printable((path.empty() ? root_ : root_ / path).native(), kMaxPath) + "'";
    }
    [[nodiscard]] SystemError cannot(const std::string& what, const std::string& path, int problem) const;
    [[nodiscard]] Error replaced(const std::string& path) const;
    void check_root() const;
    [[nodiscard]] bool root_is_link() const;

    void visit(SourceDirectory directory);
    FileDescriptor open(const SourceDirectory& directory);
    [[nodiscard]] FileDescriptor open_from_root(const SourceDirectory& directory) const;
    [[nodiscard]] DirectoryStream to_stream(FileDescriptor opened, const std::string& path) const;
    void keep_open(std::size_t index, DirectoryStream stream);
    [[nodiscard]] DirectoryIdentity identify(int descriptor, const std::string& path) const;
    [[nodiscard]] std::optional<std::size_t> levels_back(const SourceDirectory& directory) const;
    std::vector<Name> list(DIR* stream, const std::string& path);
    void take(const Name& name, int directory, std::string path);
    void take_link(std::string path);
    void take_directory(std::string path, bool is_link);
    void keep_file(std::string path, const struct stat& status, bool is_link);

    const std::filesystem::path& root_;
    const WildmatchList& patterns_;
    const SourceHashOptions& options_;
    WalkFor purpose_;
    const Run& run_;
    SourceWalk result_;
    std::vector<SourceDirectory> pending_;  // the next one last
    std::vector<OpenDirectory> open_;       // from above, the nearest ones of the current branch
    std::uint64_t entries_ = 0;
};

SystemError Walker::cannot(const std::string& what, const std::string& path, int problem) const {
    SystemError error("cannot " + what + " " + shown(path), problem);
    if (problem == ENOENT || problem == ENOTDIR) {
        error.advise("it was removed or replaced meanwhile: run it again when nothing writes to the directory");
    } else if (problem == EACCES) {
        error.advise("what the patterns leave out must be readable too: every directory is looked through");
    } else if (problem == ELOOP) {
        error.advise("the link leads to itself, or there are more than 40 links on the way; remove it");
    }
    return error;
}

Error Walker::replaced(const std::string& path) const {
    Error error(ErrorCode::Integrity, shown(path) + " was replaced while the directory was looked through");
    error.advise("run it again when nothing writes to the directory");
    return error;
}

SourceWalk Walker::walk() {
    check_root();
    if (root_is_link() && !options_.resolve_root) {
        if (!options_.allow_cyclic_links) {
            throw refused(Kind::SymlinkRecursion, ErrorCode::InvalidInput,
                          shown("") + " is a symbolic link, which counts as one that leads back to itself",
                          "name the directory that it leads to, or have the link followed first");
        }
        result_.directories.emplace_back().levels_up = 0;
        return std::move(result_);
    }
    result_.root = FileDescriptor(::open(root_.c_str(), kDirectoryFlags));
    if (!result_.root.valid()) {
        throw cannot("read the directory", "", errno);
    }
    pending_.emplace_back();
    while (!pending_.empty()) {
        SourceDirectory next = std::move(pending_.back());
        pending_.pop_back();
        visit(std::move(next));
    }
    return std::move(result_);
}

/// Whatever keeps the root from being looked at, the original says that there is no such directory.
void Walker::check_root() const {
    struct stat status {};
    const bool has_zero = root_.native().find('\0') != std::string::npos;
    if (has_zero || stat(root_.c_str(), &status) != 0) {
        throw SourceHashError(Kind::NoSuchDirectory, ErrorCode::NotFound,
                              "there is no directory " + shown("") + ": " +
                                  (has_zero ? "a path has no zero byte" : std::strerror(errno)));
    }
    if (!S_ISDIR(status.st_mode)) {
        throw SourceHashError(Kind::NotADirectory, ErrorCode::InvalidInput, shown("") + " is not a directory");
    }
}

bool Walker::root_is_link() const {
    struct stat status {};
    return lstat(root_.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

void Walker::visit(SourceDirectory directory) {
    run_.check();
    FileDescriptor opened = open(directory);
    directory.identity = identify(opened.get(), directory.path);
    directory.levels_up = directory.through_link ? levels_back(directory) : std::nullopt;
    directory.first_file = result_.files.size();
    const std::size_t index = result_.directories.size();
    result_.directories.push_back(directory);
    if (directory.levels_up) {
        return;
    }
    DirectoryStream stream = to_stream(std::move(opened), directory.path);
    const std::size_t above = pending_.size();
    for (const Name& name : list(stream.get(), directory.path)) {
        take(name, dirfd(stream.get()), join_path(directory.path, name.text));
    }
    result_.directories[index].files = result_.files.size() - directory.first_file;
    for (std::size_t i = above; i < pending_.size(); ++i) {
        pending_[i].parent = index;
        pending_[i].depth = directory.depth + 1;
        pending_[i].through_link = directory.through_link || pending_[i].is_link;
    }
    std::reverse(pending_.begin() + static_cast<std::ptrdiff_t>(above), pending_.end());
    if (pending_.size() > above) {
        keep_open(index, std::move(stream));
    }
}

/// Links are followed from the root, so that the kernel's limit of 40 links in a path is met where the original meets
/// it. All else is opened from the directory above, while that is open: a path costs its length.
FileDescriptor Walker::open(const SourceDirectory& directory) {
    if (directory.path.size() > kMaxPath) {
        throw cannot("read the directory", directory.path, ENAMETOOLONG);
    }
    while (!open_.empty() && open_.back().index > directory.parent) {
        open_.pop_back();
    }
    if (directory.is_link || open_.empty() || open_.back().index != directory.parent) {
        return open_from_root(directory);
    }
    const std::string name(file_name(directory.path));
    FileDescriptor opened(openat(dirfd(open_.back().stream.get()), name.c_str(), kDirectoryFlags | O_NOFOLLOW));
    if (!opened.valid()) {
        throw cannot("read the directory", directory.path, errno);
    }
    return opened;
}

/// Where no link was met on the way, none is followed.
FileDescriptor Walker::open_from_root(const SourceDirectory& directory) const {
    const std::string path = directory.path.empty() ? "." : directory.path;
    FileDescriptor opened;
    int problem = ENOENT;
    if (directory.through_link) {
        const int no_follow = directory.is_link ? 0 : O_NOFOLLOW;
        opened = FileDescriptor(openat(result_.root.get(), path.c_str(), kDirectoryFlags | no_follow));
        problem = errno;
    } else {
        try {
            auto by_kernel = detail::open_beneath_by_kernel(result_.root.get(), path);
            opened = by_kernel ? std::move(*by_kernel) : detail::open_beneath_by_walk(result_.root.get(), path);
        } catch (const SystemError& error) {
            problem = error.error_number();
        } catch (const Error&) {
            throw replaced(directory.path);
        }
    }
    if (!opened.valid()) {
        throw cannot("read the directory", directory.path, problem);
    }
    return opened;
}

DirectoryStream Walker::to_stream(FileDescriptor opened, const std::string& path) const {
    DirectoryStream stream(fdopendir(opened.get()));
    if (!stream) {
        throw cannot("list the directory", path, errno);
    }
    opened.release();
    return stream;
}

void Walker::keep_open(std::size_t index, DirectoryStream stream) {
    if (open_.size() == kMaxOpen) {
        open_.erase(open_.begin());
    }
    open_.push_back({index, std::move(stream)});
}

DirectoryIdentity Walker::identify(int descriptor, const std::string& path) const {
    struct statx extended {};
    if (statx(descriptor, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, &extended) == 0) {
        // Kernels before 5.8 do not tell the mount: two mounts of one directory are one to us there.
        const bool knows_mount = (extended.stx_mask & STATX_MNT_ID) != 0;
        return {knows_mount ? extended.stx_mnt_id : 0, makedev(extended.stx_dev_major, extended.stx_dev_minor),
                extended.stx_ino};
    }
    struct stat status {};  // old seccomp filters refuse statx()
    if (fstat(descriptor, &status) != 0) {
        throw cannot("look at", path, errno);
    }
    return {0, status.st_dev, status.st_ino};
}

/// How many levels above the directory is itself; nullopt where it is not.
std::optional<std::size_t> Walker::levels_back(const SourceDirectory& directory) const {
    std::size_t index = directory.parent;
    while (result_.directories[index].identity != directory.identity) {
        if (index == 0) {
            return std::nullopt;
        }
        index = result_.directories[index].parent;
    }
    const std::string earlier = shown(result_.directories[index].path);
    if (directory.is_link && !options_.allow_cyclic_links) {
        throw refused(Kind::SymlinkRecursion, ErrorCode::InvalidInput,
                      "the symbolic link " + shown(directory.path) + " leads back to " + earlier + ", which it is in",
                      "remove the link: patterns that leave it out do not help");
    }
    if (directory.is_link) {
        return directory.depth - result_.directories[index].depth;
    }
    if (options_.allow_cyclic_links) {
        throw refused(Kind::DirectoryEnteredTwice, ErrorCode::Unsupported,
                      shown(directory.path) + " is " + earlier + " again, by way of a link to a directory above it",
                      "dirhash has no answer for such a tree either; remove the link");
    }
    return std::nullopt;  // below it, the link that led here comes again and is the error
}

std::vector<Name> Walker::list(DIR* stream, const std::string& path) {
    std::vector<Name> names;
    for (;;) {
        errno = 0;
        const auto* item = readdir(stream);
        if (item == nullptr && errno != 0) {
            throw cannot("list the directory", path, errno);
        }
        if (item == nullptr) {
            std::sort(names.begin(), names.end());
            return names;
        }
        const std::string_view name = item->d_name;
        if (name == "." || name == "..") {
            continue;
        }
        if (++entries_ > kMaxEntries) {
            throw Error(ErrorCode::InvalidInput,
                        shown("") + " holds more files than the limit of " + std::to_string(kMaxEntries));
        }
        names.push_back({std::string(name), item->d_type});
    }
}

void Walker::take(const Name& name, int directory, std::string path) {
    struct stat status {};
    unsigned char type = name.type;
    if (type == DT_UNKNOWN) {
        if (fstatat(directory, name.text.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT) {
                return;
            }
            throw cannot("look at", path, errno);
        }
        type = static_cast<unsigned char>(IFTODT(status.st_mode));
    }
    if (type == DT_DIR) {
        take_directory(std::move(path), false);
    } else if (type == DT_LNK) {
        take_link(std::move(path));
    } else if (type == DT_REG && patterns_.includes(path)) {
        if (purpose_ == WalkFor::Hashing) {
            if (fstatat(directory, name.text.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
                throw cannot("look at", path, errno);
            }
            if (!S_ISREG(status.st_mode)) {
                throw replaced(path);
            }
        }
        keep_file(std::move(path), status, false);
    }
}

/// Links are looked at before the patterns are asked: one that cannot be followed is an error even where it is ignored.
void Walker::take_link(std::string path) {
    struct stat target {};
    if (fstatat(result_.root.get(), path.c_str(), &target, 0) != 0) {
        if (errno == ENOENT) {
            return;
        }
        SystemError error = cannot("follow the symbolic link", path, errno);
        if (error.error_number() == ENOTDIR) {
            error.advise("its target is below a file: remove the link; patterns that leave it out do not help");
        }
        throw error;
    }
    if (S_ISDIR(target.st_mode) && options_.linked_dirs) {
        take_directory(std::move(path), true);
    } else if (S_ISREG(target.st_mode) && options_.linked_files && patterns_.includes(path)) {
        keep_file(std::move(path), target, true);
    }
}

void Walker::take_directory(std::string path, bool is_link) {
    SourceDirectory& directory = pending_.emplace_back();
    directory.path = std::move(path);
    directory.is_link = is_link;
}

void Walker::keep_file(std::string path, const struct stat& status, bool is_link) {
    result_.files.push_back({std::move(path), status});
    result_.is_link.push_back(is_link);
}

}  // namespace

SourceWalk walk_source(const std::filesystem::path& root, const WildmatchList& patterns,
                       const SourceHashOptions& options, WalkFor purpose, const Run& run) {
    return Walker(root, patterns, options, purpose, run).walk();
}

}  // namespace cooper::build
