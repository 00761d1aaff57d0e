// The patterns of ${name#pattern}, ${name%pattern} and ${name/pattern/text} (private).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

/// '*' is any text within a line, '?' any character but a line break, a backslash takes the meaning of '*', '?' and
/// itself. BuildKit makes a regular expression of it; this finds what that finds in time that is bounded.
class ShellPattern {
public:
    /// Throws Error{InvalidInput} for a backslash before anything else ("}" and "/" apart, whose backslash is dropped).
    explicit ShellPattern(std::u32string_view pattern);

    /// The end of the match that begins at `begin`: the longest or the shortest that there is. Throws
    /// Error{InvalidInput} when finding it takes too long.
    [[nodiscard]] std::optional<std::size_t> match_at(std::u32string_view text, std::size_t begin, bool longest) const;
    /// The first match from `from` on, the longest there.
    [[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> find(std::u32string_view text,
                                                                          std::size_t from) const;

private:
    static constexpr char32_t kAnyCharacter = 0x110000;  // beyond Unicode

    [[nodiscard]] bool fits(std::u32string_view text, std::size_t at, const std::u32string& part) const;

    std::vector<std::u32string> parts_;  // between the stars
    mutable std::size_t steps_ = 0;
};

/// Characters from the last to the first; an escaped one stays behind its backslash.
std::u32string reversed_pattern(std::u32string_view pattern);

}  // namespace cooper::build
