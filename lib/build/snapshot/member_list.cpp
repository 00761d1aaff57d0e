#include "build/snapshot/member_list.hpp"

#include "cooper/base/error.hpp"

#include "build/snapshot/file_copy.hpp"
#include "build/snapshot/packed.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace cooper::build {

namespace {

constexpr std::string_view kFormat = "cooper layer members 1";
constexpr std::uint64_t kMaxText = 64 * 1024;  // paths, and Linux's limit of an extended attribute
constexpr std::size_t kBuffer = 256 * 1024;
constexpr std::uint64_t kEntryFollows = 1;
constexpr std::uint64_t kEnd = 0;

void pack(Packer& packer, const TarEntry& entry) {
    packer.number(kEntryFollows).number(static_cast<std::uint64_t>(entry.type)).text(entry.path).text(entry.link);
    packer.number(entry.mode).number(entry.uid).number(entry.gid).number(entry.size);
    packer.number(static_cast<std::uint64_t>(entry.mtime)).number(entry.device_major).number(entry.device_minor);
    packer.number(entry.xattrs.size());
    for (const auto& [name, value] : entry.xattrs) {
        packer.text(name).text(value);
    }
}

TarEntry unpack_entry(Unpacker& unpacker) {
    TarEntry entry;
    entry.type = static_cast<TarType>(unpacker.number());
    entry.path = unpacker.text();
    entry.link = unpacker.text();
    entry.mode = static_cast<std::uint32_t>(unpacker.number());
    entry.uid = unpacker.number();
    entry.gid = unpacker.number();
    entry.size = unpacker.number();
    entry.mtime = static_cast<std::int64_t>(unpacker.number());
    entry.device_major = static_cast<std::uint32_t>(unpacker.number());
    entry.device_minor = static_cast<std::uint32_t>(unpacker.number());
    for (std::uint64_t count = unpacker.number(); count > 0; --count) {
        std::string name = unpacker.text();
        entry.xattrs[std::move(name)] = unpacker.text();
    }
    return entry;
}

/// Small reads out of large ones.
class BufferedSource final : public Source {
public:
    explicit BufferedSource(Source& from) : from_(from), buffer_(kBuffer, '\0') {}
    std::size_t read(MutableBytes into) override {
        if (used_ == filled_) {
            filled_ = from_.read(std::as_writable_bytes(std::span(buffer_.data(), buffer_.size())));
            used_ = 0;
        }
        const std::size_t count = std::min(into.size(), filled_ - used_);
        std::copy_n(as_bytes(buffer_).begin() + static_cast<std::ptrdiff_t>(used_), count, into.begin());
        used_ += count;
        return count;
    }

private:
    Source& from_;
    std::string buffer_;
    std::size_t used_ = 0;
    std::size_t filled_ = 0;
};

}  // namespace

MemberWriter::MemberWriter(const std::filesystem::path& file) : file_(file, 0600) {
    Packer packer;
    buffer_ = packer.text(kFormat).bytes();
}

void MemberWriter::add(const TarEntry& entry) {
    Packer packer;
    pack(packer, entry);
    buffer_ += packer.bytes();
    if (buffer_.size() >= kBuffer) {
        file_.write(as_bytes(buffer_));
        buffer_.clear();
    }
}

void MemberWriter::finish() {
    Packer packer;
    buffer_ += packer.number(kEnd).bytes();
    file_.write(as_bytes(buffer_));
    file_.commit();
}

WrittenTar write_tar(const std::filesystem::path& members, TreeRoot& tree, Sink& to, const Run& run) {
    const FileDescriptor file(open(members.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) {
        throw SystemError("cannot open " + members.string(), errno);
    }
    FileSource list(file.get(), members.string());
    BufferedSource buffered(list);
    Unpacker unpacker(buffered, kMaxText);
    if (unpacker.text() != kFormat) {
        throw Error(ErrorCode::Integrity, "'" + members.string() + "' is of another version of cooper");
    }
    WrittenTar written;
    TarWriter tar(to);
    while (unpacker.number() == kEntryFollows) {
        run.check();
        const TarEntry entry = unpack_entry(unpacker);
        ++written.entries;
        written.files += entry.type == TarType::Directory ? 0 : 1;
        if (entry.type == TarType::File && entry.size > 0) {
            const FileDescriptor content = tree.open(entry.path);
            FileSource source(content.get(), entry.path);
            tar.add(entry, source, run.stop);
        } else {
            tar.add(entry);
        }
    }
    tar.finish();
    return written;
}

}  // namespace cooper::build
