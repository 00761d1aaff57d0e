#include "delivery/gate/file_list.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/oci/manifest.hpp"

#include "build/paths.hpp"

#include <algorithm>
#include <array>

namespace cooper::delivery {

namespace {

constexpr std::string_view kTitle = "cooper.files/v1";
constexpr std::string_view kNone = "-";
constexpr std::size_t kFields = 11;
constexpr std::size_t kPathField = 9;
// Two names of the length that the tar reader takes, every byte percent-encoded, and the other fields.
constexpr std::size_t kMaxLine = 2 * 3 * 4096 + 512;
constexpr std::uint64_t kMaxEntries = 5'000'000;  // of a layer, as the tar reader has it

std::string octal(std::uint32_t mode) {
    std::string digits;
    for (int shift = 9; shift >= 0; shift -= 3) {
        digits += static_cast<char>('0' + ((mode >> shift) & 7U));
    }
    return digits;
}

/// "." is no name in a clean path, so it may stand for the root.
std::string encoded(std::string_view name) {
    return name.empty() ? "." : percent_encode(name, "/+@,:=()[]{}!$&'*;#^");
}

std::string digest_of(const std::map<std::string, std::string>& attributes) {
    Hasher hasher;
    for (const auto& [name, value] : attributes) {
        hasher.update(name + '\0' + std::to_string(value.size()) + '\0' + value);
    }
    return std::string(hasher.finish().hex());
}

/// The fields of a line, or nothing when there are more or fewer.
std::optional<std::array<std::string_view, kFields>> fields_of(std::string_view line) {
    std::array<std::string_view, kFields> fields;
    for (std::size_t i = 0; i < kFields; ++i) {
        const std::size_t space = line.find(' ');
        if ((space == std::string_view::npos) != (i + 1 == kFields)) {
            return std::nullopt;
        }
        fields[i] = line.substr(0, space);
        line.remove_prefix(std::min(line.size(), fields[i].size() + 1));
    }
    return fields;
}

}  // namespace

std::string file_line(const TarEntry& entry, const std::optional<Digest>& content) {
    const bool device = entry.type == TarType::CharDevice || entry.type == TarType::BlockDevice;
    const bool link = entry.type == TarType::HardLink || entry.type == TarType::Symlink;
    std::string line(1, static_cast<char>(entry.type));
    line += ' ' + octal(entry.mode);
    line += ' ' + std::to_string(entry.uid) + ' ' + std::to_string(entry.gid) + ' ' + std::to_string(entry.mtime);
    line += ' ' + (content ? std::to_string(entry.size) : std::string(kNone));
    line += ' ' + (device ? std::to_string(entry.device_major) + "," + std::to_string(entry.device_minor)
                          : std::string(kNone));
    line += ' ';
    line += content ? content->hex() : kNone;
    line += ' ' + (entry.xattrs.empty() ? std::string(kNone) : digest_of(entry.xattrs));
    line += ' ' + encoded(build::clean_path(entry.path));
    line += ' ' + (link ? encoded(entry.link) : std::string(kNone));
    return line;
}

ListedFile parse_file_line(std::string_view line, const std::string& what) {
    const auto fields = fields_of(line);
    if (!fields || (*fields)[0].size() != 1) {
        throw Error(ErrorCode::InvalidInput, what + ": a line of the list of files is damaged");
    }
    const auto& [type, mode, uid, gid, mtime, size, device, content, attributes, path, link] = *fields;
    ListedFile file;
    file.type = type[0];
    file.mode = mode;
    file.owner = std::string(uid) + ":" + std::string(gid);
    file.mtime = mtime;
    file.size = size;
    file.device = device;
    file.content = content;
    file.attributes = attributes;
    file.path = percent_decode(path);
    file.link = percent_decode(link);
    return file;
}

std::string_view path_of_line(std::string_view line) {
    const auto fields = fields_of(line);
    return fields ? (*fields)[kPathField] : std::string_view();
}

FileListReader::FileListReader(std::unique_ptr<Source> lines, std::string what)
    : lines_(std::move(lines)), what_(std::move(what)), buffer_(std::make_unique_for_overwrite<char[]>(kStreamStep)) {
    constexpr std::string_view kConfig = "config ";
    if (!read_line() || line_ != kTitle) {
        refuse("it does not begin with " + std::string(kTitle));
    }
    if (!read_line() || !line_.starts_with(kConfig)) {
        refuse("it has no config");
    }
    const auto size = parse_uint(std::string_view(line_).substr(kConfig.size()));
    if (!size || *size > oci::kMaxDocument) {
        refuse("the size of the config is not one");
    }
    config_.reserve(*size);
    while (config_.size() < *size) {
        if (begin_ == end_ && !fill()) {
            refuse("it is cut in the config");
        }
        const std::size_t count = std::min<std::size_t>(end_ - begin_, *size - config_.size());
        config_.append(buffer_.get() + begin_, count);
        begin_ += count;
    }
    if (!read_line() || !line_.empty()) {
        refuse("the config is longer than it says");
    }
}

void FileListReader::refuse(const std::string& why) const {
    throw Error(ErrorCode::InvalidInput, what_ + " is no list of files, or damaged: " + why);
}

bool FileListReader::fill() {
    begin_ = 0;
    end_ = lines_->read(std::as_writable_bytes(std::span(buffer_.get(), kStreamStep)));
    return end_ > 0;
}

bool FileListReader::read_line() {
    line_.clear();
    while (begin_ < end_ || fill()) {
        const std::string_view rest(buffer_.get() + begin_, end_ - begin_);
        const std::size_t newline = rest.find('\n');
        const std::string_view piece = rest.substr(0, newline);
        if (line_.size() + piece.size() > kMaxLine) {
            refuse("a line has more than " + std::to_string(kMaxLine) + " bytes");
        }
        line_ += piece;
        begin_ += piece.size();
        if (newline != std::string_view::npos) {
            ++begin_;
            return true;
        }
    }
    if (!line_.empty()) {
        refuse("it is cut");
    }
    return false;
}

std::optional<Digest> FileListReader::next_layer() {
    constexpr std::string_view kLayer = "layer ";
    while (next_file() != nullptr) {
    }
    if (!read_line()) {
        return std::nullopt;
    }
    const auto diff_id =
        line_.starts_with(kLayer) ? Digest::try_parse(std::string_view(line_).substr(kLayer.size())) : std::nullopt;
    if (!diff_id || ++layers_ > oci::kMaxLayers) {
        refuse("a layer is expected where there is none");
    }
    in_layer_ = true;
    entries_ = 0;
    return diff_id;
}

const std::string* FileListReader::next_file() {
    constexpr std::string_view kEnd = "end ";
    if (!in_layer_) {
        return nullptr;
    }
    if (!read_line()) {
        refuse("it is cut in a layer");
    }
    if (line_.starts_with(kEnd)) {
        if (parse_uint(std::string_view(line_).substr(kEnd.size())) != entries_) {
            refuse("the count of a layer's entries is wrong");
        }
        in_layer_ = false;
        return nullptr;
    }
    if (++entries_ > kMaxEntries) {
        refuse("a layer has more than " + std::to_string(kMaxEntries) + " entries");
    }
    return &line_;
}

}  // namespace cooper::delivery
