#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"

#include "base/aligned.hpp"
#include "base/pax.hpp"
#include "base/ustar.hpp"

#include <algorithm>

namespace cooper {

namespace {

using ustar::Field;

/// Not a process id or a path, as other writers have it: the bytes depend on the entry alone.
constexpr std::string_view kPaxHeaderName = "PaxHeaders/0";
constexpr char kPaxHeaderType = 'x';

bool is_link(TarType type) {
    return type == TarType::HardLink || type == TarType::Symlink;
}

void check(const TarEntry& entry) {
    const auto refuse = [&](const std::string& problem) {
        throw Error(ErrorCode::InvalidInput, "a tar entry cannot have " + problem + ": '" + entry.path + "'");
    };
    const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
    if (entry.path.empty()) {
        refuse("an empty path");
    }
    if (has_nul(entry.path) || has_nul(entry.link)) {
        refuse("a NUL in its path or link target");
    }
    if (entry.type == TarType::File && entry.path.ends_with('/')) {
        refuse("the path of a directory and be a file");
    }
    if (is_link(entry.type) == entry.link.empty()) {
        refuse(entry.link.empty() ? "no target and be a link" : "a target and be no link");
    }
    if (entry.type != TarType::File && entry.size != 0) {
        refuse("a size and be no file");
    }
    if (entry.mtime < 0) {
        refuse("a time before 1970");
    }
    if (std::max(entry.device_major, entry.device_minor) > ustar::max_octal(ustar::kDeviceMajor)) {
        refuse("a device number over 2097151");
    }
    for (const auto& [name, value] : entry.xattrs) {
        if (name.empty() || has_nul(name) || name.find('=') != std::string::npos) {
            refuse("an extended attribute named '" + name + "'");
        }
    }
}

class Block {
public:
    void put(Field field, std::string_view text) {
        text = text.substr(0, field.size);
        std::copy(text.begin(), text.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(field.offset));
    }

    void put_octal(Field field, std::uint64_t value) {
        for (std::size_t at = field.offset + field.size - 1; at-- > field.offset;) {
            bytes_[at] = static_cast<char>('0' + (value & 7));
            value >>= 3;
        }
    }

    std::string finish() {
        put_octal({ustar::kChecksum.offset, ustar::kChecksum.size - 1}, ustar::checksum(bytes_).as_unsigned);
        bytes_[ustar::kChecksum.end() - 1] = ' ';
        return std::move(bytes_);
    }

private:
    std::string bytes_ = std::string(kTarBlock, '\0');
};

/// A path as ustar holds it; the prefix may be empty.
struct SplitPath {
    std::string_view prefix;
    std::string_view name;
};

/// nullopt when it does not fit. The prefix is as short as can be.
std::optional<SplitPath> split_path(std::string_view path) {
    if (path.size() <= ustar::kName.size) {
        return SplitPath{{}, path};
    }
    const std::size_t slash = path.find('/', std::max<std::size_t>(path.size() - ustar::kName.size - 1, 1));
    if (slash == std::string_view::npos || slash > ustar::kPrefix.size || slash + 1 == path.size()) {
        return std::nullopt;
    }
    return SplitPath{path.substr(0, slash), path.substr(slash + 1)};
}

/// One block. A value that does not fit is 0, a name is cut: the pax records have the truth.
class HeaderBuilder {
public:
    explicit HeaderBuilder(const TarEntry& entry) : entry_(entry), path_(entry.path) {
        if (entry.type == TarType::Directory && !path_.ends_with('/')) {
            path_ += '/';
        }
    }

    std::string build() {
        put_path();
        put_link();
        block_.put_octal(ustar::kMode, entry_.mode & 07777U);
        put_number(ustar::kUid, entry_.uid, pax::kUid);
        put_number(ustar::kGid, entry_.gid, pax::kGid);
        put_number(ustar::kSize, entry_.size, pax::kSize);
        put_number(ustar::kMtime, static_cast<std::uint64_t>(entry_.mtime), pax::kMtime);
        block_.put(ustar::kType, {reinterpret_cast<const char*>(&entry_.type), 1});
        block_.put(ustar::kMagic, ustar::kPosixMagic);
        block_.put_octal(ustar::kDeviceMajor, entry_.device_major);
        block_.put_octal(ustar::kDeviceMinor, entry_.device_minor);
        for (const auto& [name, value] : entry_.xattrs) {
            records_.emplace(std::string(pax::kXattrPrefix) + name, value);
        }
        return pax_header() + block_.finish();
    }

private:
    void put_path() {
        if (const auto split = split_path(path_)) {
            block_.put(ustar::kPrefix, split->prefix);
            block_.put(ustar::kName, split->name);
        } else {
            block_.put(ustar::kName, path_);
            records_.emplace(pax::kPath, path_);
        }
    }

    void put_link() {
        block_.put(ustar::kLink, entry_.link);
        if (entry_.link.size() > ustar::kLink.size) {
            records_.emplace(pax::kLinkPath, entry_.link);
        }
    }

    void put_number(Field field, std::uint64_t value, std::string_view key) {
        const bool fits = value <= ustar::max_octal(field);
        block_.put_octal(field, fits ? value : 0);
        if (!fits) {
            records_.emplace(key, std::to_string(value));
        }
    }

    std::string pax_header() const {
        if (records_.empty()) {
            return {};
        }
        std::string records = pax::format(records_);
        Block block;
        block.put(ustar::kName, kPaxHeaderName);
        block.put_octal(ustar::kMode, 0644);
        for (const Field zero : {ustar::kUid, ustar::kGid, ustar::kMtime, ustar::kDeviceMajor, ustar::kDeviceMinor}) {
            block.put_octal(zero, 0);
        }
        block.put_octal(ustar::kSize, records.size());
        block.put(ustar::kType, {&kPaxHeaderType, 1});
        block.put(ustar::kMagic, ustar::kPosixMagic);
        records.append(tar_padding(records.size()), '\0');
        return block.finish() + records;
    }

    const TarEntry& entry_;
    std::string path_;
    Block block_;
    pax::Records records_;
};

[[noreturn]] void throw_size_changed(const TarEntry& entry, const std::string& actual) {
    throw IntegrityError("size of '" + entry.path + "', which changed while it was read",
                         std::to_string(entry.size) + " bytes", actual);
}

}  // namespace

std::string tar_header(const TarEntry& entry) {
    check(entry);
    return HeaderBuilder(entry).build();
}

void TarWriter::add(const TarEntry& entry) {
    if (entry.size != 0) {
        throw_size_changed(entry, "no content");
    }
    to_.write(as_bytes(tar_header(entry)));
}

void TarWriter::add(const TarEntry& entry, Source& content, std::stop_token stop) {
    to_.write(as_bytes(tar_header(entry)));
    if (!buffer_) {
        buffer_ = std::make_unique_for_overwrite<std::byte[]>(kStreamStep + kCacheLine);
    }
    std::byte* const buffer = cache_aligned(buffer_.get());
    std::uint64_t rest = entry.size;
    while (true) {
        if (stop.stop_requested()) {
            throw Cancelled();
        }
        // One byte more than is left, so that a file that grew shows.
        const std::size_t step = rest < kStreamStep ? static_cast<std::size_t>(rest) + 1 : kStreamStep;
        const std::size_t count = content.read({buffer, step});
        if (count > rest) {
            throw_size_changed(entry, "more");
        }
        if (count == 0) {
            break;
        }
        to_.write({buffer, count});
        rest -= count;
    }
    if (rest != 0) {
        throw_size_changed(entry, std::to_string(entry.size - rest));
    }
    const std::string padding(tar_padding(entry.size), '\0');
    to_.write(as_bytes(padding));
}

void TarWriter::finish() {
    to_.write(as_bytes(std::string(2 * kTarBlock, '\0')));
    to_.finish();
}

}  // namespace cooper
