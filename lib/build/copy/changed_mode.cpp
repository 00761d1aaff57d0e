#include "cooper/base/error.hpp"
#include "cooper/build/copy_files.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::uint32_t kAllBits = 07777;
constexpr std::size_t kMaxChmod = 1000;

/// "u=rwX,go=rX", clause by clause.
class SymbolicMode {
public:
    SymbolicMode(std::string_view text, std::uint32_t mode, bool directory)
        : text_(text), rest_(text), mode_(mode & kAllBits), directory_(directory) {}

    std::uint32_t apply() {
        for (;;) {
            clause();
            if (rest_.empty()) {
                return mode_;
            }
            take_comma();
        }
    }

private:
    [[noreturn]] void refuse() const {
        throw Error(ErrorCode::InvalidInput, "--chmod=" + oci::printable(text_) + " is no mode")
            .advise("write it in octal, at most 7777, or as chmod(1) has it: u=rwX,go=rX");
    }
    void take_comma() {
        if (rest_.front() != ',') {
            refuse();
        }
        rest_.remove_prefix(1);
    }
    [[nodiscard]] bool at_any(std::string_view of) const {
        return !rest_.empty() && of.find(rest_.front()) != std::string_view::npos;
    }
    char take() {
        const char taken = rest_.front();
        rest_.remove_prefix(1);
        return taken;
    }

    void clause() {
        std::uint32_t who = 0;  // as bits of "r" for each class
        while (at_any("ugoa")) {
            const char name = take();
            who |= name == 'u' ? 0400U : name == 'g' ? 0040U : name == 'o' ? 0004U : 0444U;
        }
        if (!at_any("+-=")) {
            refuse();
        }
        while (at_any("+-=")) {
            action(who == 0 ? 0444U : who);
        }
    }

    void action(std::uint32_t who) {
        const char operation = take();
        const std::uint32_t classes = who | (who >> 1U) | (who >> 2U);
        std::uint32_t bits = 0;
        std::uint32_t replaced = classes;
        if (at_any("ugo")) {
            const char from = take();
            const std::uint32_t copied = (mode_ >> (from == 'u' ? 6U : from == 'g' ? 3U : 0U)) & 07U;
            bits = (copied * 0111U) & classes;
        } else {
            bits = permissions(who, classes);
            replaced |= set_ids(who);  // but never the sticky bit
        }
        if (operation == '+') {
            mode_ |= bits;
        } else if (operation == '-') {
            mode_ &= ~bits;
        } else {
            mode_ = (mode_ & ~replaced) | bits;
        }
    }

    /// setuid and setgid, as they belong to these classes.
    static std::uint32_t set_ids(std::uint32_t who) {
        return ((who & 0400U) != 0 ? 04000U : 0U) | ((who & 0040U) != 0 ? 02000U : 0U);
    }

    std::uint32_t permissions(std::uint32_t who, std::uint32_t classes) {
        std::uint32_t bits = 0;
        while (at_any("rwxXst")) {
            switch (take()) {
                case 'r':
                    bits |= 0444U & classes;
                    break;
                case 'w':
                    bits |= 0222U & classes;
                    break;
                case 'x':
                    bits |= 0111U & classes;
                    break;
                case 'X':
                    bits |= directory_ || (mode_ & 0111U) != 0 ? 0111U & classes : 0U;
                    break;
                case 's':
                    bits |= set_ids(who);
                    break;
                default:  // "o+t" means nothing
                    bits |= (who & 0440U) != 0 ? 01000U : 0U;
            }
        }
        return bits;
    }

    std::string_view text_;
    std::string_view rest_;
    std::uint32_t mode_;
    bool directory_;
};

}  // namespace

std::uint32_t changed_mode(std::string_view chmod, std::uint32_t before, bool directory) {
    const bool octal = !chmod.empty() && chmod.find_first_not_of("01234567") == std::string_view::npos;
    if (octal && chmod.size() <= kMaxChmod) {
        std::uint32_t mode = 0;
        for (const char digit : chmod) {
            mode = std::min<std::uint32_t>(mode * 8 + static_cast<std::uint32_t>(digit - '0'), kAllBits + 1);
        }
        if (mode <= kAllBits) {
            return mode;
        }
    }
    return SymbolicMode(chmod.substr(0, kMaxChmod), before, directory).apply();
}

}  // namespace cooper::build
