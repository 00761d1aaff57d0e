#include "build/sandbox/root_paths.hpp"

#include "cooper/base/error.hpp"

#include "base/in_root.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

namespace cooper::build::sandbox {

namespace {

using detail::Walked;

[[noreturn]] void refuse(std::string_view path, const std::string& problem) {
    throw Error(ErrorCode::InvalidInput, "'" + oci::printable(path) + "' " + problem);
}

detail::WalkHooks hooks_of(const MakeDirectory& make_missing) {
    detail::WalkHooks hooks;
    if (make_missing) {
        hooks.missing = [&make_missing](int parent, const std::string& name, const std::string&) {
            make_missing(parent, name);
            return true;
        };
    }
    return hooks;
}

std::string_view without_trailing_slashes(std::string_view path) {
    while (path.ends_with('/')) {
        path.remove_suffix(1);
    }
    return path;
}

/// The text of an open symbolic link.
std::string target_of(int link, std::string_view path) {
    struct statfs system {};
    if (fstatfs(link, &system) != 0) {
        throw SystemError("cannot look at '" + oci::printable(path) + "'", errno);
    }
    if (system.f_type == PROC_SUPER_MAGIC) {  // its links lead to what a process holds, whatever their text says
        refuse(path, "leads through a link of a process file system");
    }
    std::array<char, PATH_MAX> target{};
    const ssize_t length = readlinkat(link, "", target.data(), target.size());
    if (length < 0) {
        throw SystemError("cannot read the link '" + oci::printable(path) + "'", errno);
    }
    return {target.data(), static_cast<std::size_t>(length)};
}

/// The root itself, or a directory that is reached by "..".
Located located_directory(Walked walked) {
    Located found;
    found.path = walked.path;
    found.file = std::move(walked.directory);
    if (fstat(found.file.get(), &found.status) != 0) {
        throw SystemError("cannot look at '/" + oci::printable(found.path) + "'", errno);
    }
    return found;
}

}  // namespace

Located locate(int root, std::string_view path, const MakeDirectory& make_missing) {
    const auto hooks = hooks_of(make_missing);
    std::string rest(path);
    for (int links = 0; links <= detail::kMaxSymlinks; ++links) {
        const auto whole = without_trailing_slashes(rest);
        const auto slash = whole.rfind('/');
        const std::string directory(slash == std::string_view::npos ? std::string_view() : whole.substr(0, slash));
        const std::string name(slash == std::string_view::npos ? whole : whole.substr(slash + 1));
        if (name.empty() || name == "." || name == "..") {
            Walked walked = detail::walk_in_root(root, whole, hooks);
            if (walked.end == Walked::End::NotDirectory) {
                refuse(path, "leads through a file");
            }
            if (walked.end == Walked::End::Missing || walked.path.empty()) {
                return walked.directory.valid() ? located_directory(std::move(walked)) : Located{};
            }
            rest = walked.path;
            continue;
        }
        Walked parent = detail::walk_in_root(root, directory, hooks);
        if (parent.end == Walked::End::NotDirectory) {
            refuse(path, "leads through '/" + oci::printable(parent.path) + "', which is no directory");
        }
        if (parent.end == Walked::End::Missing) {
            return {};
        }
        Located found;
        found.path = parent.path.empty() ? name : parent.path + "/" + name;
        found.file = FileDescriptor(openat(parent.directory.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (!found.file.valid() && errno != ENOENT) {
            throw SystemError("cannot open '/" + oci::printable(found.path) + "'", errno);
        }
        if (found.file.valid() && fstat(found.file.get(), &found.status) != 0) {
            throw SystemError("cannot look at '/" + oci::printable(found.path) + "'", errno);
        }
        if (found.file.valid() && S_ISLNK(found.status.st_mode)) {
            const auto target = target_of(found.file.get(), path);
            rest = target.starts_with('/') ? target : parent.path + "/" + target;
            continue;
        }
        found.parent = std::move(parent.directory);
        found.name = name;
        return found;
    }
    refuse(path, "leads through a loop of symbolic links");
}

FileDescriptor locate_directory(int root, std::string_view path, const MakeDirectory& make_missing) {
    Walked walked = detail::walk_in_root(root, path, hooks_of(make_missing));
    if (walked.end == Walked::End::NotDirectory) {
        refuse(path, "leads to '/" + oci::printable(walked.path) + "', which is no directory");
    }
    if (walked.end == Walked::End::Missing) {
        throw Error(ErrorCode::NotFound, "there is no directory '" + oci::printable(path) + "'");
    }
    return std::move(walked.directory);
}

std::optional<std::string> read_in_root(int root, std::string_view path, std::size_t limit) {
    const auto found = locate(root, path);
    if (!found.file.valid() || !S_ISREG(found.status.st_mode)) {
        return std::nullopt;
    }
    // O_NOFOLLOW and the check of the inode: it is the file that was located, whatever has its name by now.
    const FileDescriptor file(
        openat(found.parent.get(), found.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat status {};
    if (!file.valid() || fstat(file.get(), &status) != 0) {
        throw SystemError("cannot read '" + oci::printable(path) + "'", errno);
    }
    if (status.st_dev != found.status.st_dev || status.st_ino != found.status.st_ino) {
        throw Error(ErrorCode::Conflict, "'" + oci::printable(path) + "' was replaced while it was opened");
    }
    std::string text;
    std::array<char, 64 * 1024> buffer;
    for (;;) {
        const ssize_t count = read(file.get(), buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            throw SystemError("cannot read '" + oci::printable(path) + "'", errno);
        }
        if (count == 0) {
            return text;
        }
        if (text.size() + static_cast<std::size_t>(count) > limit) {
            refuse(path, "is larger than " + std::to_string(limit) + " bytes");
        }
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

FileDescriptor open_directory(const std::string& path) {
    FileDescriptor directory(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) {
        throw SystemError("cannot open the directory " + path, errno);
    }
    return directory;
}

std::string name_of_descriptor(int descriptor) {
    return "/proc/thread-self/fd/" + std::to_string(descriptor);
}

}  // namespace cooper::build::sandbox
