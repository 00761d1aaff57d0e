#include "build/dockerfile/expansion.hpp"

#include "cooper/base/error.hpp"

#include "build/dockerfile/characters.hpp"
#include "build/dockerfile/pattern.hpp"
#include "build/tree/code_points.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxNesting = 100;        // "${a:-${b:-…"; nobody writes more than three
constexpr std::size_t kMaxExpanded = 8U << 20;  // ENV a=$a$a doubles with every line
constexpr char32_t kEnd = 0xFFFFFFFF;
constexpr char32_t kByteOrderMark = 0xFEFF;

[[noreturn]] void fail(const std::string& problem) {
    throw Error(ErrorCode::InvalidInput, problem);
}

std::string utf8(std::u32string_view points) {
    std::string text;
    text.reserve(points.size());
    for (const char32_t point : points) {
        append_code_point(text, point);
    }
    return text;
}

std::string utf8(char32_t point) {
    return point == kEnd ? "end of text" : utf8(std::u32string_view(&point, 1));
}

std::string without_prefix(std::u32string_view pattern, std::u32string_view value, bool longest) {
    const auto end = ShellPattern(pattern).match_at(value, 0, longest);
    return utf8(value.substr(end.value_or(0)));
}

/// What "${n%p}" leaves: the search goes from the end, where the shortest match is the first.
std::string without_suffix(std::u32string_view pattern, std::u32string value, bool longest) {
    std::reverse(value.begin(), value.end());
    const auto end = ShellPattern(reversed_pattern(pattern)).match_at(value, 0, longest);
    std::u32string rest = value.substr(end.value_or(0));
    std::reverse(rest.begin(), rest.end());
    return utf8(rest);
}

/// "$0" and "${0}" in what replaces all matches are the match, other names nothing, "$$" is "$": BuildKit hands the
/// text to a regular expression's replacement.
void append_replacement(std::string& result, std::u32string_view replacement, std::u32string_view match) {
    for (std::size_t i = 0; i < replacement.size(); ++i) {
        if (replacement[i] != '$') {
            append_code_point(result, replacement[i]);
            continue;
        }
        if (replacement.substr(i + 1).starts_with(U'$')) {
            result += '$';
            ++i;
            continue;
        }
        const bool braces = replacement.substr(i + 1).starts_with(U'{');
        const std::size_t begin = i + (braces ? 2 : 1);
        std::size_t end = begin;
        while (end < replacement.size() && is_name_character(replacement[end])) {
            ++end;
        }
        if (end == begin || (braces && !replacement.substr(end).starts_with(U'}'))) {
            result += '$';
            continue;
        }
        if (replacement.substr(begin, end - begin) == U"0") {
            result += utf8(match);
        }
        i = end - (braces ? 0 : 1);
    }
}

std::string with_replacement(std::u32string_view pattern, std::u32string_view replacement, std::u32string_view value,
                             bool all) {
    const ShellPattern wanted(pattern);
    std::string result;
    std::size_t from = 0;
    std::optional<std::size_t> last_end;
    for (std::size_t search = 0; search <= value.size();) {
        const auto found = wanted.find(value, search);
        if (!found) {
            break;
        }
        const auto [begin, end] = *found;
        const bool beside = begin == end && last_end == begin;  // an empty match right behind another is none
        if (!beside) {
            result += utf8(value.substr(from, begin - from));
            if (all) {
                append_replacement(result, replacement, value.substr(begin, end - begin));
            } else {
                result += utf8(replacement);
            }
            from = end;
            last_end = end;
        }
        if (!all || result.size() > kMaxExpanded) {
            break;
        }
        search = end > search ? end : search + 1;
    }
    return result + utf8(value.substr(from));
}

class Expander {
public:
    Expander(std::string_view text, const ExpansionOptions& options, const VariableLookup& variables)
        : source_(code_points(text)),
          options_(options),
          variables_(variables),
          escape_(static_cast<unsigned char>(options.escape)),
          keep_escapes_(options.keep_escapes) {
        if (!source_.empty() && source_.front() == kByteOrderMark) {
            at_ = 1;
        }
    }

    Expansion run() {
        result_.text = expand_until(kEnd, keep_escapes_);
        return std::move(result_);
    }

private:
    [[nodiscard]] char32_t peek() const { return at_ < source_.size() ? source_[at_] : kEnd; }
    char32_t next() { return at_ < source_.size() ? source_[at_++] : kEnd; }

    /// Words are collected in one place at all depths: as in BuildKit, a word inside ${…} takes what stood before it.
    void end_word(std::vector<std::string>& words) {
        if (!word_.empty()) {
            words.push_back(std::move(word_));
            word_.clear();
        }
    }

    struct Output {
        std::string text;
        std::vector<std::string> words;
        bool in_word = false;
    };

    void add_raw(Output& output, char32_t point) {
        append_code_point(output.text, point);
        if (options_.split) {
            append_code_point(word_, point);
            output.in_word = true;
        }
    }

    void split_into_words(Output& output, char32_t point) {
        if (!is_go_space(point)) {
            append_code_point(word_, point);
            output.in_word = true;
        } else if (output.in_word && !word_.empty()) {
            end_word(output.words);
            output.in_word = false;
        }
    }

    void add_value(Output& output, const std::string& value) {
        output.text += value;
        if (options_.split) {
            for (const char32_t point : code_points(value)) {
                split_into_words(output, point);
            }
        }
    }

    void add_quoted(Output& output, const std::string& piece) {
        output.text += piece;
        if (options_.split) {
            word_ += piece;
            output.in_word = true;
        }
    }

    static void check_size(const std::string& text) {
        if (text.size() > kMaxExpanded) {
            fail("the text is larger than the limit of " + std::to_string(kMaxExpanded) +
                 " bytes once its variables are filled in");
        }
    }

    std::string expand_until(char32_t stop, bool keep_escapes) {
        if (++depth_ > kMaxNesting) {
            fail("${…} is nested deeper than the limit of " + std::to_string(kMaxNesting));
        }
        const bool outer_escapes = std::exchange(keep_escapes_, keep_escapes);
        word_.clear();
        Output output;
        while (peek() != kEnd && peek() != stop) {
            take_piece(output);
            check_size(output.text);
        }
        if (next() != stop) {
            fail("unexpected end of statement while looking for matching " + utf8(stop));
        }
        end_word(output.words);
        result_.words = std::move(output.words);
        keep_escapes_ = outer_escapes;
        --depth_;
        return std::move(output.text);
    }

    void take_piece(Output& output) {
        const char32_t point = peek();
        if (point == '$') {
            add_value(output, take_variable());
        } else if (point == '<') {
            add_quoted(output, take_heredoc_start());
        } else if (point == '"' && !options_.quotes_are_text) {
            add_quoted(output, take_double());
        } else if (point == '\'' && !options_.quotes_are_text) {
            add_quoted(output, take_single());
        } else if (next() == escape_) {
            if (keep_escapes_) {
                add_raw(output, point);
            }
            if (const char32_t escaped = next(); escaped != kEnd) {
                add_raw(output, escaped);
            }
        } else {
            append_code_point(output.text, point);
            if (options_.split) {
                split_into_words(output, point);
            }
        }
    }

    /// "<< EOF" is one word.
    std::string take_heredoc_start() {
        next();
        if (peek() != '<') {
            return "<";
        }
        next();
        std::string taken = "<<";
        while (peek() == ' ' || peek() == '\t' || peek() == '\r') {
            append_code_point(taken, next());
        }
        return taken;
    }

    std::string take_single() {
        std::string text = options_.keep_quotes ? "'" : "";
        next();
        while (peek() != '\'') {
            if (peek() == kEnd) {
                fail("unexpected end of statement while looking for matching single-quote");
            }
            append_code_point(text, next());
        }
        next();
        return options_.keep_quotes ? text + "'" : text;
    }

    std::string take_double() {
        std::string text = options_.keep_quotes ? "\"" : "";
        next();
        while (peek() != '"') {
            if (peek() == kEnd) {
                fail("unexpected end of statement while looking for matching double-quote");
            }
            if (peek() == '$') {
                text += take_variable();
                check_size(text);
                continue;
            }
            char32_t point = next();
            if (point == escape_) {
                if (keep_escapes_) {
                    append_code_point(text, point);
                }
                if (peek() == kEnd) {
                    continue;
                }
                if (peek() == '"' || peek() == '$' || peek() == escape_) {
                    point = next();
                }
            }
            append_code_point(text, point);
        }
        next();
        return options_.keep_quotes ? text + "\"" : text;
    }

    std::string take_name() {
        constexpr std::u32string_view kSpecial = U"@*#?-$!0";
        std::string name;
        const auto is_digit = [](char32_t point) { return point >= '0' && point <= '9'; };
        if (is_digit(peek())) {
            while (is_digit(peek())) {
                append_code_point(name, next());
            }
            return name;
        }
        if (kSpecial.find(peek()) != std::u32string_view::npos) {
            append_code_point(name, next());
            return name;
        }
        while (peek() != kEnd && is_name_character(peek())) {
            append_code_point(name, next());
        }
        return name;
    }

    std::optional<std::string> value_of(const std::string& name) {
        auto value = variables_(name);
        (value ? result_.matched : result_.unmatched).insert(name);
        return value;
    }

    /// Without a value it is nothing, and that is noted.
    std::string value_or_nothing(const std::optional<std::string>& value) {
        result_.complete = result_.complete && value.has_value();
        return value.value_or("");
    }

    std::string take_variable() {
        next();
        if (peek() != '{') {
            const auto name = take_name();
            if (name.empty()) {
                return "$";
            }
            const auto value = value_of(name);
            return !value && options_.keep_unset ? "$" + name : value_or_nothing(value);
        }
        next();
        if (peek() == kEnd) {
            fail("syntax error: missing '}'");
        }
        if (peek() == '{' || peek() == '}' || peek() == ':') {
            fail("syntax error: bad substitution");
        }
        const auto name = take_name();
        const char32_t modifier = next();
        switch (modifier) {
            case '}': {
                const auto value = value_of(name);
                return !value && options_.keep_unset ? "${" + name + "}" : value_or_nothing(value);
            }
            case ':':
                return take_default(name, next(), true);
            case '+':
            case '-':
            case '?':
                return take_default(name, modifier, false);
            case '#':
            case '%':
                return take_cut(name, modifier);
            case '/':
                return take_replacement(name);
            default:
                fail("unsupported modifier (" + utf8(modifier) + ") in substitution");
        }
    }

    /// A word up to `stop`; one that does not end is what is missing.
    std::string take_word(char32_t stop, bool keep_escapes, const char* missing) {
        try {
            return expand_until(stop, keep_escapes);
        } catch (const Error&) {
            if (peek() == kEnd) {
                fail(missing);
            }
            throw;
        }
    }

    static constexpr const char* kNoBrace = "syntax error: missing '}'";

    std::string take_default(const std::string& name, char32_t kind, bool empty_is_unset) {
        const std::string written = (empty_is_unset ? ":" : "") + utf8(kind);
        if (empty_is_unset && (kind == '#' || kind == '%')) {
            fail("unsupported modifier (" + written + ") in substitution");
        }
        const bool complete_so_far = result_.complete;
        const auto word = take_word('}', false, kNoBrace);
        const auto value = value_of(name);
        if (!value && options_.keep_unset) {
            return "${" + name + written + word + "}";
        }
        const bool there = value && !(empty_is_unset && value->empty());
        const bool word_counts = there == (kind == '+');
        result_.complete = word_counts ? result_.complete : complete_so_far;
        switch (kind) {
            case '-':
                return there ? *value : word;
            case '+':
                return there ? word : "";
            case '?':
                if (!there) {
                    const std::string state = value ? "empty" : "unset";
                    fail(name + ": " + (word.empty() ? "is not allowed to be " + state : word));
                }
                return *value;
            default:
                fail("unsupported modifier (" + written + ") in substitution");
        }
    }

    std::string take_cut(const std::string& name, char32_t end) {
        const auto word = take_word('}', true, kNoBrace);
        const auto value = value_of(name);
        if (!value && options_.keep_unset) {
            return "${" + name + utf8(end) + word + "}";
        }
        const auto whole = code_points(word);
        std::u32string_view pattern = whole;
        const bool longest = pattern.starts_with(end);
        pattern.remove_prefix(longest ? 1 : 0);
        auto points = code_points(value_or_nothing(value));
        return end == '#' ? without_prefix(pattern, points, longest)
                          : without_suffix(pattern, std::move(points), longest);
    }

    std::string take_replacement(const std::string& name) {
        const bool all = peek() == '/';
        if (all) {
            next();
        }
        const auto pattern = take_word('/', true, "syntax error: missing '/' in ${}");
        const auto replacement = take_word('}', true, kNoBrace);
        const auto value = value_of(name);
        if (!value && options_.keep_unset) {
            return "${" + name + "/" + pattern + "/" + replacement + "}";
        }
        return with_replacement(code_points(pattern), code_points(replacement), code_points(value_or_nothing(value)),
                                all);
    }

    std::u32string source_;
    const ExpansionOptions& options_;
    const VariableLookup& variables_;
    char32_t escape_;
    bool keep_escapes_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
    std::string word_;
    Expansion result_;
};

}  // namespace

Expansion expand(std::string_view text, const ExpansionOptions& options, const VariableLookup& variables) {
    return Expander(text, options, variables).run();
}

std::string expand_word(std::string_view word, char escape, const VariableLookup& variables) {
    ExpansionOptions options;
    options.escape = escape;
    return expand(word, options, variables).text;
}

std::vector<std::string> expand_words(std::string_view text, char escape, const VariableLookup& variables) {
    ExpansionOptions options;
    options.escape = escape;
    options.split = true;
    return expand(text, options, variables).words;
}

std::string expand_heredoc(std::string_view text, const VariableLookup& variables) {
    ExpansionOptions options;
    options.quotes_are_text = true;
    return expand(text, options, variables).text;
}

std::string expand_for_display(std::string_view text, char escape, const VariableLookup& variables) {
    ExpansionOptions options;
    options.escape = escape;
    options.keep_quotes = true;
    options.keep_unset = true;
    try {
        return expand(text, options, variables).text;
    } catch (const Error&) {
        return std::string(text);
    }
}

}  // namespace cooper::build
