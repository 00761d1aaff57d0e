#include "delivery/explain/gzip_header.hpp"

#include "cooper/base/text.hpp"

#include <algorithm>

namespace cooper::delivery {

namespace {

constexpr std::size_t kFixed = 10;
constexpr unsigned kHeaderCrc = 2, kExtra = 4, kName = 8, kComment = 16;
constexpr std::string_view kGzipMagic = "\x1f\x8b\x08";
constexpr std::string_view kZstdMagic = "\x28\xb5\x2f\xfd";

unsigned byte_at(std::string_view text, std::size_t at) {
    return static_cast<unsigned char>(text[at]);
}

/// Takes the bytes before the next NUL off `rest`.
bool take_text(std::string_view& rest, std::string& into) {
    const auto end = rest.find('\0');
    if (end == std::string_view::npos) {
        return false;
    }
    into = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    return true;
}

std::string system_name(unsigned system) {
    switch (system) {
        case 0:
            return "0 (FAT)";
        case 3:
            return "3 (Unix)";
        case 255:
            return "255 (unknown)";
        default:
            return std::to_string(system);
    }
}

}  // namespace

std::uint64_t little_endian(std::string_view bytes) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;) {
        value = value << 8U | static_cast<unsigned char>(bytes[i]);
    }
    return value;
}

std::optional<GzipHeader> read_gzip_header(std::string_view head) {
    if (head.size() < kFixed || !head.starts_with(kGzipMagic)) {
        return std::nullopt;
    }
    GzipHeader header;
    header.flags = static_cast<std::uint8_t>(byte_at(head, 3));
    header.mtime = static_cast<std::uint32_t>(little_endian(head.substr(4, 4)));
    header.extra_flags = static_cast<std::uint8_t>(byte_at(head, 8));
    header.system = static_cast<std::uint8_t>(byte_at(head, 9));
    auto rest = head.substr(kFixed);
    if ((header.flags & kExtra) != 0) {
        const auto length = rest.size() < 2 ? rest.size() : static_cast<std::size_t>(little_endian(rest.substr(0, 2)));
        if (rest.size() < length + 2) {
            return std::nullopt;
        }
        header.extra = rest.substr(2, length);
        rest.remove_prefix(length + 2);
    }
    if (((header.flags & kName) != 0 && !take_text(rest, header.name)) ||
        ((header.flags & kComment) != 0 && !take_text(rest, header.comment))) {
        return std::nullopt;
    }
    header.length = head.size() - rest.size() + ((header.flags & kHeaderCrc) != 0 ? 2 : 0);
    return header;
}

std::vector<std::pair<std::string, std::string>> gzip_members(const GzipHeader& header) {
    return {{"mtime", std::to_string(header.mtime)},  {"name", header.name},
            {"OS", system_name(header.system)},       {"XFL", std::to_string(header.extra_flags)},
            {"FLG", std::to_string(header.flags)},    {"comment", header.comment},
            {"extra", to_hex(as_bytes(header.extra))}};
}

std::vector<std::pair<std::string, std::string>> read_zstd_header(std::string_view head) {
    constexpr std::size_t kSmallest = 6;
    if (head.size() < kSmallest || !head.starts_with(kZstdMagic)) {
        return {};
    }
    const auto descriptor = byte_at(head, 4);
    const auto size_flag = descriptor >> 6U;
    const bool single_segment = (descriptor & 32U) != 0;
    const std::size_t dictionary_bytes = (descriptor & 3U) == 3 ? 4 : descriptor & 3U;
    const std::size_t at = 5 + (single_segment ? 0 : 1) + dictionary_bytes;
    const std::size_t size_bytes = size_flag == 0 ? (single_segment ? 1 : 0) : std::size_t{1} << size_flag;
    std::string size = "unknown";
    if (size_bytes > 0 && head.size() >= at + size_bytes) {
        size = std::to_string(little_endian(head.substr(at, size_bytes)) + (size_bytes == 2 ? 256 : 0));
    }
    return {{"content size", size},
            {"checksum", (descriptor & 4U) != 0 ? "yes" : "no"},
            {"window", single_segment ? "single segment" : std::to_string(byte_at(head, 5))},
            {"dictionary", std::to_string(dictionary_bytes)}};
}

}  // namespace cooper::delivery
