#include "build/tree/code_points.hpp"

#include <cstddef>

namespace cooper::build {

namespace {

constexpr char32_t kEscapedByte = 0xDC00;

/// How many bytes begin with this one, which is not ASCII; 0: none do.
std::size_t length_of(unsigned char lead) {
    if (lead >= 0xC2 && lead <= 0xDF) {
        return 2;
    }
    if ((lead & 0xF0U) == 0xE0) {
        return 3;
    }
    return lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
}

/// Not the short form of a smaller number, no surrogate, no number beyond Unicode.
bool is_scalar(char32_t point, std::size_t length) {
    constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};  // by length
    return point >= kSmallest[length] && point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF);
}

}  // namespace

std::u32string code_points(std::string_view bytes) {
    std::u32string points;
    points.reserve(bytes.size());
    for (std::size_t i = 0; i < bytes.size();) {
        const auto lead = static_cast<unsigned char>(bytes[i]);
        if (lead < 0x80) {
            points.push_back(lead);
            ++i;
            continue;
        }
        const std::size_t length = length_of(lead);
        char32_t point = lead & (0x7FU >> length);
        std::size_t taken = 1;
        while (taken < length && i + taken < bytes.size() &&
               (static_cast<unsigned char>(bytes[i + taken]) & 0xC0U) == 0x80) {
            point = point << 6U | (static_cast<unsigned char>(bytes[i + taken]) & 0x3FU);
            ++taken;
        }
        if (length == 0 || taken < length || !is_scalar(point, length)) {
            points.push_back(kEscapedByte + lead);
            ++i;
        } else {
            points.push_back(point);
            i += length;
        }
    }
    return points;
}

}  // namespace cooper::build
