#include "base/ustar.hpp"

#include "cooper/base/error.hpp"

#include <algorithm>
#include <limits>

namespace cooper::ustar {

namespace {

[[noreturn]] void refuse(const std::string& problem) {
    throw Error(ErrorCode::Integrity, problem);
}

/// GNU's base-256: two's complement, big-endian, the highest bit of the first byte set as a mark.
std::int64_t base256(std::string_view digits) {
    const bool negative = (static_cast<unsigned char>(digits[0]) & 0x40U) != 0;
    std::int64_t value = negative ? -1 : 0;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        auto byte = static_cast<unsigned char>(digits[i]);
        if (i == 0) {
            byte = static_cast<unsigned char>(negative ? byte | 0x80U : byte & 0x7fU);
        }
        constexpr std::int64_t kSafe = std::numeric_limits<std::int64_t>::max() >> 8;
        if (value > kSafe || value < -kSafe - 1) {
            refuse("a number in the header does not fit 64 bits");
        }
        value = value * 256 + byte;
    }
    return value;
}

}  // namespace

std::int64_t number(std::string_view block, Field field) {
    std::string_view digits = field.of(block);
    if ((static_cast<unsigned char>(digits[0]) & 0x80U) != 0) {
        return base256(digits);
    }
    const std::size_t first = std::min(digits.find_first_not_of(' '), digits.size());
    digits.remove_prefix(first);
    const std::size_t length = std::min(digits.find_first_of(std::string_view(" \0", 2)), digits.size());
    if (digits.find_first_not_of(std::string_view(" \0", 2), length) != std::string_view::npos) {
        refuse("a number in the header goes on after its end");
    }
    std::int64_t value = 0;
    for (const char digit : digits.substr(0, length)) {
        if (digit < '0' || digit > '7') {
            refuse("a number in the header is not octal");
        }
        value = value * 8 + (digit - '0');  // at most 12 digits: 36 bits
    }
    return value;
}

void check_checksum(std::string_view block) {
    const std::int64_t claimed = number(block, kChecksum);
    const Checksum sum = checksum(block);
    if (claimed != sum.as_unsigned && claimed != sum.as_signed) {
        refuse("the header's checksum is wrong");
    }
}

}  // namespace cooper::ustar
