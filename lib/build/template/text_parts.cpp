#include "build/template/characters.hpp"
#include "build/template/methods.hpp"

#include <algorithm>

namespace cooper::build::jinja {

namespace {

constexpr std::size_t kNowhere = std::string_view::npos;

}  // namespace

std::vector<std::string_view> split_at_blanks(std::string_view text, std::int64_t most) {
    std::vector<std::string_view> parts;
    text = strip_left(text);
    while (!text.empty()) {
        if (most >= 0 && static_cast<std::int64_t>(parts.size()) == most) {
            parts.push_back(text);
            break;
        }
        std::size_t end = 0;
        std::size_t next = 0;
        while (next < text.size() && !is_space(next_character(text, next))) {
            end = next;
        }
        parts.push_back(text.substr(0, end));
        text = strip_left(text.substr(end));
    }
    return parts;
}

std::vector<std::string_view> split_at_blanks_backwards(std::string_view text, std::int64_t most) {
    std::vector<std::string_view> parts;
    text = strip_right(text);
    while (!text.empty()) {
        if (most >= 0 && static_cast<std::int64_t>(parts.size()) == most) {
            parts.push_back(text);
            break;
        }
        std::size_t begin = text.size();
        while (begin > 0) {
            const std::size_t before = character_before(text, begin);
            std::size_t next = before;
            if (is_space(next_character(text, next))) {
                break;
            }
            begin = before;
        }
        parts.push_back(text.substr(begin));
        text = strip_right(text.substr(0, begin));
    }
    std::reverse(parts.begin(), parts.end());
    return parts;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, std::int64_t most) {
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    while (most < 0 || static_cast<std::int64_t>(parts.size()) < most) {
        const std::size_t at = find_text(text, separator, begin);
        if (at == kNowhere) {
            break;
        }
        parts.push_back(text.substr(begin, at - begin));
        begin = at + separator.size();
    }
    parts.push_back(text.substr(begin));
    return parts;
}

std::vector<std::string_view> split_at_backwards(std::string_view text, std::string_view separator, std::int64_t most) {
    std::vector<std::string_view> parts;
    std::size_t end = text.size();
    for (std::size_t at = end;
         (most < 0 || static_cast<std::int64_t>(parts.size()) < most) && at >= separator.size();) {
        at -= separator.size();
        if (text.substr(at, separator.size()) == separator) {
            parts.push_back(text.substr(at + separator.size(), end - at - separator.size()));
            end = at;
        } else {
            at += separator.size() - 1;
        }
    }
    parts.push_back(text.substr(0, end));
    std::reverse(parts.begin(), parts.end());
    return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
    const auto ends_line = [](char32_t c) {
        return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    };
    std::vector<std::string_view> lines;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t before = at;
        const char32_t c = next_character(text, at);
        if (!ends_line(c)) {
            continue;
        }
        if (c == '\r' && at < text.size() && text[at] == '\n') {
            ++at;
        }
        lines.push_back(text.substr(begin, (keep_ends ? at : before) - begin));
        begin = at;
    }
    if (begin < text.size()) {
        lines.push_back(text.substr(begin));
    }
    return lines;
}

void append_replaced(TextBuilder& to, std::string_view text, std::string_view from, std::string_view by,
                     std::int64_t count) {
    std::size_t begin = 0;
    if (from.empty()) {  // before every character and at the end
        while (count-- != 0) {
            to += by;
            if (begin == text.size()) {
                return;
            }
            const std::size_t size = offset_of(text.substr(begin), 1);
            to += text.substr(begin, size);
            begin += size;
        }
        to += text.substr(begin);
        return;
    }
    for (std::size_t at = find_text(text, from); at != kNowhere && count-- != 0; at = find_text(text, from, begin)) {
        to += text.substr(begin, at - begin);
        to += by;
        begin = at + from.size();
    }
    to += text.substr(begin);
}

std::string_view stripped(std::string_view text, const std::string* characters, bool left, bool right) {
    if (characters == nullptr) {
        text = left ? strip_left(text) : text;
        return right ? strip_right(text) : text;
    }
    constexpr std::size_t kMostCharacters = 1000;  // each is compared with each
    if (characters->size() > kMostCharacters) {
        throw Failure{"strip: more than " + std::to_string(kMostCharacters) + " characters to strip"};
    }
    const auto is_one = [&](std::string_view character) { return characters->find(character) != std::string::npos; };
    while (left && !text.empty() && is_one(text.substr(0, offset_of(text, 1)))) {
        text.remove_prefix(offset_of(text, 1));
    }
    while (right && !text.empty()) {
        const std::size_t at = character_before(text, text.size());
        if (!is_one(text.substr(at))) {
            break;
        }
        text.remove_suffix(text.size() - at);
    }
    return text;
}

/// Where one blank is left over, it goes to the left if the width is odd, as CPython has it.
void append_centered(TextBuilder& to, const Text& text, std::int64_t width, std::string_view fill) {
    const auto length = static_cast<std::int64_t>(text.length);
    const std::int64_t missing = width > length ? width - length : 0;
    const std::int64_t left = missing / 2 + (missing & width & 1);
    to.fill(static_cast<std::size_t>(left), fill);
    to += text.bytes;
    to.fill(static_cast<std::size_t>(missing - left), fill);
}

}  // namespace cooper::build::jinja
