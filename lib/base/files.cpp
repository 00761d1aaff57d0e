#include "cooper/base/files.hpp"

#include "cooper/base/environment.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/beneath.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace cooper {

namespace {

constexpr int kNameTries = 16;

/// ".NAME.<16 random digits>.tmp" beside `path`: nobody can guess it beforehand and put a symlink in its place.
std::filesystem::path unpredictable_name_beside(const std::filesystem::path& path) {
    std::array<std::byte, 8> random{};
    ssize_t got = 0;
    do {
        got = getrandom(random.data(), random.size(), 0);
    } while (got < 0 && errno == EINTR);
    if (got != static_cast<ssize_t>(random.size())) {
        throw SystemError("cannot get random bytes", errno);
    }
    constexpr std::size_t kKeptName = 200;  // NAME_MAX is 255
    return path.parent_path() / ("." + path.filename().string().substr(0, kKeptName) + "." + to_hex(random) + ".tmp");
}

std::filesystem::path directory_of(const std::filesystem::path& path) {
    return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

std::string proc_name_of(int descriptor) {
    return "/proc/self/fd/" + std::to_string(descriptor);
}

/// A file without a name that can be given one later (needs /proc); invalid where that is not possible.
FileDescriptor open_nameless(const std::filesystem::path& directory, mode_t mode) {
    FileDescriptor file(open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, mode));
    if (file.valid() && access(proc_name_of(file.get()).c_str(), F_OK) != 0) {
        return {};
    }
    return file;
}

FileDescriptor open_for_reading(const std::filesystem::path& path) {
    int descriptor = -1;
    do {
        descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    } while (descriptor < 0 && errno == EINTR);
    return FileDescriptor(descriptor);
}

std::string read_descriptor(const FileDescriptor& file, std::size_t limit, const std::filesystem::path& path) {
    struct stat status {};
    if (fstat(file.get(), &status) != 0) {
        throw SystemError("cannot examine " + path.string(), errno);
    }
    std::string text;
    // One byte more than its size, so that one read meets the end; files in /proc and pipes claim no size.
    std::size_t step = std::min(static_cast<std::size_t>(std::max<off_t>(status.st_size, 4095)), limit) + 1;
    while (true) {
        const std::size_t filled = text.size();
        text.resize(filled + step);
        ssize_t count = 0;
        do {
            count = read(file.get(), text.data() + filled, step);
        } while (count < 0 && errno == EINTR);
        if (count < 0) {
            throw SystemError("cannot read " + path.string(), errno);
        }
        text.resize(filled + static_cast<std::size_t>(count));
        if (count == 0) {
            return text;
        }
        if (text.size() > limit) {
            throw Error(ErrorCode::InvalidInput,
                        path.string() + " is larger than the limit of " + std::to_string(limit) + " bytes");
        }
        step = std::min(kStreamStep, limit - text.size() + 1);
    }
}

/// A path below a root: relative, and each component a plain name.
void check_beneath(std::string_view path) {
    const auto components = split(path, '/');
    const bool plain = std::none_of(components.begin(), components.end(), [](std::string_view component) {
        return component.empty() || component == "." || component == "..";
    });
    if (!plain || path.find('\0') != std::string_view::npos) {
        throw Error(ErrorCode::InvalidInput, "'" + std::string(path) + "' is not a plain relative path");
    }
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
        if (valid()) {
            close(descriptor_);
        }
        descriptor_ = other.release();
    }
    return *this;
}

FileDescriptor::~FileDescriptor() {
    if (valid()) {
        close(descriptor_);
    }
}

int FileDescriptor::release() noexcept {
    return std::exchange(descriptor_, -1);
}

AtomicFile::AtomicFile(std::filesystem::path path, std::uint32_t mode)
    : path_(std::move(path)), file_(open_nameless(directory_of(path_), mode)) {
    if (!path_.has_filename()) {
        throw Error(ErrorCode::InvalidInput, "'" + path_.string() + "' names no file");
    }
    if (!file_.valid()) {
        create_named(mode);
    }
}

AtomicFile::~AtomicFile() {
    if (!committed_ && !temporary_.empty()) {
        unlink(temporary_.c_str());
    }
}

void AtomicFile::create_named(std::uint32_t mode) {
    for (int tries = 0; tries < kNameTries; ++tries) {
        const auto name = unpredictable_name_beside(path_);
        file_ = FileDescriptor(open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, mode));
        if (file_.valid()) {
            temporary_ = name;
            return;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    throw SystemError("cannot create a file in " + directory_of(path_).string(), errno);
}

void AtomicFile::reserve(std::uint64_t size) {
    if (size == 0) {
        return;
    }
    int result = 0;
    do {
        // The size of the file stays what was written: a file that remains short must not end in zeros.
        result = fallocate(file_.get(), FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
        throw SystemError("cannot reserve " + format_bytes(size) + " for " + path_.string(), errno);
    }
}

void AtomicFile::write_at(std::uint64_t offset, Bytes chunk) {
    write_all_at(file_.get(), offset, chunk, path_);
}

void AtomicFile::write(Bytes chunk) {
    write_at(position_, chunk);
    position_ += chunk.size();
}

void AtomicFile::give_name() {
    for (int tries = 0; tries < kNameTries; ++tries) {
        const auto name = unpredictable_name_beside(path_);
        if (linkat(AT_FDCWD, proc_name_of(file_.get()).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
            temporary_ = name;
            return;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    throw SystemError("cannot create a file in " + directory_of(path_).string(), errno);
}

void AtomicFile::publish_new() {
    int result = 0;
    if (temporary_.empty()) {
        result = linkat(AT_FDCWD, proc_name_of(file_.get()).c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW);
    } else {
        result = renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE);
        if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {  // a file system without NOREPLACE
            result = link(temporary_.c_str(), path_.c_str());
            if (result == 0) {
                unlink(temporary_.c_str());
            }
        }
    }
    if (result != 0 && errno == EEXIST) {
        throw Error(ErrorCode::Conflict, path_.string() + " exists already and is not replaced");
    }
    if (result != 0) {
        throw SystemError("cannot create " + path_.string(), errno);
    }
}

void AtomicFile::commit(IfExists if_exists) {
    if (if_exists == IfExists::Fail) {
        publish_new();
    } else {
        if (temporary_.empty()) {
            give_name();
        }
        if (rename(temporary_.c_str(), path_.c_str()) != 0) {
            throw SystemError("cannot create " + path_.string(), errno);
        }
    }
    committed_ = true;
}

TempDirectory::TempDirectory(std::string_view prefix) {
    // Spooled layers are large, and /tmp is memory on many systems: the same choice as containers/image makes.
    const std::string base = Environment::process().get("TMPDIR").value_or("/var/tmp");
    std::string name = base + "/" + std::string(prefix) + ".XXXXXX";
    if (mkdtemp(name.data()) == nullptr) {
        throw SystemError("cannot create a directory in " + base, errno);
    }
    path_ = name;
}

TempDirectory::~TempDirectory() {
    std::error_code ignored;  // what cannot be removed stays behind; nothing depends on it
    std::filesystem::remove_all(path_, ignored);
}

std::string read_file(const std::filesystem::path& path, std::size_t limit) {
    const FileDescriptor file = open_for_reading(path);
    if (!file.valid()) {
        throw SystemError("cannot open " + path.string(), errno);
    }
    return read_descriptor(file, limit, path);
}

std::optional<std::string> find_file(const std::filesystem::path& path, std::size_t limit) {
    const FileDescriptor file = open_for_reading(path);
    if (!file.valid()) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return std::nullopt;
        }
        throw SystemError("cannot open " + path.string(), errno);
    }
    return read_descriptor(file, limit, path);
}

void write_file(const std::filesystem::path& path, std::string_view text, std::uint32_t mode) {
    AtomicFile file(path, mode);
    file.write(as_bytes(text));
    file.commit();
}

std::optional<std::string> find_file_beneath(const std::filesystem::path& root, std::string_view path,
                                             std::size_t limit) {
    check_beneath(path);
    const FileDescriptor directory(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) {
        throw SystemError("cannot open directory " + root.string(), errno);
    }
    auto opened = detail::open_beneath_by_kernel(directory.get(), path);
    const FileDescriptor file = opened ? std::move(*opened) : detail::open_beneath_by_walk(directory.get(), path);
    if (!file.valid()) {
        return std::nullopt;
    }
    struct stat status {};
    if (fstat(file.get(), &status) != 0) {
        throw SystemError("cannot examine " + (root / path).string(), errno);
    }
    if (!S_ISREG(status.st_mode)) {
        throw Error(ErrorCode::InvalidInput, (root / path).string() + " is not a regular file");
    }
    return read_descriptor(file, limit, root / path);
}

void write_all_at(int descriptor, std::uint64_t offset, Bytes chunk, const std::filesystem::path& path) {
    while (!chunk.empty()) {
        const ssize_t count = pwrite(descriptor, chunk.data(), chunk.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            throw SystemError("cannot write " + path.string(), count < 0 ? errno : ENOSPC);
        }
        chunk = chunk.subspan(static_cast<std::size_t>(count));
        offset += static_cast<std::uint64_t>(count);
    }
}

}  // namespace cooper
