#include "build/tree/dockerignore_pattern.hpp"

#include "build/tree/code_points.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace cooper::build {

namespace {

/// What code_points() makes of a byte that is not UTF-8.
bool is_lone_byte(char32_t point) {
    return point >= 0xDC00 && point <= 0xDFFF;
}

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kByteOrderMark = 0xFEFF;
constexpr char32_t kNothing = 0xFFFFFFFF;  // before the text and after it
constexpr char32_t kUnknown = 0xFFFFFFFE;  // after a beginning that we ask about

/// Code points as Go reads them: what is not UTF-8 is U+FFFD, byte by byte.
std::u32string go_points(std::string_view text) {
    auto points = code_points(text);
    std::replace_if(points.begin(), points.end(), is_lone_byte, kReplacement);
    return points;
}

void append_point(std::string& text, char32_t point) {
    const auto byte = [](char32_t value) { return static_cast<char>(static_cast<unsigned char>(value)); };
    if (point < 0x80) {
        text += byte(point);
    } else if (point < 0x800) {
        text += {byte(0xC0 | point >> 6), byte(0x80 | (point & 0x3F))};
    } else if (point < 0x10000) {
        text += {byte(0xE0 | point >> 12), byte(0x80 | (point >> 6 & 0x3F)), byte(0x80 | (point & 0x3F))};
    } else {
        text += {byte(0xF0 | point >> 18), byte(0x80 | (point >> 12 & 0x3F)), byte(0x80 | (point >> 6 & 0x3F)),
                 byte(0x80 | (point & 0x3F))};
    }
}

bool is_word(char32_t point) {
    return (point >= '0' && point <= '9') || (point >= 'A' && point <= 'Z') || point == '_' ||
           (point >= 'a' && point <= 'z');
}

/// The next chunk of a filepath.Match pattern: stars, then what stands up to the next star outside a class.
std::u32string_view take_chunk(std::u32string_view& pattern) {
    pattern.remove_prefix(std::min(pattern.find_first_not_of(U'*'), pattern.size()));
    bool in_class = false;
    std::size_t end = 0;
    for (; end < pattern.size(); ++end) {
        const char32_t c = pattern[end];
        if (c == '\\' && end + 1 < pattern.size()) {
            ++end;
        } else if (c == '[' || c == ']') {
            in_class = c == '[';
        } else if (c == '*' && !in_class) {
            break;
        }
    }
    const auto chunk = pattern.substr(0, end);
    pattern.remove_prefix(end);
    return chunk;
}

/// One end of a range in a class; false when it is malformed. Something must follow it.
bool skip_class_point(std::u32string_view& chunk) {
    if (chunk.empty() || chunk[0] == '-' || chunk[0] == ']') {
        return false;
    }
    if (chunk[0] == '\\') {
        chunk.remove_prefix(1);
        if (chunk.empty()) {
            return false;
        }
    }
    const char32_t point = chunk[0];
    chunk.remove_prefix(1);
    return !is_lone_byte(point) && !chunk.empty();
}

bool skip_class(std::u32string_view& chunk) {
    if (chunk.starts_with(U'^')) {
        chunk.remove_prefix(1);
    }
    for (bool first = true; first || !chunk.starts_with(U']'); first = false) {
        if (!skip_class_point(chunk)) {
            return false;
        }
        if (chunk[0] == '-') {
            chunk.remove_prefix(1);
            if (!skip_class_point(chunk)) {
                return false;
            }
        }
    }
    chunk.remove_prefix(1);
    return true;
}

bool is_malformed_chunk(std::u32string_view chunk) {
    while (!chunk.empty()) {
        const char32_t c = chunk[0];
        chunk.remove_prefix(1);
        if (c == '[' && !skip_class(chunk)) {
            return true;
        }
        if (c == '\\') {
            if (chunk.empty()) {
                return true;
            }
            chunk.remove_prefix(1);
        }
    }
    return false;
}

}  // namespace

std::string clean_file_path(std::string_view path) {
    const bool rooted = path.starts_with('/');
    std::vector<std::string_view> kept;
    std::size_t begin = 0;
    while (begin <= path.size()) {
        const std::size_t end = std::min(path.find('/', begin), path.size());
        const auto component = path.substr(begin, end - begin);
        begin = end + 1;
        if (component.empty() || component == ".") {
            continue;
        }
        if (component != "..") {
            kept.push_back(component);
        } else if (!kept.empty() && kept.back() != "..") {
            kept.pop_back();
        } else if (!rooted) {
            kept.push_back(component);
        }
    }
    std::string cleaned = rooted ? "/" : "";
    for (std::size_t i = 0; i < kept.size(); ++i) {
        cleaned += i == 0 ? "" : "/";
        cleaned += kept[i];
    }
    return cleaned.empty() ? "." : cleaned;
}

bool is_malformed_pattern(std::string_view pattern) {
    const auto points = code_points(pattern);
    for (std::u32string_view rest = points; !rest.empty();) {
        if (is_malformed_chunk(take_chunk(rest))) {
            return true;
        }
    }
    return false;
}

DockerignorePattern::DockerignorePattern(std::string pattern) : pattern_(std::move(pattern)) {
    const auto expression = translate();
    if (kind_ != Kind::Expression) {
        return;
    }
    if (parse_expression(expression, steps_)) {
        literal_end_ = find_literal_end();
    } else {
        kind_ = Kind::Broken;
    }
}

/// The regular expression, and in kind_ whether it is needed at all: patternmatcher compares plain text for the common
/// forms, whose meaning is not always that of their expression.
std::u32string DockerignorePattern::translate() {
    constexpr std::u32string_view kEscaped = U".+()|{}$";
    const auto points = go_points(pattern_);
    std::u32string_view rest = points;
    rest.remove_prefix(rest.starts_with(kByteOrderMark) ? 1 : 0);
    std::u32string expression = U"^";
    for (bool first = true; !rest.empty(); first = false) {
        const char32_t point = rest.front();
        rest.remove_prefix(1);
        if (point == '*' && rest.starts_with(U'*')) {
            rest.remove_prefix(rest.starts_with(U"*/") ? 2 : 1);
            const bool is_prefix = rest.empty() && kind_ == Kind::Exact;
            expression += is_prefix ? U"" : rest.empty() ? U".*" : U"(.*/)?";
            kind_ = first ? Kind::Suffix : is_prefix ? Kind::Prefix : Kind::Expression;
        } else if (point == '*' || point == '?') {
            expression += point == '*' ? U"[^/]*" : U"[^/]";
            kind_ = Kind::Expression;
        } else if (point == '\\' && !rest.empty()) {
            expression += {point, rest.front()};
            rest.remove_prefix(1);
            kind_ = Kind::Expression;
        } else if (kEscaped.find(point) != std::u32string_view::npos) {
            expression += {U'\\', point};
        } else {
            expression += point;
            kind_ = point == '[' || point == ']' ? Kind::Expression : kind_;
        }
    }
    return expression + U"$";
}

std::string DockerignorePattern::find_literal_end() const {
    using StepKind = ExpressionStep::Kind;
    if (steps_.back().kind != StepKind::EndOfText) {
        return "";
    }
    auto begin = steps_.end() - 1;
    const auto is_literal = [](const ExpressionStep& step) {
        return step.kind == StepKind::One && !step.negated && step.ranges.size() == 1 &&
               step.ranges[0].first == step.ranges[0].last && step.ranges[0].first != kReplacement;
    };
    while (begin != steps_.begin() && is_literal(*(begin - 1))) {
        --begin;
    }
    // The last two steps of "(.*/)?" are optional: what lies before its slash ends the literal, and so does the slash.
    if (begin != steps_.begin() && (begin - 1)->kind == StepKind::AnyNumber && begin - steps_.begin() >= 2 &&
        (begin - 2)->kind == StepKind::TwoOrNone) {
        ++begin;
    }
    std::string text;
    for (; begin != steps_.end() - 1; ++begin) {
        append_point(text, begin->ranges[0].first);
    }
    return text;
}

bool DockerignorePattern::matches(std::string_view path) const {
    switch (kind_) {
        case Kind::Exact:
            return path == pattern_;
        case Kind::Prefix:
            return path.starts_with(std::string_view(pattern_).substr(0, pattern_.size() - 2));
        case Kind::Suffix: {
            const auto suffix = std::string_view(pattern_).substr(2);
            return path.ends_with(suffix) || (suffix.starts_with('/') && path == suffix.substr(1));
        }
        case Kind::Expression:
            return path.ends_with(literal_end_) && run(path, Question::Whole);
        case Kind::Broken:
            return false;
    }
    return false;
}

bool DockerignorePattern::may_match_below(std::string_view directory) const {
    const auto beginning = std::string(directory) + "/";
    switch (kind_) {
        case Kind::Exact:
            return std::string_view(pattern_).starts_with(beginning);
        case Kind::Prefix: {
            const auto prefix = std::string_view(pattern_).substr(0, pattern_.size() - 2);
            return prefix.starts_with(beginning) || beginning.starts_with(prefix);
        }
        case Kind::Expression:
            return run(beginning, Question::Beginning);
        case Kind::Suffix:
        case Kind::Broken:  // to be found out by whoever is evaluated there
            return true;
    }
    return true;
}

namespace {

bool holds(ExpressionStep::Kind condition, char32_t before, char32_t after) {
    using StepKind = ExpressionStep::Kind;
    switch (condition) {
        case StepKind::BeginOfText:
            return before == kNothing;
        case StepKind::EndOfText:
            return after == kNothing;
        case StepKind::WordBoundary:
            return after == kUnknown || is_word(before) != is_word(after);
        case StepKind::NoWordBoundary:
            return after == kUnknown || is_word(before) == is_word(after);
        default:
            return false;
    }
}

/// Goes on to all places that can be reached without another code point; they lie ahead, so one pass finds them.
void go_on(const std::vector<ExpressionStep>& steps, std::vector<unsigned char>& places, char32_t before,
           char32_t after) {
    using StepKind = ExpressionStep::Kind;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (places[i] == 0 || steps[i].kind == StepKind::One) {
            continue;
        }
        if (steps[i].kind == StepKind::TwoOrNone) {
            places[i + 1] = 1;
            places[i + 3] = 1;
        } else if (steps[i].kind == StepKind::AnyNumber || holds(steps[i].kind, before, after)) {
            places[i + 1] = 1;
        }
    }
}

}  // namespace

/// All places of the expression at once, so that no path takes more than steps x length.
bool DockerignorePattern::run(std::string_view path, Question question) const {
    using StepKind = ExpressionStep::Kind;
    const auto points = go_points(path);
    const char32_t behind = question == Question::Whole ? kNothing : kUnknown;
    std::vector<unsigned char> places(steps_.size() + 1);
    std::vector<unsigned char> next(steps_.size() + 1);
    places[0] = 1;
    bool alive = true;
    for (std::size_t at = 0; alive; ++at) {
        const bool at_end = at == points.size();
        go_on(steps_, places, at == 0 ? kNothing : points[at - 1], at_end ? behind : points[at]);
        if (question == Question::Whole && places.back() != 0) {
            return true;  // beyond "$"; or the pattern lost it to an open \Q, and then the rest does not matter
        }
        if (at_end) {
            break;
        }
        alive = false;
        for (std::size_t i = 0; i < steps_.size(); ++i) {
            const auto& step = steps_[i];
            if (places[i] != 0 && step.kind <= StepKind::AnyNumber && step.contains(points[at])) {
                next[step.kind == StepKind::One ? i + 1 : i] = 1;
                alive = true;
            }
        }
        places.swap(next);
        std::fill(next.begin(), next.end(), 0);
    }
    return alive && question == Question::Beginning &&
           std::any_of(places.begin(), places.end() - 1, [](unsigned char place) { return place != 0; });
}

}  // namespace cooper::build
