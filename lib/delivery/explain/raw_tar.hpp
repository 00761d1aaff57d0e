// A tar as it was written: dialect, order of pax records, names of owners, prefixes, padding (private).
//
// TarReader says what an entry means and refuses what readers understand differently; this one says how it stands
// there, sparse files and vendors' types included. Nothing is ever unpacked by it.
#pragma once

#include "cooper/base/stream.hpp"
#include "cooper/base/tar.hpp"

#include "base/pax.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace cooper::delivery {

enum class TarDialect : std::uint8_t { V7, Ustar, Pax, Gnu, Star };
std::string_view to_string(TarDialect dialect) noexcept;

struct RawEntry {
    char type = '0';   ///< '0' also for v7's NUL and for '7'
    std::string path;  ///< as it stands, "./" and a "/" at its end included
    std::string link;
    std::string user;   ///< uname
    std::string group;  ///< gname
    std::uint32_t mode = 0;
    std::uint32_t mode_type_bits = 0;  ///< above 07777, where some writers repeat the type
    std::int64_t uid = 0;
    std::int64_t gid = 0;
    std::uint64_t size = 0;    ///< of the content as stored
    std::uint64_t length = 0;  ///< of the file: more than `size` for sparse ones
    bool sparse = false;
    std::int64_t mtime = 0;
    std::string mtime_fraction;  ///< digits, without zeros at their end
    std::string atime;
    std::string ctime;
    std::int64_t device_major = 0;
    std::int64_t device_minor = 0;
    std::map<std::string, std::string> xattrs;
    TarDialect dialect = TarDialect::V7;
    std::string pax_name;           ///< of the pax header's own entry
    std::string pax_keys;           ///< in their order, separated by blanks
    pax::RecordList other_records;  ///< that none of the members above holds
    pax::RecordList globals;        ///< of a global pax header right before it
    std::uint64_t header_hash = 0;  ///< of all header blocks, as they stand

    [[nodiscard]] bool is_file() const noexcept { return type == '0' || type == 'S'; }
    /// Bytes in memory, about.
    [[nodiscard]] std::size_t cost() const noexcept;
};

/// How an archive ends.
struct TarEnd {
    std::uint64_t zero_blocks = 0;
    std::uint64_t other_bytes = 0;  ///< after the first end block, from the first that is not zero
    std::uint64_t size = 0;         ///< of the whole tar

    /// Padded to records of 20 blocks, as tar(1) does by default: the number of zero blocks follows from the contents.
    [[nodiscard]] bool is_padded() const noexcept { return size % (20 * kTarBlock) == 0; }
};

/// 64 bits that tell blocks apart for explanations; no proof of anything.
std::uint64_t quick_hash(std::uint64_t seed, Bytes bytes) noexcept;

class RawTarReader {
public:
    explicit RawTarReader(Source& from, const TarLimits& limits = {}) : from_(from), limits_(limits) {}
    /// The next entry; what is left of the content before is skipped. nullopt at the end. Throws Error: Integrity (no
    /// tar, cut, numbers or checksums that are none), InvalidInput (a limit).
    std::optional<RawEntry> next();
    /// Of the current entry, as stored.
    std::size_t read(MutableBytes into);
    /// Skips what is left of the content and its padding; true when the padding is zeros.
    bool leave();
    /// After the last entry: reads all that is left.
    TarEnd end();
    [[nodiscard]] std::uint64_t position() const noexcept { return position_; }

private:
    struct Extension;
    bool read_block();
    std::string read_extension_data(std::string_view what, std::uint64_t limit);
    bool extend(Extension& extension);
    RawEntry finish_entry(Extension&& extension, RawEntry&& entry);
    void read_old_sparse(RawEntry& entry);

    Source& from_;
    TarLimits limits_;
    std::array<char, kTarBlock> block_{};
    std::uint64_t position_ = 0;
    std::uint64_t content_rest_ = 0;
    std::uint64_t padding_rest_ = 0;
    std::uint64_t headers_ = 0;
    std::uint64_t hash_ = 0;
    bool ended_ = false;
};

}  // namespace cooper::delivery
