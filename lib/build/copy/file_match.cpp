#include "cooper/base/error.hpp"
#include "cooper/build/copy_files.hpp"

#include "build/tree/dockerignore_pattern.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr char32_t kReplacement = 0xFFFD;

struct DecodedRune {
    char32_t point = kReplacement;
    std::size_t size = 1;
};

/// Go's utf8.DecodeRune: a byte that is not UTF-8 is U+FFFD of size 1. `text` is not empty.
DecodedRune decode_rune(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char lead = byte(0);
    if (lead < 0x80) {
        return {lead, 1};
    }
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < size) {
        return {};
    }
    char32_t point = lead & (0xFFU >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xC0U) != 0x80) {
            return {};
        }
        point = (point << 6U) | (byte(i) & 0x3FU);
    }
    const bool overlong = (size == 3 && point < 0x800) || (size == 4 && point < 0x10000);
    const bool no_character = point > 0x10FFFF || (point >= 0xD800 && point < 0xE000);
    return overlong || no_character ? DecodedRune{} : DecodedRune{point, size};
}

/// Takes one rune, after a backslash literally.
char32_t take_rune(std::string_view& pattern) {
    if (pattern.front() == '\\' && pattern.size() > 1) {
        pattern.remove_prefix(1);
    }
    const auto rune = decode_rune(pattern);
    pattern.remove_prefix(rune.size);
    return rune.point;
}

/// `pattern` is behind the '['; it is well-formed.
bool take_class(std::string_view& pattern, char32_t point) {
    const bool negated = pattern.starts_with('^');
    if (negated) {
        pattern.remove_prefix(1);
    }
    bool found = false;
    for (bool first = true; first || pattern.front() != ']'; first = false) {
        const char32_t low = take_rune(pattern);
        char32_t high = low;
        if (pattern.starts_with('-')) {
            pattern.remove_prefix(1);
            high = take_rune(pattern);
        }
        found = found || (low <= point && point <= high);
    }
    pattern.remove_prefix(1);
    return found != negated;
}

/// What stands between two stars, against the beginning of `name`: the rest of it.
std::optional<std::string_view> match_chunk(std::string_view chunk, std::string_view name) {
    while (!chunk.empty()) {
        if (name.empty()) {
            return std::nullopt;
        }
        if (chunk.front() == '[') {
            const auto rune = decode_rune(name);
            name.remove_prefix(rune.size);
            chunk.remove_prefix(1);
            if (!take_class(chunk, rune.point)) {
                return std::nullopt;
            }
        } else if (chunk.front() == '?') {
            if (name.front() == '/') {
                return std::nullopt;
            }
            name.remove_prefix(decode_rune(name).size);
            chunk.remove_prefix(1);
        } else {
            if (chunk.front() == '\\') {
                chunk.remove_prefix(1);
            }
            if (chunk.front() != name.front()) {
                return std::nullopt;
            }
            name.remove_prefix(1);
            chunk.remove_prefix(1);
        }
    }
    return name;
}

/// The text up to the next star that is no literal.
std::string_view take_chunk(std::string_view& pattern) {
    bool in_class = false;
    std::size_t end = 0;
    for (; end < pattern.size(); ++end) {
        const char here = pattern[end];
        if (here == '\\') {
            ++end;
        } else if (here == '[') {
            in_class = true;
        } else if (here == ']') {
            in_class = false;
        } else if (here == '*' && !in_class) {
            break;
        }
    }
    end = std::min(end, pattern.size());
    const auto chunk = pattern.substr(0, end);
    pattern.remove_prefix(end);
    return chunk;
}

}  // namespace

bool file_path_matches(std::string_view pattern, std::string_view name) {
    if (is_malformed_pattern(pattern)) {
        throw Error(ErrorCode::InvalidInput, "the pattern '" + oci::printable(pattern) + "' is malformed");
    }
    while (!pattern.empty()) {
        const bool star = pattern.front() == '*';
        pattern.remove_prefix(std::min(pattern.find_first_not_of('*'), pattern.size()));
        const auto chunk = take_chunk(pattern);
        if (star && chunk.empty()) {
            return name.find('/') == std::string_view::npos;
        }
        // The first place that fits is as good as any later one: what stars skip never holds a '/'.
        auto rest = match_chunk(chunk, name);
        const auto fits = [&] { return rest && (rest->empty() || !pattern.empty()); };
        while (!fits() && star && !name.empty() && name.front() != '/') {
            name.remove_prefix(1);
            rest = match_chunk(chunk, name);
        }
        if (!fits()) {
            return false;
        }
        name = *rest;
    }
    return name.empty();
}

}  // namespace cooper::build
