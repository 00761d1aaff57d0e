#include "delivery/explain/raw_tar.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/ustar.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace cooper::delivery {

namespace {

constexpr ustar::Field kUserName{265, 32};
constexpr ustar::Field kGroupName{297, 32};
constexpr ustar::Field kOldSparseExtended{482, 1};
constexpr ustar::Field kOldSparseLength{483, 12};
constexpr std::size_t kSparseBlockExtended = 504;  // in the blocks that go on with the map
constexpr std::string_view kSparse = "GNU.sparse.";
constexpr std::uint32_t kPermissions = 07777;

[[noreturn]] void refuse(const std::string& problem) {
    throw Error(ErrorCode::Integrity, problem);
}

bool all_zero(std::string_view bytes) {
    return bytes.find_first_not_of('\0') == std::string_view::npos;
}

std::string text_of(std::string_view block, ustar::Field field) {
    const auto all = field.of(block);
    return std::string(all.substr(0, std::min(all.find('\0'), all.size())));
}

std::uint64_t size_of(std::string_view block) {
    const auto size = ustar::number(block, ustar::kSize);
    if (size < 0) {
        refuse("the size in a header is negative");
    }
    return static_cast<std::uint64_t>(size);
}

TarDialect dialect_of(std::string_view block) {
    const auto magic = ustar::kMagic.of(block);
    if (magic == ustar::kGnuMagic) {
        return TarDialect::Gnu;
    }
    if (magic == ustar::kPosixMagic) {
        return ustar::kStarTrailer.of(block) == std::string_view("tar\0", 4) ? TarDialect::Star : TarDialect::Ustar;
    }
    return TarDialect::V7;
}

/// Device numbers are blanks or worse in the headers of what is no device.
std::int64_t device(std::string_view block, ustar::Field field, char type) {
    return type == '3' || type == '4' ? ustar::number(block, field) : 0;
}

std::string path_in(std::string_view block, TarDialect dialect) {
    const auto path = text_of(block, ustar::kName);
    const auto prefix = dialect == TarDialect::Ustar ? text_of(block, ustar::kPrefix) : std::string();
    return prefix.empty() ? path : prefix + "/" + path;
}

RawEntry entry_in(std::string_view block) {
    RawEntry entry;
    entry.type = ustar::kType.of(block)[0];
    entry.dialect = dialect_of(block);
    entry.path = path_in(block, entry.dialect);
    if (entry.type == '\0' || entry.type == '7') {
        entry.type = entry.dialect == TarDialect::V7 && entry.path.ends_with('/') ? '5' : '0';
    }
    entry.link = text_of(block, ustar::kLink);
    if (entry.dialect != TarDialect::V7) {
        entry.user = text_of(block, kUserName);
        entry.group = text_of(block, kGroupName);
    }
    const auto mode = static_cast<std::uint32_t>(ustar::number(block, ustar::kMode));
    entry.mode = mode & kPermissions;
    entry.mode_type_bits = mode & ~kPermissions;
    entry.uid = ustar::number(block, ustar::kUid);
    entry.gid = ustar::number(block, ustar::kGid);
    entry.size = size_of(block);
    entry.mtime = ustar::number(block, ustar::kMtime);
    entry.device_major = device(block, ustar::kDeviceMajor, entry.type);
    entry.device_minor = device(block, ustar::kDeviceMinor, entry.type);
    return entry;
}

std::int64_t integer(const std::string& key, std::string_view text) {
    const bool negative = text.starts_with('-');
    const auto value = parse_uint(text.substr(negative ? 1 : 0));
    if (!value || *value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        refuse("the pax record " + key + " is no number");
    }
    const auto magnitude = static_cast<std::int64_t>(*value);
    return negative ? -magnitude : magnitude;
}

std::uint64_t length(const std::string& key, std::string_view text) {
    const auto value = integer(key, text);
    if (value < 0) {
        refuse("the pax record " + key + " is negative");
    }
    return static_cast<std::uint64_t>(value);
}

void set_mtime(RawEntry& entry, const std::string& value) {
    const auto point = std::min(value.find('.'), value.size());
    entry.mtime = integer("mtime", std::string_view(value).substr(0, point));
    entry.mtime_fraction = value.substr(std::min(point + 1, value.size()));
    entry.mtime_fraction.resize(entry.mtime_fraction.find_last_not_of('0') + 1);
}

/// False: a record that says nothing of the members.
bool apply(RawEntry& entry, const std::string& key, const std::string& value) {
    if (key.starts_with(pax::kXattrPrefix)) {
        entry.xattrs[key.substr(pax::kXattrPrefix.size())] = value;
    } else if (key == pax::kPath) {
        entry.path = value;
    } else if (key == pax::kLinkPath) {
        entry.link = value;
    } else if (key == pax::kSize) {
        entry.size = length(key, value);
    } else if (key == pax::kUid) {
        entry.uid = integer(key, value);
    } else if (key == pax::kGid) {
        entry.gid = integer(key, value);
    } else if (key == pax::kMtime) {
        set_mtime(entry, value);
    } else if (key == "atime") {
        entry.atime = value;
    } else if (key == "ctime") {
        entry.ctime = value;
    } else if (key == "uname") {
        entry.user = value;
    } else if (key == "gname") {
        entry.group = value;
    } else {
        return false;
    }
    return true;
}

}  // namespace

std::string_view to_string(TarDialect dialect) noexcept {
    switch (dialect) {
        case TarDialect::V7:
            return "v7";
        case TarDialect::Ustar:
            return "ustar";
        case TarDialect::Pax:
            return "pax";
        case TarDialect::Gnu:
            return "GNU";
        case TarDialect::Star:
            break;
    }
    return "star";
}

std::size_t RawEntry::cost() const noexcept {
    std::size_t cost = sizeof *this + path.size() + link.size() + user.size() + group.size() + atime.size() +
                       ctime.size() + pax_name.size() + pax_keys.size();
    const auto add = [&](const auto& records) {
        for (const auto& [key, value] : records) {
            cost += key.size() + value.size() + 2 * sizeof(std::string);
        }
    };
    add(xattrs);
    add(other_records);
    add(globals);
    return cost;
}

std::uint64_t quick_hash(std::uint64_t seed, Bytes bytes) noexcept {
    constexpr std::uint64_t kPrime = 0x100000001b3ULL;  // FNV-1a, by words of eight bytes
    std::uint64_t hash = seed ^ 0xcbf29ce484222325ULL;
    const auto mix = [&](std::uint64_t word) {
        hash = (hash ^ word) * kPrime;
        hash ^= hash >> 29U;
    };
    for (; bytes.size() >= sizeof(std::uint64_t); bytes = bytes.subspan(sizeof(std::uint64_t))) {
        std::uint64_t word = 0;
        std::memcpy(&word, bytes.data(), sizeof word);
        mix(word);
    }
    for (const auto byte : bytes) {
        mix(static_cast<std::uint64_t>(byte) + 256);
    }
    return hash;
}

/// What headers before an entry's own say of it.
struct RawTarReader::Extension {
    std::optional<pax::RecordList> records;
    std::optional<std::string> long_name;
    std::optional<std::string> long_link;
    std::string pax_name;
    pax::RecordList globals;
};

bool RawTarReader::read_block() {
    const auto count = read_full(from_, std::as_writable_bytes(std::span(block_)));
    position_ += count;
    const std::string_view block(block_.data(), block_.size());
    if (count == 0 || all_zero(block.substr(0, count))) {
        ended_ = true;
        block_[0] = count == kTarBlock ? '\1' : '\0';  // for end(): whether the first end block is there
        return false;
    }
    if (count != kTarBlock) {
        refuse("the tar is cut short at byte " + std::to_string(position_));
    }
    if (++headers_ > limits_.max_entries) {
        throw Error(ErrorCode::InvalidInput,
                    "the tar has more than the limit of " + std::to_string(limits_.max_entries) + " entries");
    }
    hash_ = quick_hash(hash_, std::as_bytes(std::span(block_)));
    return true;
}

std::string RawTarReader::read_extension_data(std::string_view what, std::uint64_t limit) {
    const auto size = size_of({block_.data(), block_.size()});
    if (size > limit) {
        throw Error(ErrorCode::InvalidInput, std::string(what) + " of " + std::to_string(size) +
                                                 " bytes exceeds the limit of " + std::to_string(limit));
    }
    std::string data(size + tar_padding(size), '\0');
    const auto count = read_full(from_, std::as_writable_bytes(std::span(data)));
    position_ += count;
    if (count != data.size()) {
        refuse("the tar is cut short at byte " + std::to_string(position_));
    }
    hash_ = quick_hash(hash_, as_bytes(data));
    data.resize(size);
    return data;
}

/// True when the block only extends the next.
bool RawTarReader::extend(Extension& extension) {
    const std::string_view block(block_.data(), block_.size());
    const char type = ustar::kType.of(block)[0];
    switch (type) {
        case 'x':
        case 'X':
            if (extension.records) {
                refuse("two pax headers extend one entry");
            }
            extension.pax_name = path_in(block, dialect_of(block));
            extension.records =
                pax::parse_in_order(read_extension_data("a pax header", limits_.max_pax_total), limits_);
            return true;
        case 'g':
            extension.globals =
                pax::parse_in_order(read_extension_data("a pax header", limits_.max_pax_total), limits_);
            return true;
        case 'L':
        case 'K': {
            auto name = read_extension_data("a GNU long name", limits_.max_name + 1);
            name.resize(std::min(name.find('\0'), name.size()));
            (type == 'L' ? extension.long_name : extension.long_link) = std::move(name);
            return true;
        }
        default:
            return false;
    }
}

void RawTarReader::read_old_sparse(RawEntry& entry) {
    const std::string_view block(block_.data(), block_.size());
    entry.sparse = true;
    entry.length = static_cast<std::uint64_t>(std::max<std::int64_t>(0, ustar::number(block, kOldSparseLength)));
    bool extended = kOldSparseExtended.of(block)[0] != '\0';
    while (extended) {
        if (!read_block()) {
            refuse("the map of a sparse file is cut short");
        }
        extended = block_[kSparseBlockExtended] != '\0';
    }
}

RawEntry RawTarReader::finish_entry(Extension&& extension, RawEntry&& entry) {
    if (extension.long_name) {
        entry.path = std::move(*extension.long_name);
    }
    if (extension.long_link) {
        entry.link = std::move(*extension.long_link);
    }
    entry.length = UINT64_MAX;
    if (entry.type == 'S') {
        read_old_sparse(entry);
    }
    if (extension.records) {
        entry.dialect = TarDialect::Pax;
        entry.pax_name = std::move(extension.pax_name);
        for (auto& [key, value] : *extension.records) {
            entry.pax_keys += (entry.pax_keys.empty() ? "" : " ") + key;
            if (apply(entry, key, value)) {
                continue;
            }
            entry.sparse = entry.sparse || key.starts_with(kSparse);
            if (key == "GNU.sparse.name") {
                entry.path = value;
            } else if (key == "GNU.sparse.realsize" || key == "GNU.sparse.size") {
                entry.length = length(key, value);
            } else if (!key.starts_with(kSparse)) {
                entry.other_records.emplace_back(std::move(key), std::move(value));
            }
        }
    }
    entry.length = entry.length == UINT64_MAX ? entry.size : entry.length;
    entry.globals = std::move(extension.globals);
    if (entry.type >= '1' && entry.type <= '6') {
        if (entry.size != 0) {
            refuse("an entry that is no file has a size");  // readers differ in where the next header is
        }
        if (entry.type > '2') {
            entry.link.clear();
        }
    }
    if (std::max(entry.path.size(), entry.link.size()) > limits_.max_name) {
        throw Error(ErrorCode::InvalidInput,
                    "a name exceeds the limit of " + std::to_string(limits_.max_name) + " bytes");
    }
    entry.header_hash = hash_;
    content_rest_ = entry.size;
    padding_rest_ = tar_padding(entry.size);
    return std::move(entry);
}

std::optional<RawEntry> RawTarReader::next() {
    if (ended_) {
        return std::nullopt;
    }
    leave();
    const auto start = position_;
    return in_context("tar entry at byte " + std::to_string(start), [&]() -> std::optional<RawEntry> {
        Extension extension;
        hash_ = 0;
        while (read_block()) {
            const std::string_view block(block_.data(), block_.size());
            ustar::check_checksum(block);
            if (!extend(extension)) {
                return finish_entry(std::move(extension), entry_in(block));
            }
        }
        if (position_ - start > kTarBlock && (extension.records || extension.long_name || extension.long_link)) {
            refuse("the tar ends where an entry must follow");
        }
        return std::nullopt;
    });
}

std::size_t RawTarReader::read(MutableBytes into) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), content_rest_));
    if (wanted == 0) {
        return 0;
    }
    const auto count = from_.read(into.first(wanted));
    if (count == 0) {
        refuse("the tar is cut short at byte " + std::to_string(position_));
    }
    content_rest_ -= count;
    position_ += count;
    return count;
}

bool RawTarReader::leave() {
    const auto skipped = skip(from_, content_rest_);
    position_ += skipped;
    std::array<char, kTarBlock> padding{};
    const auto there = std::span(padding).first(static_cast<std::size_t>(padding_rest_));
    const auto count = skipped == content_rest_ ? read_full(from_, std::as_writable_bytes(there)) : 0;
    position_ += count;
    if (skipped != content_rest_ || count != there.size()) {
        refuse("the tar is cut short at byte " + std::to_string(position_));
    }
    content_rest_ = 0;
    padding_rest_ = 0;
    return all_zero({padding.data(), count});
}

TarEnd RawTarReader::end() {
    TarEnd end;
    end.zero_blocks = block_[0] == '\1' ? 1 : 0;
    std::string rest(kStreamStep, '\0');  // a multiple of a block
    while (const auto count = read_full(from_, std::as_writable_bytes(std::span(rest)))) {
        position_ += count;
        for (auto left = std::string_view(rest).substr(0, count); !left.empty();) {
            const auto block = left.substr(0, kTarBlock);
            if (end.other_bytes > 0 || block.size() < kTarBlock || !all_zero(block)) {
                end.other_bytes += block.size();
            } else {
                ++end.zero_blocks;
            }
            left.remove_prefix(block.size());
        }
    }
    end.size = position_;
    return end;
}

}  // namespace cooper::delivery
