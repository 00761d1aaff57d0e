#include "build/tree/python_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace cooper::build {

namespace {

/// Where a script's digits 0 to 9 begin (general category Nd of Unicode 15.0, without ASCII).
constexpr std::array<std::uint32_t, 67> kZeros = {
    0x0660,  0x06F0,  0x07C0,  0x0966,  0x09E6,  0x0A66,  0x0AE6,  0x0B66,  0x0BE6,  0x0C66,  0x0CE6,  0x0D66,
    0x0DE6,  0x0E50,  0x0ED0,  0x0F20,  0x1040,  0x1090,  0x17E0,  0x1810,  0x1946,  0x19D0,  0x1A80,  0x1A90,
    0x1B50,  0x1BB0,  0x1C40,  0x1C50,  0xA620,  0xA8D0,  0xA900,  0xA9D0,  0xA9F0,  0xAA50,  0xABF0,  0xFF10,
    0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730,
    0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2,
    0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0, 0x1E950, 0x1FBF0};

struct Character {
    std::uint32_t code = 0;
    std::size_t size = 1;
};

constexpr Character kNoCharacter{0xFFFFFFFF, 1};

bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

/// The first character of `text`, which is not empty.
Character decode(std::string_view text) {
    const auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80) {
        return {lead, 1};
    }
    const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC2 || lead > 0xF4 || text.size() < size) {
        return kNoCharacter;
    }
    std::uint32_t code = lead & (0x7FU >> size);
    for (const char c : text.substr(1, size - 1)) {
        if (!is_continuation(c)) {
            return kNoCharacter;
        }
        code = (code << 6U) | (static_cast<unsigned char>(c) & 0x3FU);
    }
    return {code, size};
}

std::string_view last_character(std::string_view text) {
    std::size_t at = text.size() - 1;
    while (at > 0 && is_continuation(text[at])) {
        --at;
    }
    return text.substr(at);
}

bool is_blank(std::string_view character) {
    const auto [code, size] = decode(character);
    return size == character.size() &&
           ((code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 || code == 0xA0 ||
            code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
            code == 0x202F || code == 0x205F || code == 0x3000);
}

bool is_decimal(std::uint32_t code) {
    if (code < 0x80) {
        return code >= '0' && code <= '9';
    }
    const auto* const after = std::upper_bound(kZeros.begin(), kZeros.end(), code);
    return after != kZeros.begin() && code - *(after - 1) < 10;
}

}  // namespace

std::string_view python_strip(std::string_view text) {
    while (!text.empty() && is_blank(text.substr(0, decode(text).size))) {
        text.remove_prefix(decode(text).size);
    }
    while (!text.empty() && is_blank(last_character(text))) {
        text.remove_suffix(last_character(text).size());
    }
    return text;
}

bool python_is_decimal(std::string_view text) {
    while (!text.empty()) {
        const auto [code, size] = decode(text);
        if (!is_decimal(code)) {
            return false;
        }
        text.remove_prefix(size);
    }
    return true;
}

}  // namespace cooper::build
