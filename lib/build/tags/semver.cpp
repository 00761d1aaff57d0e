#include "build/tags/semver.hpp"

#include "cooper/base/text.hpp"

#include <algorithm>
#include <vector>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxVersion = 256;                         // MAX_LENGTH of node-semver
constexpr std::string_view kLargestNumber = "9007199254740991";  // its MAX_SAFE_INTEGER

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_number(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

bool is_identifier(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
    });
}

bool has_leading_zero(std::string_view number) {
    return number.size() > 1 && number.front() == '0';
}

std::string_view without_leading_zeros(std::string_view number) {
    return number.substr(std::min(number.find_first_not_of('0'), number.size() - 1));
}

/// Both without leading zeros.
std::strong_ordering compare_numbers(std::string_view a, std::string_view b) {
    return a.size() != b.size() ? a.size() <=> b.size() : a.compare(b) <=> 0;
}

bool is_strict_number(std::string_view text) {
    return is_number(text) && !has_leading_zero(text) && std::is_lteq(compare_numbers(text, kLargestNumber));
}

/// The part behind `mark`, cut off `text`; nullopt when there is none or one of its dotted identifiers is empty or has
/// another character.
struct Tail {
    bool present = false;
    bool valid = true;
    std::string_view text;
};

Tail cut_tail(std::string_view& text, char mark) {
    const std::size_t at = text.find(mark);
    if (at == std::string_view::npos) {
        return {};
    }
    Tail tail{true, true, text.substr(at + 1)};
    text = text.substr(0, at);
    const auto identifiers = split(tail.text, '.');
    tail.valid = std::all_of(identifiers.begin(), identifiers.end(), is_identifier);
    return tail;
}

std::strong_ordering compare_identifiers(std::string_view a, std::string_view b) {
    const bool a_number = is_number(a);
    const bool b_number = is_number(b);
    if (a_number != b_number) {
        return a_number ? std::strong_ordering::less : std::strong_ordering::greater;
    }
    return a_number ? compare_numbers(a, b) : a.compare(b) <=> 0;
}

std::strong_ordering compare_prereleases(std::string_view a, std::string_view b) {
    if (a.empty() || b.empty()) {
        return a.empty() <=> b.empty();  // without one is higher
    }
    const auto left = split(a, '.');
    const auto right = split(b, '.');
    for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
        if (const auto order = compare_identifiers(left[i], right[i]); std::is_neq(order)) {
            return order;
        }
    }
    return left.size() <=> right.size();
}

}  // namespace

std::string Version::text() const {
    return major + "." + minor + "." + patch + (prerelease.empty() ? "" : "-" + prerelease);
}

std::optional<PlainVersion> find_plain_version(std::string_view text) {
    const auto parts = split(text, '.');
    if (parts.size() != 3 || !std::all_of(parts.begin(), parts.end(), is_number)) {
        return std::nullopt;
    }
    return PlainVersion{parts[0], parts[1], parts[2]};
}

std::optional<Version> find_semver(std::string_view text) {
    if (text.size() > kMaxVersion) {
        return std::nullopt;
    }
    text.remove_prefix(text.starts_with('v') ? 1 : 0);
    const Tail build = cut_tail(text, '+');
    const Tail prerelease = cut_tail(text, '-');
    const auto core = find_plain_version(text);
    if (!core || !build.valid || !prerelease.valid) {
        return std::nullopt;
    }
    for (const auto number : {core->major, core->minor, core->patch}) {
        if (!is_strict_number(number)) {
            return std::nullopt;
        }
    }
    for (const auto identifier : split(prerelease.text, '.')) {
        if (is_number(identifier) && has_leading_zero(identifier)) {
            return std::nullopt;
        }
    }
    return Version{std::string(core->major), std::string(core->minor), std::string(core->patch),
                   std::string(prerelease.text), std::string(build.text)};
}

std::optional<Version> find_version(std::string_view text) {
    if (auto version = find_semver(text)) {
        return version;
    }
    text.remove_prefix(text.starts_with('v') ? 1 : 0);
    const auto plain = find_plain_version(text);
    if (!plain) {
        return std::nullopt;
    }
    return Version{std::string(without_leading_zeros(plain->major)), std::string(without_leading_zeros(plain->minor)),
                   std::string(without_leading_zeros(plain->patch)), "", ""};
}

std::strong_ordering compare_precedence(const Version& a, const Version& b) {
    for (const auto& [left, right] : {std::pair(&a.major, &b.major), {&a.minor, &b.minor}, {&a.patch, &b.patch}}) {
        if (const auto order = compare_numbers(*left, *right); std::is_neq(order)) {
            return order;
        }
    }
    return compare_prereleases(a.prerelease, b.prerelease);
}

}  // namespace cooper::build
