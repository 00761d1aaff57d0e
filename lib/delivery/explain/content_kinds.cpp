#include "delivery/explain/content_kinds.hpp"

#include "cooper/base/text.hpp"

#include "delivery/explain/causes.hpp"
#include "delivery/explain/gzip_header.hpp"
#include "delivery/explain/unified_diff.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace cooper::delivery {

namespace {

struct Magic {
    std::string_view kind;
    std::string_view beginning;
};
constexpr std::array<Magic, 14> kMagics = {{{"ELF",
                                             "\x7f"
                                             "ELF"},
                                            {"gzip", "\x1f\x8b"},
                                            {"zip", "PK\x03\x04"},
                                            {"ar", "!<arch>\n"},
                                            {"SQLite database", "SQLite format 3"},
                                            {"xz",
                                             "\xfd"
                                             "7zXZ"},
                                            {"bzip2", "BZh"},
                                            {"zstd", "\x28\xb5\x2f\xfd"},
                                            {"PNG", "\x89PNG"},
                                            {"JPEG", "\xff\xd8\xff"},
                                            {"PDF", "%PDF"},
                                            {"Java class", "\xca\xfe\xba\xbe"},
                                            {"message catalogue", "\xde\x12\x04\x95"},
                                            {"RPM package", "\xed\xab\xee\xdb"}}};

/// Where the contents differ first; nullopt: beyond what was kept.
std::optional<std::uint64_t> first_difference(const Captured& a, const Captured& b) {
    const auto in = [](std::string_view x, std::string_view y) -> std::optional<std::uint64_t> {
        const auto shorter = std::min(x.size(), y.size());
        const auto [at, ignored] =
            std::mismatch(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(shorter), y.begin());
        const auto offset = static_cast<std::size_t>(at - x.begin());
        return offset == shorter && x.size() == y.size() ? std::nullopt : std::optional<std::uint64_t>(offset);
    };
    if (const auto offset = in(a.head, b.head);
        offset && (*offset < std::min(a.head.size(), b.head.size()) || a.whole || b.whole)) {
        return offset;
    }
    const auto offset = in(a.block, b.block);
    return offset ? std::optional(a.block_offset + *offset) : std::nullopt;
}

std::string where_they_part(const Captured& a, const Captured& b) {
    const auto sizes =
        a.size == b.size ? std::to_string(a.size) : std::to_string(a.size) + " and " + std::to_string(b.size);
    const auto offset = first_difference(a, b);
    return offset ? "first different byte: " + std::to_string(*offset) + " of " + sizes : "of " + sizes + " bytes";
}

bool looks_like_text(std::string_view bytes) {
    constexpr std::size_t kSample = 8192;
    // A sequence of UTF-8 may be cut at the end of the sample.
    auto sample = bytes.substr(0, kSample);
    for (int cut = 0; cut < 4 && sample.size() == kSample && !is_valid_utf8(sample); ++cut) {
        sample.remove_suffix(1);
    }
    return is_valid_utf8(sample) && sample.find('\0') == std::string_view::npos;
}

/// Everything behind a header is equal.
bool same_behind(const ContentPair& pair, std::size_t a, std::size_t b) {
    const std::string_view x(pair.a.head), y(pair.b.head);
    if (x.size() < a || y.size() < b || x.substr(a) != y.substr(b)) {
        return false;
    }
    return (pair.a.whole && pair.b.whole) || (a == b && pair.a.size == pair.b.size && pair.only_first_block);
}

std::string member_list(const std::vector<std::pair<std::string, std::string>>& a,
                        const std::vector<std::pair<std::string, std::string>>& b) {
    std::string text;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        if (a[i].second != b[i].second) {
            text += (text.empty() ? "" : ", ") + a[i].first + " " + a[i].second + " -> " + b[i].second;
        }
    }
    return text;
}

std::optional<ContentKind> describe_gzip(const ContentPair& pair) {
    const auto a = read_gzip_header(pair.a.head), b = read_gzip_header(pair.b.head);
    if (!a || !b || !same_behind(pair, a->length, b->length)) {
        return std::nullopt;
    }
    return ContentKind{"gzip, only its header", member_list(gzip_members(*a), gzip_members(*b))};
}

/// PEP 552: magic, flags, then mtime and size of the source, or a hash of it.
std::optional<ContentKind> describe_pyc(const ContentPair& pair) {
    constexpr std::size_t kTime = 8, kHeader = 16;
    const std::string_view a(pair.a.head), b(pair.b.head);
    if (std::min(a.size(), b.size()) < kHeader || a.substr(2, 2) != "\r\n" || b.substr(2, 2) != "\r\n") {
        return std::nullopt;
    }
    const bool by_time = little_endian(a.substr(4, 4)) == 0 && a.substr(0, kTime) == b.substr(0, kTime) &&
                         a.substr(12, 4) == b.substr(12, 4);
    if (!by_time || !same_behind(pair, kHeader, kHeader)) {
        return ContentKind{"pyc", a.substr(0, 4) == b.substr(0, 4) ? where_they_part(pair.a, pair.b)
                                                                   : "compiled by another version of Python"};
    }
    return ContentKind{"pyc, only the mtime of the source", std::to_string(little_endian(a.substr(kTime, 4))) + " -> " +
                                                                std::to_string(little_endian(b.substr(kTime, 4)))};
}

/// Zeros over times of members, in both lists; nullopt: not a zip that can be followed.
std::optional<std::string> zip_without_times(std::string zip) {
    constexpr std::size_t kEnd = 22, kCentral = 46, kLocal = 30;
    const auto end = zip.rfind("PK\5\6");
    if (end == std::string::npos || zip.size() - end < kEnd) {
        return std::nullopt;
    }
    const auto number = [&](std::size_t at, std::size_t bytes) {
        return static_cast<std::size_t>(little_endian(std::string_view(zip).substr(at, bytes)));
    };
    const auto erase = [&](std::size_t at, std::size_t length) {
        for (auto i = at; i < std::min(at + length, zip.size()); ++i) {
            zip[i] = '\0';
        }
    };
    auto at = number(end + 16, 4);
    for (auto count = number(end + 10, 2); count > 0; --count) {
        if (at + kCentral > zip.size() || std::string_view(zip).substr(at, 4) != "PK\1\2") {
            return std::nullopt;
        }
        const auto name = number(at + 28, 2), extra = number(at + 30, 2), local = number(at + 42, 4);
        if (local + kLocal > zip.size()) {
            return std::nullopt;
        }
        const auto next = at + kCentral + name + extra + number(at + 32, 2);
        erase(local + kLocal + number(local + 26, 2), number(local + 28, 2));  // extended times are in there
        erase(local + 10, 4);
        erase(at + 12, 4);
        erase(at + kCentral + name, extra);
        at = next;
    }
    return zip;
}

/// Zeros over times, owners and modes of an ar archive's members.
std::optional<std::string> ar_without_times(std::string ar) {
    constexpr std::size_t kMagic = 8, kHeader = 60, kTime = 16, kSize = 48;
    std::size_t at = kMagic;
    while (at + kHeader <= ar.size()) {
        const auto size = parse_uint(trim(std::string_view(ar).substr(at + kSize, 10)));
        if (!size || *size > ar.size()) {
            return std::nullopt;
        }
        std::fill_n(ar.begin() + static_cast<std::ptrdiff_t>(at + kTime), kSize - kTime, '\0');
        at += kHeader + *size + *size % 2;
    }
    return ar;
}

template <class F>
bool same_without(const ContentPair& pair, F&& without_times) {
    if (!pair.a.whole || !pair.b.whole) {
        return false;
    }
    const auto a = without_times(pair.a.head), b = without_times(pair.b.head);
    return a && b && *a == *b;
}

/// The build ID in the notes of a 64-bit little-endian ELF file; "" : none found.
std::string elf_build_id(std::string_view elf) {
    constexpr std::size_t kHeader = 64, kProgramHeader = 56;
    constexpr std::uint64_t kNote = 4, kBuildId = 3;
    if (elf.size() < kHeader || elf[4] != 2 || elf[5] != 1) {
        return "";
    }
    const auto number = [&](std::uint64_t at, std::size_t bytes) -> std::uint64_t {
        return at <= elf.size() && bytes <= elf.size() - at ? little_endian(elf.substr(at, bytes)) : 0;
    };
    const auto headers = number(32, 8);
    for (std::uint64_t i = 0; i < number(56, 2); ++i) {
        const auto header = headers + i * kProgramHeader;
        if (headers > elf.size() || number(header, 4) != kNote) {
            continue;
        }
        const auto offset = number(header + 8, 8), size = number(header + 32, 8);
        for (std::uint64_t at = offset; offset <= elf.size() && at + 12 <= elf.size() && at - offset < size;) {
            const auto name = number(at, 4), length = number(at + 4, 4);
            const auto content = at + 12 + (name + 3) / 4 * 4;
            if (number(at + 8, 4) == kBuildId && content <= elf.size() && length <= elf.size() - content) {
                return to_hex(as_bytes(elf.substr(content, length)));
            }
            at = content + (length + 3) / 4 * 4;
        }
    }
    return "";
}

ContentKind describe_elf(const ContentPair& pair) {
    const auto a = elf_build_id(pair.a.head), b = elf_build_id(pair.b.head);
    if (a != b) {
        const auto text = [](const std::string& id) { return id.empty() ? std::string("none") : id; };
        return {"ELF, the build ID and more", text(a) + " -> " + text(b) + "; " + where_they_part(pair.a, pair.b)};
    }
    return {"ELF", where_they_part(pair.a, pair.b)};
}

/// /etc/shadow without the third field, the day of the last change.
std::string shadow_without_days(std::string_view text) {
    std::string out;
    for (const auto line : split(text, '\n')) {
        const auto fields = split(line, ':');
        for (std::size_t i = 0; i < fields.size(); ++i) {
            out += (i == 2 ? "" : std::string(fields[i])) + ":";
        }
        out += "\n";
    }
    return out;
}

ContentKind describe_secret(const ContentPair& pair) {
    const bool shadow = pair.path == "etc/shadow" || pair.path == "etc/shadow-";
    if (shadow && pair.a.whole && pair.b.whole &&
        shadow_without_days(pair.a.head) == shadow_without_days(pair.b.head)) {
        return {"shadow, only the day of the last change", "not shown: it holds hashes of passwords"};
    }
    return {"text", "not shown: it may hold secrets"};
}

std::string_view kind_of(std::string_view head) {
    for (const auto& [kind, beginning] : kMagics) {
        if (head.starts_with(beginning)) {
            return kind;
        }
    }
    return "";
}

ContentKind describe_known(const ContentPair& pair, std::string_view kind) {
    if (kind == "ELF") {
        return describe_elf(pair);
    }
    if (kind == "gzip") {
        if (auto only_header = describe_gzip(pair)) {
            return std::move(*only_header);
        }
    }
    if (kind == "zip" && same_without(pair, zip_without_times)) {
        return {"zip, only the times of its members", where_they_part(pair.a, pair.b)};
    }
    if (kind == "ar" && same_without(pair, ar_without_times)) {
        return {"ar, only times, owners and modes of its members", where_they_part(pair.a, pair.b)};
    }
    return {std::string(kind), where_they_part(pair.a, pair.b)};
}

}  // namespace

ContentKind describe_content(const ContentPair& pair, std::size_t max_diff_lines) {
    if (may_hold_secrets(pair.path)) {
        return describe_secret(pair);
    }
    if (pair.path.ends_with(".pyc")) {
        if (auto pyc = describe_pyc(pair)) {
            return std::move(*pyc);
        }
    }
    const auto kind = kind_of(pair.a.head);
    if (!kind.empty() && kind == kind_of(pair.b.head)) {
        return describe_known(pair, kind);
    }
    if (looks_like_text(pair.a.head) && looks_like_text(pair.b.head)) {
        auto diff = pair.a.head == pair.b.head ? where_they_part(pair.a, pair.b)
                                               : unified_diff(pair.a.head, pair.b.head, max_diff_lines);
        return {"text", std::move(diff)};
    }
    return {"binary", where_they_part(pair.a, pair.b)};
}

}  // namespace cooper::delivery
