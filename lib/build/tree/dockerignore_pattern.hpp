// One pattern of a .dockerignore file, with the meaning that its translation to a regular expression has in
// moby/patternmatcher (private).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// Go's path/filepath.Clean on Unix: "." for nothing, leading ".." stay.
std::string clean_file_path(std::string_view path);

/// True when Go's filepath.Match calls the pattern malformed, which is what patternmatcher refuses at once.
bool is_malformed_pattern(std::string_view pattern);

/// One step of an expression: a set of code points, once or any number of times, or a condition on the place.
struct ExpressionStep {
    enum class Kind : std::uint8_t {
        One,
        AnyNumber,
        TwoOrNone,  ///< the next two steps may be left out together
        BeginOfText,
        EndOfText,
        WordBoundary,
        NoWordBoundary,
    };
    struct Range {
        char32_t first;
        char32_t last;
    };

    Kind kind = Kind::One;
    bool negated = false;
    std::vector<Range> ranges;

    [[nodiscard]] bool contains(char32_t point) const;
};

/// What patternmatcher's expressions can hold of Go's syntax: classes, escapes, "*" and the group "(.*/)?". False when
/// Go refuses it, and for \p: Unicode's categories are not here.
bool parse_expression(std::u32string_view text, std::vector<ExpressionStep>& steps);

/// "**", "*", "?", "[...]" and "\" as patternmatcher reads them. It writes a regular expression without looking where
/// brackets begin and end, so in "[a*]" the star closes the class early, and "\d" is a digit: such quirks are its
/// meaning. Constant after construction. Matching takes time in proportion to pattern x path.
class DockerignorePattern {
public:
    explicit DockerignorePattern(std::string pattern);

    /// True when the expression does not compile: whoever evaluates the pattern fails.
    [[nodiscard]] bool is_broken() const noexcept { return kind_ == Kind::Broken; }
    /// The path's bytes; what is not UTF-8 counts as U+FFFD, byte by byte.
    [[nodiscard]] bool matches(std::string_view path) const;
    /// True when some path that begins with `directory` and '/' may match.
    [[nodiscard]] bool may_match_below(std::string_view directory) const;

private:
    enum class Kind : std::uint8_t { Exact, Prefix, Suffix, Expression, Broken };
    enum class Question : std::uint8_t { Whole, Beginning };

    [[nodiscard]] std::u32string translate();
    [[nodiscard]] std::string find_literal_end() const;
    [[nodiscard]] bool run(std::string_view path, Question question) const;

    std::string pattern_;
    Kind kind_ = Kind::Exact;
    std::vector<ExpressionStep> steps_;
    std::string literal_end_;  // what every match of the expression ends with: most paths fail here
};

}  // namespace cooper::build
