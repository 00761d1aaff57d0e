#include "build/template/characters.hpp"

#include "build/template/character_tables.hpp"

#include <algorithm>
#include <cstring>

namespace cooper::build::jinja {

namespace {

bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

constexpr char32_t kAscii = 0x80;

template <class Table>
const typename Table::value_type* range_of(const Table& table, char32_t character) {
    const auto after = std::upper_bound(table.begin(), table.end(), character,
                                        [](char32_t value, const auto& range) { return value < range.first; });
    return after == table.begin() || std::prev(after)->last < character ? nullptr : &*std::prev(after);
}

/// The other case of a letter beyond ASCII; itself when it has none.
template <class Table>
char32_t other_case(const Table& table, char32_t character) {
    const auto* const range = range_of(table, character);
    if (range == nullptr || (character - range->first) % static_cast<char32_t>(range->stride) != 0) {
        return character;
    }
    return static_cast<char32_t>(static_cast<std::int64_t>(character) + range->distance);
}

const char* find_expansion(char32_t character) {
    const auto* const found =
        std::lower_bound(kUpperExpansions.begin(), kUpperExpansions.end(), character,
                         [](const CaseExpansion& each, char32_t value) { return each.character < value; });
    return found != kUpperExpansions.end() && found->character == character ? found->upper : nullptr;
}

char ascii_upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

char ascii_lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::size_t count_characters(std::string_view text) {
    return text.size() - static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_continuation));
}

std::size_t offset_of(std::string_view text, std::size_t index) {
    std::size_t offset = 0;
    while (offset < text.size() && index > 0) {
        ++offset;
        while (offset < text.size() && is_continuation(text[offset])) {
            ++offset;
        }
        --index;
    }
    return offset;
}

char32_t next_character(std::string_view text, std::size_t& offset) {
    const auto lead = static_cast<unsigned char>(text[offset++]);
    if (lead < kAscii) {
        return lead;
    }
    char32_t character = lead & (lead >= 0xF0 ? 0x07U : lead >= 0xE0 ? 0x0FU : 0x1FU);
    while (offset < text.size() && is_continuation(text[offset])) {
        character = character << 6U | (static_cast<unsigned char>(text[offset++]) & 0x3FU);
    }
    return character;
}

std::size_t character_before(std::string_view text, std::size_t offset) {
    --offset;
    while (offset > 0 && is_continuation(text[offset])) {
        --offset;
    }
    return offset;
}

void append_character(std::string& text, char32_t character) {
    const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
    if (character < kAscii) {
        put(character);
    } else if (character < 0x800) {
        put(0xC0U | character >> 6U);
        put(0x80U | (character & 0x3FU));
    } else if (character < 0x10000) {
        put(0xE0U | character >> 12U);
        put(0x80U | (character >> 6U & 0x3FU));
        put(0x80U | (character & 0x3FU));
    } else {
        put(0xF0U | character >> 18U);
        put(0x80U | (character >> 12U & 0x3FU));
        put(0x80U | (character >> 6U & 0x3FU));
        put(0x80U | (character & 0x3FU));
    }
}

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < kAscii; });
}

bool is_space(char32_t c) {
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(char32_t c) {
    return c < kAscii ? c >= 0x20 && c != 0x7F : range_of(kNotPrintable, c) == nullptr;
}

std::string_view strip_left(std::string_view text) {
    std::size_t offset = 0;
    while (offset < text.size()) {
        std::size_t next = offset;
        if (!is_space(next_character(text, next))) {
            break;
        }
        offset = next;
    }
    return text.substr(offset);
}

std::string_view strip_right(std::string_view text) {
    while (!text.empty()) {
        const std::size_t at = character_before(text, text.size());
        std::size_t offset = at;
        if (!is_space(next_character(text, offset))) {
            break;
        }
        text = text.substr(0, at);
    }
    return text;
}

std::string upper(std::string_view text) {
    std::string result;
    result.reserve(text.size());
    for (std::size_t offset = 0; offset < text.size();) {
        const char32_t c = next_character(text, offset);
        if (c < kAscii) {
            result.push_back(ascii_upper(static_cast<char>(c)));
        } else if (const char* const several = find_expansion(c)) {
            result += several;
        } else {
            append_character(result, other_case(kUpperCase, c));
        }
    }
    return result;
}

std::string lower(std::string_view text) {
    constexpr char32_t kDottedI = 0x130;  // the one letter whose lower case is two characters
    std::string result;
    result.reserve(text.size());
    for (std::size_t offset = 0; offset < text.size();) {
        const char32_t c = next_character(text, offset);
        if (c < kAscii) {
            result.push_back(ascii_lower(static_cast<char>(c)));
        } else if (c == kDottedI) {
            result += "i\u0307";
        } else {
            append_character(result, other_case(kLowerCase, c));
        }
    }
    return result;
}

bool is_upper(char32_t c) {
    return c < kAscii ? c >= 'A' && c <= 'Z' : other_case(kLowerCase, c) != c;
}

bool is_lower(char32_t c) {
    return c < kAscii ? c >= 'a' && c <= 'z' : other_case(kUpperCase, c) != c || find_expansion(c) != nullptr;
}

std::string capitalized(std::string_view text) {
    const std::size_t first = offset_of(text, 1);
    return upper(text.substr(0, first)) + lower(text.substr(first));
}

std::size_t find_text(std::string_view text, std::string_view needle, std::size_t from) {
    if (from > text.size() || needle.size() > text.size() - from) {
        return std::string_view::npos;
    }
    if (needle.empty()) {
        return from;
    }
    const void* const found = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
    return found == nullptr ? std::string_view::npos
                            : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace cooper::build::jinja
