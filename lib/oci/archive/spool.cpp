#include "oci/archive/spool.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/base/text.hpp"

#include "base/ustar.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMagicLength = 6;  // what detect_compression needs

/// A pipe.
class DescriptorSource final : public Source {
public:
    DescriptorSource(FileDescriptor file, std::string name) : file_(std::move(file)), name_(std::move(name)) {}

    std::size_t read(MutableBytes into) override {
        ssize_t count = 0;
        do {
            count = ::read(file_.get(), into.data(), into.size());
        } while (count < 0 && errno == EINTR);
        if (count < 0) {
            throw SystemError("cannot read " + name_, errno);
        }
        return static_cast<std::size_t>(count);
    }

private:
    FileDescriptor file_;
    std::string name_;
};

/// What was read already, then the rest (borrowed).
class ResumedSource final : public Source {
public:
    ResumedSource(std::string beginning, Source& rest)
        : beginning_(std::move(beginning)), head_(beginning_), rest_(rest) {}

    std::size_t read(MutableBytes into) override {
        const std::size_t count = head_.read(into);
        return count > 0 || into.empty() ? count : rest_.read(into);
    }

private:
    std::string beginning_;
    MemorySource head_;
    Source& rest_;
};

std::string beginning_of(Source& source, std::size_t length) {
    std::string text(length, '\0');
    text.resize(read_full(source, std::as_writable_bytes(std::span(text))));
    return text;
}

/// Told by the checksum in the first header, which all tars have had since 1979.
void check_is_tar(std::string_view first_block, const std::string& name) {
    if (first_block.empty()) {
        throw Error(ErrorCode::InvalidInput, name + " is empty");
    }
    bool is_tar = false;
    if (first_block.size() == kTarBlock) {
        const std::string_view field = ustar::kChecksum.of(first_block);
        const ustar::Checksum sum = ustar::checksum(first_block);
        std::uint32_t claimed = 0;
        for (const char digit : field) {
            claimed = digit >= '0' && digit <= '7' ? claimed * 8 + static_cast<std::uint32_t>(digit - '0') : claimed;
        }
        is_tar = claimed == sum.as_unsigned || static_cast<std::int64_t>(claimed) == sum.as_signed;
    }
    if (!is_tar) {
        throw Error(ErrorCode::InvalidInput, name + " is no tar archive");
    }
}

void check_is_tar(const FileRanged& file, const std::string& name) {
    check_is_tar(beginning_of(*file.open(), kTarBlock), name);
}

Compression compression_of(const FileRanged& file) {
    return detect_compression(as_bytes(beginning_of(*file.open(), kMagicLength)));
}

/// Reads nothing from a pipe yet; invalid when `path` is none.
FileDescriptor open_pipe(const fs::path& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0 || !(S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode))) {
        return {};
    }
    FileDescriptor pipe(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!pipe.valid()) {
        throw SystemError("cannot open " + path.string(), errno);
    }
    return pipe;
}

[[noreturn]] void refuse_without_spool(const std::string& name, const std::string& what) {
    throw Error(ErrorCode::Unsupported, name + what)
        .advise("decompress it first: its layers must be found without reading it all");
}

}  // namespace

std::shared_ptr<const FileRanged> spooled(Source& stream, const std::string& name, const fs::path& spool,
                                          const Run& run) {
    std::string beginning = beginning_of(stream, kMagicLength);
    const Compression compression = detect_compression(as_bytes(beginning));
    DecompressionLimits limits;
    limits.max_output = kMaxSpooledArchive;
    const auto plain = decompressed(std::make_unique<ResumedSource>(std::move(beginning), stream), compression, limits);
    const std::string first_block = beginning_of(*plain, kTarBlock);
    check_is_tar(first_block, name);  // before an endless stream of something else fills the disk

    AtomicFile file(spool / "archive.tar");  // never committed: it is gone with its last descriptor
    file.write(as_bytes(first_block));
    std::uint64_t size = first_block.size();
    std::vector<std::byte> buffer(kStreamStep);
    while (const std::size_t count = plain->read(buffer)) {
        run.check();
        size += count;
        if (size > kMaxSpooledArchive) {
            throw Error(ErrorCode::InvalidInput,
                        name + " is larger than the limit of " + format_bytes(kMaxSpooledArchive));
        }
        file.write(Bytes(buffer).first(count));
    }
    FileDescriptor descriptor(fcntl(file.descriptor(), F_DUPFD_CLOEXEC, 0));
    return std::make_shared<const FileRanged>(std::move(descriptor), name);
}

std::shared_ptr<const FileRanged> open_archive(const fs::path& path, const fs::path& spool, const Run& run) {
    if (FileDescriptor pipe = open_pipe(path); pipe.valid()) {
        if (spool.empty()) {
            refuse_without_spool(path.string(), " is a pipe");
        }
        DescriptorSource source(std::move(pipe), path.string());
        return spooled(source, path.string(), spool, run);
    }
    auto file = std::make_shared<const FileRanged>(path);
    const Compression compression = compression_of(*file);
    if (compression == Compression::None) {
        check_is_tar(*file, path.string());
        return file;
    }
    if (spool.empty()) {
        refuse_without_spool(path.string(), " as a whole is compressed with " + std::string(to_string(compression)));
    }
    return spooled(*file->open(), path.string(), spool, run);
}

}  // namespace cooper::oci
