#include "cooper/base/ranged.hpp"

#include "cooper/base/error.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cooper {

namespace {

/// Bytes in memory that `keeper` (may be null) keeps alive.
class HeldSource final : public Source {
public:
    HeldSource(Bytes bytes, std::shared_ptr<const std::string> keeper) : inner_(bytes), keeper_(std::move(keeper)) {}
    std::size_t read(MutableBytes into) override { return inner_.read(into); }

private:
    MemorySource inner_;
    std::shared_ptr<const std::string> keeper_;
};

}  // namespace

void Ranged::check_range(std::uint64_t offset, std::uint64_t length) const {
    const std::uint64_t all = size();
    if (offset > all || length > all - offset) {
        throw Error(ErrorCode::InvalidInput, "range of " + std::to_string(length) + " bytes at " +
                                                 std::to_string(offset) + " is outside the " + std::to_string(all) +
                                                 " bytes that there are");
    }
}

std::unique_ptr<Source> MemoryRanged::open(std::uint64_t offset, std::uint64_t length) const {
    check_range(offset, length);
    return std::make_unique<HeldSource>(as_bytes(*text_).subspan(offset, length), text_);
}

std::unique_ptr<Source> BorrowedRanged::open(std::uint64_t offset, std::uint64_t length) const {
    check_range(offset, length);
    return std::make_unique<HeldSource>(bytes_.subspan(offset, length), nullptr);
}

struct FileRanged::File {
    FileDescriptor descriptor;
    std::filesystem::path path;
};

namespace {

/// `File` is private to FileRanged, hence the template.
template <class File>
class FileSource final : public Source {
public:
    FileSource(std::shared_ptr<const File> file, std::uint64_t offset, std::uint64_t length)
        : file_(std::move(file)), offset_(offset), end_(offset + length) {}

    std::size_t read(MutableBytes into) override {
        const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), end_ - offset_));
        if (wanted == 0) {
            return 0;
        }
        ssize_t count = 0;
        do {
            count = pread(file_->descriptor.get(), into.data(), wanted, static_cast<off_t>(offset_));
        } while (count < 0 && errno == EINTR);
        if (count < 0) {
            throw SystemError("cannot read " + file_->path.string(), errno);
        }
        if (count == 0) {
            throw IntegrityError("size of " + file_->path.string() + ", which became shorter while it was read",
                                 "at least " + std::to_string(end_), std::to_string(offset_));
        }
        offset_ += static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
    }

private:
    std::shared_ptr<const File> file_;
    std::uint64_t offset_;
    std::uint64_t end_;
};

}  // namespace

// O_NONBLOCK: opening a fifo must fail below instead of waiting for its writer.
FileRanged::FileRanged(const std::filesystem::path& path)
    : FileRanged(FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)), path) {}

FileRanged::FileRanged(FileDescriptor file, const std::filesystem::path& name) {
    if (!file.valid()) {
        throw SystemError("cannot open " + name.string(), errno);
    }
    struct stat status {};
    if (fstat(file.get(), &status) != 0) {
        throw SystemError("cannot examine " + name.string(), errno);
    }
    if (!S_ISREG(status.st_mode)) {
        throw Error(ErrorCode::InvalidInput, name.string() + " is not a regular file");
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
    file_ = std::make_shared<const File>(File{std::move(file), name});
}

std::unique_ptr<Source> FileRanged::open(std::uint64_t offset, std::uint64_t length) const {
    check_range(offset, length);
    return std::make_unique<FileSource<File>>(file_, offset, length);
}

}  // namespace cooper
