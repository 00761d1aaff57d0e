#include "delivery/changelog/markdown.hpp"

#include "cooper/base/text.hpp"

#include <limits>

namespace cooper::delivery {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

/// Takes one character off `rest` (RFC 3629); a byte that begins none is U+FFFD.
char32_t take_character(std::string_view& rest) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
    const unsigned char lead = byte(0);
    std::size_t length = 1;
    char32_t character = lead;
    char32_t smallest = 0;
    if (lead >= 0xC2 && lead <= 0xDF) {
        length = 2, character = lead & 0x1Fu, smallest = 0x80;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        length = 3, character = lead & 0x0Fu, smallest = 0x800;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        length = 4, character = lead & 0x07u, smallest = 0x10000;
    } else if (lead >= 0x80) {
        rest.remove_prefix(1);
        return kReplacement;
    }
    bool whole = rest.size() >= length;
    for (std::size_t i = 1; whole && i < length; ++i) {
        whole = (byte(i) & 0xC0u) == 0x80;
        character = (character << 6) | (byte(i) & 0x3Fu);
    }
    const bool surrogate = character >= 0xD800 && character <= 0xDFFF;
    if (!whole || character < smallest || character > 0x10FFFF || surrogate) {
        rest.remove_prefix(1);
        return kReplacement;
    }
    rest.remove_prefix(length);
    return character;
}

void append_character(std::string& to, char32_t character) {
    const auto put = [&](char32_t value) { to.push_back(static_cast<char>(static_cast<unsigned char>(value))); };
    if (character < 0x80) {
        put(character);
    } else if (character < 0x800) {
        put(0xC0 | (character >> 6)), put(0x80 | (character & 0x3F));
    } else if (character < 0x10000) {
        put(0xE0 | (character >> 12)), put(0x80 | ((character >> 6) & 0x3F)), put(0x80 | (character & 0x3F));
    } else {
        put(0xF0 | (character >> 18)), put(0x80 | ((character >> 12) & 0x3F));
        put(0x80 | ((character >> 6) & 0x3F)), put(0x80 | (character & 0x3F));
    }
}

/// Characters that are not seen but change what is seen ("Trojan Source", CVE-2021-42574), and line ends of all kinds.
/// U+200C and U+200D stay: Persian and emoji need them.
bool is_treacherous(char32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x061C || c == 0x180E || c == 0x200B ||
           c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF ||
           (c >= 0xFFF9 && c <= 0xFFFB);
}

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (static_cast<unsigned char>(c) & 0x80u) != 0;
}

/// "snake_case" needs no escape, "__bold__" does.
bool is_inside_word(std::string_view text, std::size_t i) {
    return i > 0 && i + 1 < text.size() && is_alphanumeric(text[i - 1]) && is_alphanumeric(text[i + 1]);
}

bool needs_escape(std::string_view text, std::size_t i) {
    switch (text[i]) {
        case '\\':
        case '`':
        case '<':
        case '[':
        case '|':
        case '*':
            return true;
        case '_':
            return !is_inside_word(text, i);
        case '#':
        case '>':
            return i == 0;
        default:
            return false;
    }
}

bool is_web_url(std::string_view text) {
    return text.starts_with("https://") || text.starts_with("http://");
}

}  // namespace

std::string plain_line(std::string_view text, std::size_t limit) {
    std::string line;
    std::size_t characters = 0;
    std::size_t before_last = 0;  // where the last character that fits begins: it gives way to the ellipsis
    while (!text.empty()) {
        const char32_t character = take_character(text);
        if (character != '\t' && is_treacherous(character)) {
            continue;
        }
        if (characters == limit) {
            line.resize(before_last);
            line += "…";
            break;
        }
        before_last = line.size();
        append_character(line, character == '\t' ? U' ' : character);
        ++characters;
    }
    return line;
}

std::string escaped_line(std::string_view text, std::size_t limit) {
    text = trim(text);
    const std::string plain = plain_line(text.substr(0, text.find_first_of("\r\n")), limit);
    const std::string_view line = trim(plain);
    std::string escaped;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (needs_escape(line, i)) {
            escaped.push_back('\\');
        }
        escaped.push_back(line[i]);
    }
    return escaped;
}

std::vector<std::string> note_lines(std::string_view text) {
    std::vector<std::string> lines;
    for (const std::string_view raw : split(text, '\n')) {
        const std::string plain = plain_line(raw, kNoLimit);
        const std::string_view line = std::string_view(plain).substr(0, plain.find_last_not_of(' ') + 1);
        std::string safe;
        for (std::size_t i = 0; i < line.size(); ++i) {
            // Not "\\<": after a backslash of the text's own that would be no escape.
            if (line[i] == '<' && !is_web_url(line.substr(i + 1))) {
                safe += "&lt;";
            } else {
                safe.push_back(line[i]);
            }
        }
        if (!safe.empty() || !lines.empty()) {
            lines.push_back(std::move(safe));
        }
    }
    while (!lines.empty() && lines.back().empty()) {
        lines.pop_back();
    }
    return lines;
}

std::string safe_url(std::string_view text) {
    // "%" stays: what is encoded already must not be encoded again.
    return percent_encode(text, "%/:?#@!$&'+,;=");
}

std::string web_link(std::string_view label, std::string_view url) {
    return is_web_url(url) ? "[" + std::string(label) + "](" + safe_url(url) + ")" : std::string();
}

std::string valid_utf8(std::string_view text) {
    if (is_valid_utf8(text)) {
        return std::string(text);
    }
    std::string valid;
    while (!text.empty()) {
        append_character(valid, take_character(text));
    }
    return valid;
}

}  // namespace cooper::delivery
