#include "build/dockerfile/characters.hpp"

#include "build/template/characters.hpp"

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

constexpr char32_t kFirstBeyondAscii = 0x80;

struct Block {
    char32_t first;
    char32_t last;
};

/// Beyond ASCII, where neither letters nor digits are (Unicode 15, whole blocks; single letters within are left out).
constexpr std::array kNoNames{
    Block{0x80, 0xA9},     Block{0xAB, 0xB4},       Block{0xB6, 0xB9},       Block{0xBB, 0xBF},
    Block{0xD7, 0xD7},     Block{0xF7, 0xF7},       Block{0x2C2, 0x2C5},     Block{0x2D2, 0x2DF},
    Block{0x300, 0x36F},   Block{0x1AB0, 0x1AFF},   Block{0x1DC0, 0x1DFF},   Block{0x2000, 0x2070},
    Block{0x2072, 0x207E}, Block{0x2080, 0x208F},   Block{0x20A0, 0x2101},   Block{0x2190, 0x2BFF},
    Block{0x2E00, 0x3004}, Block{0x3007, 0x3030},   Block{0xD800, 0xF8FF},   Block{0xFE00, 0xFE6F},
    Block{0xFEFF, 0xFF0F}, Block{0xFF1A, 0xFF20},   Block{0xFF3B, 0xFF40},   Block{0xFF5B, 0xFF65},
    Block{0xFFE0, 0xFFFF}, Block{0x1D000, 0x1D3FF}, Block{0x1F000, 0x1FAFF}, Block{0xE0000, 0x10FFFF},
};

/// The character before `end`, when it is a blank: its length.
std::size_t blank_before(std::string_view text, std::size_t end) {
    constexpr std::size_t kLongestBlank = 3;
    for (std::size_t length = 1; length <= std::min(kLongestBlank, end); ++length) {
        if (blank_at(text, end - length) == length) {
            return length;
        }
    }
    return 0;
}

}  // namespace

bool is_go_space(char32_t point) {
    return (point >= 0x09 && point <= 0x0D) || point == ' ' || point == 0x85 || point == 0xA0 || point == 0x1680 ||
           (point >= 0x2000 && point <= 0x200A) || point == 0x2028 || point == 0x2029 || point == 0x202F ||
           point == 0x205F || point == 0x3000;
}

std::size_t blank_at(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) {
        return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : char32_t{0};
    };
    const char32_t lead = byte(0);
    if (lead < kFirstBeyondAscii) {
        return at < text.size() && is_go_space(lead) ? 1 : 0;
    }
    if (lead == 0xC2) {
        return is_go_space(byte(1)) && byte(1) >= kFirstBeyondAscii ? 2 : 0;
    }
    if (lead < 0xE1 || lead > 0xE3 || (byte(1) & 0xC0U) != 0x80 || (byte(2) & 0xC0U) != 0x80) {
        return 0;  // all longer blanks begin with these bytes
    }
    return is_go_space((lead & 0x0FU) << 12U | (byte(1) & 0x3FU) << 6U | (byte(2) & 0x3FU)) ? 3 : 0;
}

std::string_view trim_left_blanks(std::string_view text) {
    while (const auto length = blank_at(text, 0)) {
        text.remove_prefix(length);
    }
    return text;
}

std::string_view trim_blanks(std::string_view text) {
    text = trim_left_blanks(text);
    while (const auto length = blank_before(text, text.size())) {
        text.remove_suffix(length);
    }
    return text;
}

bool is_name_character(char32_t point) {
    if (point < kFirstBeyondAscii) {
        return (point >= 'a' && point <= 'z') || (point >= 'A' && point <= 'Z') || (point >= '0' && point <= '9') ||
               point == '_';
    }
    return std::none_of(kNoNames.begin(), kNoNames.end(),
                        [&](const Block& block) { return point >= block.first && point <= block.last; }) &&
           !is_go_space(point);
}

void append_code_point(std::string& text, char32_t point) {
    constexpr char32_t kReplacement = 0xFFFD;
    jinja::append_character(text, point >= 0xD800 && point <= 0xDFFF ? kReplacement : point);
}

std::string to_upper(std::string_view text) {
    std::string upper(text);
    for (auto& character : upper) {
        if (character >= 'a' && character <= 'z') {
            character = static_cast<char>(character - 'a' + 'A');
        }
    }
    return upper;
}

}  // namespace cooper::build
