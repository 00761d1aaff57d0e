// The part of Go's regular expressions (package regexp/syntax, Perl flags) that translated patterns can hold.
#include "build/tree/dockerignore_pattern.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace cooper::build {

namespace {

using Kind = ExpressionStep::Kind;
using Range = ExpressionStep::Range;

constexpr char32_t kLastPoint = 0x10FFFF;
constexpr char32_t kFirstNonAscii = 0x80;
constexpr std::u32string_view kOptionalDirectories = U"(.*/)?";

struct NamedClass {
    std::u32string_view name;
    std::array<Range, 4> ranges;
    std::size_t count;
};

constexpr std::array<NamedClass, 14> kPosixClasses = {{
    {U"alnum", {{{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}}, 3},
    {U"alpha", {{{'A', 'Z'}, {'a', 'z'}}}, 2},
    {U"ascii", {{{0, 0x7F}}}, 1},
    {U"blank", {{{'\t', '\t'}, {' ', ' '}}}, 2},
    {U"cntrl", {{{0, 0x1F}, {0x7F, 0x7F}}}, 2},
    {U"digit", {{{'0', '9'}}}, 1},
    {U"graph", {{{'!', '~'}}}, 1},
    {U"lower", {{{'a', 'z'}}}, 1},
    {U"print", {{{' ', '~'}}}, 1},
    {U"punct", {{{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}}, 4},
    {U"space", {{{'\t', '\r'}, {' ', ' '}}}, 2},
    {U"upper", {{{'A', 'Z'}}}, 1},
    {U"word", {{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}}, 4},
    {U"xdigit", {{{'0', '9'}, {'A', 'F'}, {'a', 'f'}}}, 3},
}};
// \d, \s (unlike [:space:] without the vertical tab) and \w.
constexpr std::array<NamedClass, 3> kPerlClasses = {{
    {U"d", {{{'0', '9'}}}, 1},
    {U"s", {{{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}}, 3},
    {U"w", {{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}}, 4},
}};

/// Adds the class, whose ranges are in order, or all that it leaves out.
void add_class(const NamedClass& named, bool negated, std::vector<Range>& ranges) {
    char32_t next = 0;
    for (std::size_t i = 0; i < named.count; ++i) {
        const Range& range = named.ranges[i];
        if (!negated) {
            ranges.push_back(range);
        } else if (range.first > next) {
            ranges.push_back({next, range.first - 1});
        }
        next = range.last + 1;
    }
    if (negated) {
        ranges.push_back({next, kLastPoint});
    }
}

bool is_octal(char32_t point) {
    return point >= '0' && point <= '7';
}

bool is_ascii_letter_or_digit(char32_t point) {
    return (point >= '0' && point <= '9') || (point >= 'A' && point <= 'Z') || (point >= 'a' && point <= 'z');
}

std::optional<char32_t> hex_value(char32_t point) {
    if (point >= '0' && point <= '9') {
        return point - '0';
    }
    const char32_t lower = point | 0x20U;
    return lower >= 'a' && lower <= 'f' ? std::optional(lower - 'a' + 10) : std::nullopt;
}

class ExpressionParser {
public:
    ExpressionParser(std::u32string_view text, std::vector<ExpressionStep>& steps) : text_(text), steps_(steps) {}

    bool parse() {
        while (!text_.empty()) {
            if (!parse_step()) {
                return false;
            }
        }
        return true;
    }

private:
    bool parse_step() {
        switch (text_.front()) {
            case '^':
                return add_condition(Kind::BeginOfText, 1);
            case '$':
                return add_condition(Kind::EndOfText, 1);
            case '(':
                return add_optional_directories();
            case '.':
                text_.remove_prefix(1);
                return add_set({Kind::One, true, {{'\n', '\n'}}});
            case '[':
                return parse_class();
            case '\\':
                return parse_escaped();
            default:
                return add_point(take());
        }
    }

    char32_t take() {
        const char32_t point = text_.front();
        text_.remove_prefix(1);
        return point;
    }

    bool add_condition(Kind kind, std::size_t length) {
        text_.remove_prefix(length);
        steps_.push_back({kind, false, {}});
        return true;
    }

    bool add_set(ExpressionStep step) {
        if (text_.starts_with(U'*')) {
            text_.remove_prefix(1);
            step.kind = Kind::AnyNumber;
        }
        steps_.push_back(std::move(step));
        return true;
    }

    bool add_point(char32_t point) {
        steps_.push_back({Kind::One, false, {{point, point}}});
        return true;
    }

    bool add_optional_directories() {
        if (!text_.starts_with(kOptionalDirectories)) {
            return false;
        }
        text_.remove_prefix(kOptionalDirectories.size());
        steps_.push_back({Kind::TwoOrNone, false, {}});
        steps_.push_back({Kind::AnyNumber, true, {{'\n', '\n'}}});
        return add_point('/');
    }

    bool parse_escaped() {
        switch (text_.size() < 2 ? U'\0' : text_[1]) {
            case 'A':
                return add_condition(Kind::BeginOfText, 2);
            case 'z':
                return add_condition(Kind::EndOfText, 2);
            case 'b':
                return add_condition(Kind::WordBoundary, 2);
            case 'B':
                return add_condition(Kind::NoWordBoundary, 2);
            case 'Q':
                text_.remove_prefix(2);
                return add_quoted();
            default:
                break;
        }
        ExpressionStep step;
        if (add_perl_class(step.ranges)) {
            return add_set(std::move(step));
        }
        char32_t point = 0;
        return parse_escape(point) && add_point(point);
    }

    bool add_quoted() {
        const std::size_t end = text_.find(U"\\E");
        for (const char32_t point : text_.substr(0, end)) {
            add_point(point);
        }
        text_.remove_prefix(end == std::u32string_view::npos ? text_.size() : end + 2);
        return true;
    }

    bool add_perl_class(std::vector<Range>& ranges) {
        if (text_.size() < 2 || text_[0] != '\\') {
            return false;
        }
        const auto found = std::find_if(kPerlClasses.begin(), kPerlClasses.end(),
                                        [&](const auto& named) { return named.name[0] == (text_[1] | 0x20U); });
        if (found == kPerlClasses.end() || !is_ascii_letter_or_digit(text_[1])) {
            return false;
        }
        add_class(*found, text_[1] != found->name[0], ranges);
        text_.remove_prefix(2);
        return true;
    }

    /// Up to three octal digits; a lone one but 0 would be a backreference, which Go does not have.
    bool parse_octal(char32_t& point) {
        if (point != '0' && (text_.empty() || !is_octal(text_.front()))) {
            return false;
        }
        point -= '0';
        for (int i = 1; i < 3 && !text_.empty() && is_octal(text_.front()); ++i) {
            point = point * 8 + (take() - '0');
        }
        return true;
    }

    bool parse_hex(char32_t& point) {
        if (text_.size() < 2) {
            return false;
        }
        const auto high = hex_value(take());
        const auto low = hex_value(take());
        point = high.value_or(0) * 16 + low.value_or(0);
        return high && low;
    }

    bool parse_escape(char32_t& point) {
        text_.remove_prefix(1);
        if (text_.empty()) {
            return false;
        }
        point = take();
        if (is_octal(point)) {
            return parse_octal(point);
        }
        constexpr std::u32string_view kLetters = U"afnrtv";
        constexpr std::u32string_view kMeanings = U"\a\f\n\r\t\v";
        if (const auto at = kLetters.find(point); at != std::u32string_view::npos) {
            point = kMeanings[at];
            return true;
        }
        return point == 'x' ? parse_hex(point) : point < kFirstNonAscii && !is_ascii_letter_or_digit(point);
    }

    /// 0 when there is no such class here, -1 when it has an unknown name.
    int add_posix_class(std::vector<Range>& ranges) {
        if (!text_.starts_with(U"[:")) {
            return 0;
        }
        const std::size_t end = text_.find(U":]", 2);
        if (end == std::u32string_view::npos) {
            return 0;
        }
        std::u32string_view name = text_.substr(2, end - 2);
        const bool negated = name.starts_with(U'^');
        name.remove_prefix(negated ? 1 : 0);
        const auto found = std::find_if(kPosixClasses.begin(), kPosixClasses.end(),
                                        [&](const auto& named) { return named.name == name; });
        if (found == kPosixClasses.end()) {
            return -1;
        }
        add_class(*found, negated, ranges);
        text_.remove_prefix(end + 2);
        return 1;
    }

    bool parse_class_point(char32_t& point) {
        if (text_.empty()) {
            return false;
        }
        if (text_.front() == '\\') {
            return parse_escape(point);
        }
        point = take();
        return true;
    }

    bool parse_class() {
        ExpressionStep step;
        text_.remove_prefix(1);
        if (text_.starts_with(U'^')) {
            step.negated = true;
            text_.remove_prefix(1);
        }
        for (bool first = true; first || !text_.starts_with(U']'); first = false) {
            const int named = add_posix_class(step.ranges);
            if (named < 0) {
                return false;
            }
            if (named > 0 || add_perl_class(step.ranges)) {
                continue;
            }
            Range range{};
            if (!parse_class_point(range.first)) {
                return false;
            }
            range.last = range.first;
            if (text_.size() >= 2 && text_[0] == '-' && text_[1] != ']') {
                text_.remove_prefix(1);
                if (!parse_class_point(range.last) || range.last < range.first) {
                    return false;
                }
            }
            step.ranges.push_back(range);
        }
        text_.remove_prefix(1);
        return add_set(std::move(step));
    }

    std::u32string_view text_;
    std::vector<ExpressionStep>& steps_;
};

}  // namespace

bool ExpressionStep::contains(char32_t point) const {
    const bool found = std::any_of(ranges.begin(), ranges.end(),
                                   [point](const Range& range) { return range.first <= point && point <= range.last; });
    return found != negated;
}

bool parse_expression(std::u32string_view text, std::vector<ExpressionStep>& steps) {
    return ExpressionParser(text, steps).parse();
}

}  // namespace cooper::build
