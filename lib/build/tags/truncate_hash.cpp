#include "cooper/base/error.hpp"
#include "cooper/build/hash_tags.hpp"

#include "build/tags/base36.hpp"
#include "oci/printable.hpp"

#include <optional>

namespace cooper::build {

namespace {

constexpr std::size_t kTruncatedDigits = 16;

std::optional<unsigned> hex_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return static_cast<unsigned>(digit - '0');
    }
    const char lower = static_cast<char>(digit | 0x20);
    if (lower >= 'a' && lower <= 'f') {
        return static_cast<unsigned>(lower - 'a') + 10;
    }
    return std::nullopt;
}

}  // namespace

std::string truncate_hash(std::string_view hex) {
    if (hex.empty()) {
        throw Error(ErrorCode::InvalidInput, "an empty hash cannot be shortened: it has no hex digit");
    }
    Base36<kTruncatedDigits> number;
    for (const char digit : hex) {
        const auto value = hex_value(digit);
        if (!value) {
            throw Error(ErrorCode::InvalidInput,
                        "'" + oci::printable(hex) + "' cannot be shortened: it is not a hex number");
        }
        number.push(16, *value);
    }
    return number.lowest_first(number.significant());
}

}  // namespace cooper::build
