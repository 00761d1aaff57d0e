// The tar codec for layers and archives. Own code: libarchive changes names in layers.
//
// Specification: POSIX.1-2017 pax interchange format (ustar where it fits, pax records where it does not); OCI image
// specification 1.1, layer.md. Writing is deterministic: fixed pax entry names, sorted records, no user or group names.
#pragma once

#include "cooper/base/stream.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace cooper {

enum class TarType : char {
    File = '0',
    HardLink = '1',
    Symlink = '2',
    CharDevice = '3',
    BlockDevice = '4',
    Directory = '5',
    Fifo = '6',
};

/// One member. Names are bytes, not text. Directories' paths may or may not end in "/": the writer adds it.
struct TarEntry {
    TarType type = TarType::File;
    std::string path;
    std::string link;           ///< target of HardLink and Symlink
    std::uint32_t mode = 0644;  ///< permission bits, 07777
    std::uint64_t uid = 0;
    std::uint64_t gid = 0;
    std::uint64_t size = 0;  ///< of the content; 0 for all but File
    std::int64_t mtime = 0;  ///< seconds since 1970; not negative when written
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::map<std::string, std::string> xattrs;  ///< name -> raw value (SCHILY.xattr.*)
    bool operator==(const TarEntry&) const = default;
};

inline constexpr std::size_t kTarBlock = 512;
/// Zero bytes that follow a content of `size` bytes.
constexpr std::uint64_t tar_padding(std::uint64_t size) {
    return (kTarBlock - size % kTarBlock) % kTarBlock;
}

/// The header of an entry: one ustar block, with a pax block before it where ustar does not fit (names that cannot be
/// split into 155 and 100 bytes, link targets over 100 bytes, ids over 2097151, size from 8 GiB, xattrs). A multiple of
/// 512 bytes. Throws Error{InvalidInput} for what no tar can say: a NUL in a name, an empty path, a negative time, a
/// link without a target, a size on what is no file.
std::string tar_header(const TarEntry& entry);

/// Writes an archive to a Sink (borrowed). Not thread-safe.
class TarWriter {
public:
    explicit TarWriter(Sink& to) : to_(to) {}
    /// An entry without content.
    void add(const TarEntry& entry);
    /// A file: exactly entry.size bytes are read from `content`; fewer or more is Error{Integrity} naming the path (a
    /// file that changed while it was read).
    void add(const TarEntry& entry, Source& content, std::stop_token stop = {});
    /// Two zero blocks, then to.finish().
    void finish();

private:
    Sink& to_;
    std::unique_ptr<std::byte[]> buffer_;  // made when the first content comes
};

/// What a hostile archive may cost (`trust-and-delivery.md` 5.1).
struct TarLimits {
    std::uint64_t max_entries = 5'000'000;
    std::size_t max_name = 4096;
    std::size_t max_pax_record = 64 * 1024;
    std::size_t max_pax_total = 1024 * 1024;
};

/// Reads members in order, strictly: v7, ustar, pax, GNU long names and base-256 numbers. Anything that two readers
/// could understand differently is Error{Integrity}: a bad checksum, sizes that disagree, NUL in a name, pax mixed with
/// GNU long names, global pax records that change entries (Go ignores them; comments are fine), sparse files, data
/// after a header that has none, anything but zeros after the end. A limit that is hit is Error{InvalidInput}. Missing
/// end blocks are accepted. Reads no further than the header, so that the place of a content can be told. Not
/// thread-safe; borrows `from`.
class TarReader {
public:
    explicit TarReader(Source& from, const TarLimits& limits = {});
    ~TarReader();
    /// The next member; what is left of the content before is skipped. nullopt at the end.
    std::optional<TarEntry> next();
    /// The current member's content.
    Source& content();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cooper
