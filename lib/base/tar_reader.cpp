#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/base/text.hpp"

#include "base/pax.hpp"
#include "base/ustar.hpp"

#include <algorithm>
#include <limits>

namespace cooper {

namespace {

using ustar::Field;

enum class Format { V7, Posix, Gnu };

// Types of headers that describe the one that follows.
constexpr char kPaxHeader = 'x';
constexpr char kGlobalPaxHeader = 'g';
constexpr char kGnuLongName = 'L';
constexpr char kGnuLongLink = 'K';
constexpr char kOldFile = '\0';  // v7's; a path that ends in "/" makes it a directory

[[noreturn]] void refuse(const std::string& problem) {
    throw Error(ErrorCode::Integrity, problem);
}

[[noreturn]] void refuse_size(std::string_view what, std::uint64_t size, std::uint64_t limit) {
    throw Error(ErrorCode::InvalidInput, std::string(what) + " of " + std::to_string(size) +
                                             " bytes exceeds the limit of " + std::to_string(limit));
}

bool all_zero(std::string_view bytes) {
    return bytes.find_first_not_of('\0') == std::string_view::npos;
}

/// A name in a header: up to its first NUL, after which other readers must not find anything either.
std::string_view text_field(std::string_view block, Field field) {
    const std::string_view all = field.of(block);
    const std::size_t end = std::min(all.find('\0'), all.size());
    if (!all_zero(all.substr(end))) {
        refuse("a name in the header goes on after a NUL");
    }
    return all.substr(0, end);
}

std::uint64_t unsigned_field(std::string_view block, Field field, std::string_view what) {
    const std::int64_t value = ustar::number(block, field);
    if (value < 0) {
        refuse("the " + std::string(what) + " in the header is negative");
    }
    return static_cast<std::uint64_t>(value);
}

Format format_of(std::string_view block) {
    const std::string_view magic = ustar::kMagic.of(block);
    if (magic == ustar::kPosixMagic) {
        if (!all_zero(block.substr(ustar::kPrefix.end()))) {
            refuse("the header has something after its last field");  // star's, whose prefix is shorter
        }
        return Format::Posix;
    }
    if (magic == ustar::kGnuMagic) {
        // Go once wrote a prefix where GNU has times, and still reads one there when these are no numbers.
        ustar::number(block, ustar::kGnuAtime);
        ustar::number(block, ustar::kGnuCtime);
        if (!all_zero(block.substr(ustar::kGnuCtime.end()))) {
            refuse("the header has fields of a sparse or multi-volume file");
        }
        return Format::Gnu;
    }
    // GNU tar writes device numbers into v7 headers as well; nobody reads them there.
    if (!all_zero(magic) || !all_zero(block.substr(ustar::kPrefix.offset))) {
        refuse("the header is of no known tar format");
    }
    return Format::V7;
}

std::string path_in(std::string_view block, Format format) {
    std::string path(text_field(block, ustar::kName));
    if (format == Format::Posix) {
        const std::string_view prefix = text_field(block, ustar::kPrefix);
        if (!prefix.empty()) {
            path = std::string(prefix) + "/" + path;
        }
    }
    return path;
}

std::uint64_t pax_number(const pax::Records::value_type& record) {
    const auto value = parse_uint(record.second);
    if (!value || *value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        refuse("the pax record " + record.first + " is no number");
    }
    return *value;
}

/// Seconds with an optional sign and fraction; rounded down.
std::int64_t pax_time(std::string_view text) {
    const bool negative = text.starts_with('-');
    const std::string_view number = text.substr(negative ? 1 : 0);
    const std::size_t point = std::min(number.find('.'), number.size());
    const auto seconds = parse_uint(number.substr(0, point));
    const std::string_view fraction = number.substr(std::min(point + 1, number.size()));
    const bool digits_only = fraction.find_first_not_of("0123456789") == std::string_view::npos;
    if (!seconds || !digits_only || *seconds >= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        refuse("the pax record mtime is no time");
    }
    const auto whole = static_cast<std::int64_t>(*seconds);
    const bool exact = fraction.find_first_not_of('0') == std::string_view::npos;
    return negative ? -whole - (exact ? 0 : 1) : whole;
}

/// Records that change what an entry is, in a way that not all readers know.
bool is_unreadable(std::string_view key) {
    return key.starts_with("GNU.sparse.") || key == "SCHILY.realsize" || key == "SCHILY.devmajor" ||
           key == "SCHILY.devminor";
}

bool changes_entries(std::string_view key) {
    return key == pax::kPath || key == pax::kLinkPath || key == pax::kSize || key == pax::kUid || key == pax::kGid ||
           key == pax::kMtime || key.starts_with(pax::kXattrPrefix) || is_unreadable(key);
}

/// A pax size stands for a size that the field cannot hold; writers then leave 0, or as much as fits, in the field.
/// Elsewhere readers that know pax and ones that do not would find the next header in different places.
void check_sizes_agree(std::uint64_t in_header, std::uint64_t in_pax) {
    constexpr std::uint64_t kLargest = ustar::max_octal(ustar::kSize);
    const bool stands_in = in_pax > kLargest && (in_header == 0 || in_header == kLargest);
    if (in_pax != in_header && !stands_in) {
        refuse("the size is " + std::to_string(in_header) + " in the header but " + std::to_string(in_pax) +
               " in its pax record");
    }
}

void apply_record(const pax::Records::value_type& record, TarEntry& entry) {
    const auto& [key, value] = record;
    if (is_unreadable(key)) {
        refuse("the pax record " + key + " is not supported");
    }
    if (key.starts_with(pax::kXattrPrefix)) {
        entry.xattrs.emplace(key.substr(pax::kXattrPrefix.size()), value);
        return;
    }
    if (value.empty() && changes_entries(key)) {
        refuse("the pax record " + key + " is empty");  // some readers take it for "as in the header"
    }
    if (key == pax::kPath) {
        entry.path = value;
    } else if (key == pax::kLinkPath) {
        entry.link = value;
    } else if (key == pax::kSize) {
        const std::uint64_t size = pax_number(record);
        check_sizes_agree(entry.size, size);
        entry.size = size;
    } else if (key == pax::kUid) {
        entry.uid = pax_number(record);
    } else if (key == pax::kGid) {
        entry.gid = pax_number(record);
    } else if (key == pax::kMtime) {
        entry.mtime = pax_time(value);
    }
}

std::uint32_t device_field(std::string_view block, Field field) {
    const std::uint64_t number = unsigned_field(block, field, "device number");
    if (number > std::numeric_limits<std::uint32_t>::max()) {
        refuse("a device number does not fit 32 bits");
    }
    return static_cast<std::uint32_t>(number);
}

TarType entry_type(char type, std::string_view path) {
    if (type == kOldFile) {
        return path.ends_with('/') ? TarType::Directory : TarType::File;
    }
    if (type < '0' || type > '6') {
        refuse("entries of type '" + (type > ' ' && type <= '~' ? std::string(1, type) : "?") +
               "' (sparse, multi-volume, vendor) are not read");
    }
    return static_cast<TarType>(type);
}

void check_entry(const TarEntry& entry, const TarLimits& limits) {
    if (entry.path.empty()) {
        refuse("an entry has no path");
    }
    if (std::max(entry.path.size(), entry.link.size()) > limits.max_name) {
        refuse_size("a name", std::max(entry.path.size(), entry.link.size()), limits.max_name);
    }
    const bool is_link = entry.type == TarType::HardLink || entry.type == TarType::Symlink;
    if (is_link && entry.link.empty()) {
        refuse("the link '" + entry.path + "' has no target");
    }
    if (entry.type == TarType::File && entry.path.ends_with('/')) {
        refuse("the file '" + entry.path + "' has the path of a directory");
    }
    if (entry.type != TarType::File && entry.size != 0) {
        refuse("'" + entry.path + "' has a size but is no file");
    }
}

}  // namespace

struct TarReader::State final : Source {
    State(Source& source, const TarLimits& tar_limits) : from(source), limits(tar_limits) {}

    /// The current member's content.
    std::size_t read(MutableBytes into) override {
        const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), content_rest));
        if (wanted == 0) {
            return 0;
        }
        const std::size_t count = from.read(into.first(wanted));
        if (count == 0) {
            throw_cut_short();
        }
        content_rest -= count;
        position += count;
        return count;
    }

    std::optional<TarEntry> next() {
        if (ended) {
            return std::nullopt;
        }
        leave_content();
        const std::uint64_t start = position;
        return in_context("tar entry at byte " + std::to_string(start), [&] { return read_entry(); });
    }

    /// What headers before an entry's own said of it.
    struct Extension {
        std::optional<pax::Records> records;
        std::optional<std::string> long_name;
        std::optional<std::string> long_link;

        [[nodiscard]] bool any() const { return records || long_name || long_link; }
    };

    std::optional<TarEntry> read_entry() {
        Extension extension;
        while (true) {
            if (!read_header()) {
                if (extension.any()) {
                    refuse("the archive ends where an entry must follow");
                }
                ended = true;
                return std::nullopt;
            }
            if (++headers > limits.max_entries) {
                throw Error(ErrorCode::InvalidInput, "the archive has more than the limit of " +
                                                         std::to_string(limits.max_entries) + " entries");
            }
            ustar::check_checksum(block);
            const Format format = format_of(block);
            if (!read_extension(extension)) {
                return make_entry(format, extension);
            }
        }
    }

    /// True when the block was a header that extends the next.
    bool read_extension(Extension& extension) {
        switch (ustar::kType.of(block)[0]) {
            case kPaxHeader:
                // Readers differ in whether such records also apply to a header that only extends (CVE-2025-62518).
                if (extension.any()) {
                    refuse("a pax header follows another header that extends the entry");
                }
                extension.records = read_records();
                return true;
            case kGlobalPaxHeader:
                if (extension.any()) {
                    refuse("a global pax header stands between an entry and what extends it");
                }
                check_global(read_records());
                return true;
            case kGnuLongName:
                read_long(extension, extension.long_name);
                return true;
            case kGnuLongLink:
                read_long(extension, extension.long_link);
                return true;
            default:
                return false;
        }
    }

    pax::Records read_records() {
        return pax::parse(read_extension_data("a pax header", limits.max_pax_total), limits);
    }

    static void check_global(const pax::Records& records) {
        for (const auto& [key, value] : records) {
            if (changes_entries(key)) {
                refuse("the global pax record " + key + " changes entries, which not all readers do");
            }
        }
    }

    void read_long(const Extension& extension, std::optional<std::string>& name) {
        if (extension.records || name) {
            refuse("a GNU long name follows another header that extends the entry");
        }
        name = read_extension_data("a GNU long name", limits.max_name + 1);
        if (name->ends_with('\0')) {
            name->pop_back();
        }
        if (name->empty() || name->find('\0') != std::string::npos) {
            refuse("a GNU long name is empty or has a NUL inside");
        }
    }

    std::string read_extension_data(std::string_view what, std::uint64_t limit) {
        const std::uint64_t size = unsigned_field(block, ustar::kSize, "size");
        if (size > limit) {
            refuse_size(what, size, limit);
        }
        std::string data(size + tar_padding(size), '\0');
        const std::size_t count = read_full(from, std::as_writable_bytes(std::span(data)));
        position += count;
        if (count != data.size()) {
            throw_cut_short();
        }
        data.resize(size);
        return data;
    }

    TarEntry make_entry(Format format, const Extension& extension) {
        TarEntry entry;
        entry.path = extension.long_name ? *extension.long_name : path_in(block, format);
        entry.link = extension.long_link ? *extension.long_link : std::string(text_field(block, ustar::kLink));
        entry.mode = static_cast<std::uint32_t>(unsigned_field(block, ustar::kMode, "mode") & 07777U);
        entry.uid = unsigned_field(block, ustar::kUid, "user id");
        entry.gid = unsigned_field(block, ustar::kGid, "group id");
        entry.size = unsigned_field(block, ustar::kSize, "size");
        entry.mtime = ustar::number(block, ustar::kMtime);
        if (extension.records) {
            for (const auto& record : *extension.records) {
                apply_record(record, entry);
            }
        }
        entry.type = entry_type(ustar::kType.of(block)[0], entry.path);
        if (entry.type == TarType::CharDevice || entry.type == TarType::BlockDevice) {
            if (format == Format::V7) {
                refuse("a v7 header cannot describe a device");
            }
            entry.device_major = device_field(block, ustar::kDeviceMajor);
            entry.device_minor = device_field(block, ustar::kDeviceMinor);
        }
        if (entry.type != TarType::HardLink && entry.type != TarType::Symlink) {
            entry.link.clear();  // no reader minds a target where there is no link
        }
        check_entry(entry, limits);
        content_rest = entry.size;
        padding_rest = tar_padding(entry.size);
        return entry;
    }

    /// The next block; false at the end: no more blocks, or blocks of zeros and nothing else.
    bool read_header() {
        block.assign(kTarBlock, '\0');
        const std::size_t count = read_full(from, std::as_writable_bytes(std::span(block)));
        position += count;
        if (all_zero(block)) {
            check_nothing_follows();
            return false;
        }
        if (count != kTarBlock) {
            throw_cut_short();
        }
        return true;
    }

    void check_nothing_follows() {
        std::string rest(4096, '\0');
        while (const std::size_t count = read_full(from, std::as_writable_bytes(std::span(rest)))) {
            position += count;
            if (!all_zero(std::string_view(rest).substr(0, count))) {
                refuse("the archive goes on after its end");
            }
        }
    }

    void leave_content() {
        const std::uint64_t wanted = content_rest + padding_rest;
        const std::uint64_t skipped = skip(from, wanted);
        position += skipped;
        if (skipped != wanted) {
            throw_cut_short();
        }
        content_rest = 0;
        padding_rest = 0;
    }

    [[noreturn]] void throw_cut_short() const {
        refuse("the archive is cut short at byte " + std::to_string(position));
    }

    Source& from;
    TarLimits limits;
    std::string block;  // the header at hand
    std::uint64_t position = 0;
    std::uint64_t content_rest = 0;
    std::uint64_t padding_rest = 0;
    std::uint64_t headers = 0;
    bool ended = false;
};

TarReader::TarReader(Source& from, const TarLimits& limits) : state_(std::make_unique<State>(from, limits)) {}
TarReader::~TarReader() = default;

std::optional<TarEntry> TarReader::next() {
    return state_->next();
}

Source& TarReader::content() {
    return *state_;
}

}  // namespace cooper
