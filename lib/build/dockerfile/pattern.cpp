#include "build/dockerfile/pattern.hpp"

#include "cooper/base/error.hpp"

#include "build/dockerfile/characters.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

/// Comparisons that one pattern may take: a pattern of 64 characters on a megabyte.
constexpr std::size_t kMaxPatternSteps = 1U << 26;

}  // namespace

ShellPattern::ShellPattern(std::u32string_view pattern) : parts_(1) {
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        char32_t point = pattern[i];
        if (point == '*') {
            parts_.emplace_back();
            continue;
        }
        if (point == '?') {
            parts_.back() += kAnyCharacter;
            continue;
        }
        if (point == '\\') {
            point = i + 1 < pattern.size() ? pattern[++i] : U'\0';
            if (std::u32string_view(U"*?\\}/").find(point) == std::u32string_view::npos) {
                std::string shown;
                append_code_point(shown, point);
                throw Error(ErrorCode::InvalidInput, "the pattern has an invalid escape '\\" + shown + "'");
            }
        }
        parts_.back() += point;
    }
}

bool ShellPattern::fits(std::u32string_view text, std::size_t at, const std::u32string& part) const {
    if (part.size() > text.size() - at) {
        return false;
    }
    for (std::size_t i = 0; i < part.size(); ++i) {
        if (++steps_ > kMaxPatternSteps) {
            throw Error(ErrorCode::InvalidInput, "the pattern takes too long on a value of this size");
        }
        if (part[i] == kAnyCharacter ? text[at + i] == '\n' : text[at + i] != part[i]) {
            return false;
        }
    }
    return true;
}

// A star does not leave its line, and a part with a line break can only stand where its break is the line's: so the
// first place for each part is as good as any for what follows, and only the last part has a choice that shows.
std::optional<std::size_t> ShellPattern::match_at(std::u32string_view text, std::size_t begin, bool longest) const {
    if (!fits(text, begin, parts_.front())) {
        return std::nullopt;
    }
    std::size_t end = begin + parts_.front().size();
    for (std::size_t i = 1; i < parts_.size(); ++i) {
        const auto& part = parts_[i];
        const auto line_end = std::min(text.find(U'\n', end), text.size());
        std::optional<std::size_t> place;
        if (longest && i + 1 == parts_.size()) {
            for (std::size_t at = line_end + 1; at-- > end && !place;) {
                place = fits(text, at, part) ? std::optional(at) : std::nullopt;
            }
        } else {
            for (std::size_t at = end; at <= line_end && !place; ++at) {
                place = fits(text, at, part) ? std::optional(at) : std::nullopt;
            }
        }
        if (!place) {
            return std::nullopt;
        }
        end = *place + part.size();
    }
    return end;
}

std::optional<std::pair<std::size_t, std::size_t>> ShellPattern::find(std::u32string_view text,
                                                                      std::size_t from) const {
    for (std::size_t begin = from; begin <= text.size(); ++begin) {
        if (const auto end = match_at(text, begin, true)) {
            return std::pair(begin, *end);
        }
    }
    return std::nullopt;
}

std::u32string reversed_pattern(std::u32string_view pattern) {
    std::u32string reversed(pattern.size(), U'\0');
    for (std::size_t i = 0; i < pattern.size();) {
        const std::size_t length = pattern[i] == '\\' && i + 1 < pattern.size() ? 2 : 1;
        pattern.copy(&reversed[pattern.size() - i - length], length, i);
        i += length;
    }
    return reversed;
}

}  // namespace cooper::build
