// Hashes as base-36 digits, for tags (private).
#pragma once

#include <array>
#include <cstddef>
#include <string>

namespace cooper::build {

/// A number of kDigits base-36 digits that is built from its most significant end. What grows out of the top is lost,
/// as it is modulo 36^kDigits, and remembered.
template <std::size_t kDigits>
class Base36 {
public:
    /// value = value * factor + addend.
    void push(unsigned factor, unsigned addend) noexcept {
        unsigned carry = addend;
        for (unsigned& digit : digits_) {
            const unsigned product = digit * factor + carry;
            digit = product % kBase;
            carry = product / kBase;
        }
        overflowed_ = overflowed_ || carry != 0;
    }

    /// How many digits are significant: all of them once something was lost.
    [[nodiscard]] std::size_t significant() const noexcept {
        std::size_t count = kDigits;
        while (!overflowed_ && count > 0 && digits_[count - 1] == 0) {
            --count;
        }
        return count;
    }
    /// The `count` lowest digits, least significant first.
    [[nodiscard]] std::string lowest_first(std::size_t count) const {
        std::string text;
        for (std::size_t i = 0; i < count; ++i) {
            text += kAlphabet[digits_[i]];
        }
        return text;
    }
    /// All digits, most significant first, with leading zeros.
    [[nodiscard]] std::string fixed_width() const {
        const auto reversed = lowest_first(kDigits);
        return {reversed.rbegin(), reversed.rend()};
    }

private:
    static constexpr unsigned kBase = 36;
    static constexpr char kAlphabet[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::array<unsigned, kDigits> digits_{};  // least significant first
    bool overflowed_ = false;
};

}  // namespace cooper::build
