#include "build/template/lexer.hpp"

#include "build/template/characters.hpp"
#include "build/template/failure.hpp"
#include "build/template/string_literal.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace cooper::build::jinja {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/// The longest operator that `text` begins with; empty for none.
std::string_view operator_at(std::string_view text) {
    constexpr std::array<std::string_view, 6> kTwo = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view kOne = "+-/*%~[](){}><=.:|,;";
    const auto* const two = std::find(kTwo.begin(), kTwo.end(), text.substr(0, 2));
    if (two != kTwo.end()) {
        return *two;
    }
    return kOne.find(text.front()) == std::string_view::npos ? std::string_view() : text.substr(0, 1);
}

class Lexer {
public:
    Lexer(std::string_view source, const std::string& file, const TemplateOptions& options)
        : file_(file), options_(options), source_(normal_lines(source, options.keep_trailing_newline)) {}

    std::vector<Token> run() {
        while (at_ < source_.size()) {
            text_and_tag();
        }
        add(TokenKind::End, "");
        return std::move(tokens_);
    }

private:
    [[noreturn]] void fail(const std::string& message) const { throw TemplateError(file_, line_, message); }

    void add(TokenKind kind, std::string text) { tokens_.push_back({kind, line_, std::move(text)}); }

    [[nodiscard]] std::string_view rest() const { return std::string_view(source_).substr(at_); }

    /// Goes on to `end`, counting lines.
    void advance(std::size_t end) {
        line_ += static_cast<std::size_t>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                     source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
        at_ = end;
    }

    void skip_blanks() { advance(source_.size() - strip_left(rest()).size()); }

    /// After "%}" or "#}" of a tag that did not end with "+".
    void trim_newline() {
        if (options_.trim_blocks && rest().starts_with('\n')) {
            advance(at_ + 1);
        }
    }

    // -- text

    void text_and_tag() {
        std::size_t tag = at_;
        do {
            tag = source_.find('{', tag);
            if (tag == std::string::npos || tag + 1 >= source_.size()) {
                add_text(source_.size());
                return;
            }
        } while (!is_tag(source_[tag + 1]) && ++tag != 0);
        const char kind = source_[tag + 1];
        const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
        add_text(tag, sign, kind);
        tag_line_ = line_;
        advance(tag + (sign == '-' || sign == '+' ? 3 : 2));
        if (kind == '#') {
            comment();
        } else if (kind == '{') {
            add(TokenKind::PrintBegin, "{{");
            expression("}}", TokenKind::PrintEnd);
        } else if (!raw_block()) {
            add(TokenKind::BlockBegin, "{%");
            expression("%}", TokenKind::BlockEnd);
        }
    }

    static bool is_tag(char c) { return c == '{' || c == '%' || c == '#'; }

    /// The text up to `end`, less what the sign of the tag that follows takes away.
    void add_text(std::size_t end, char sign = '+', char tag = '{') {
        std::string_view text = std::string_view(source_).substr(at_, end - at_);
        if (sign == '-') {
            text = strip_right(text);
        } else if (sign != '+' && options_.lstrip_blocks && tag != '{') {
            const std::size_t line_start = text.rfind('\n') + 1;  // 0 when there is none
            const bool at_line_start = line_start > 0 || at_ == 0 || source_[at_ - 1] == '\n';
            if (at_line_start && strip_left(text.substr(line_start)).empty()) {
                text = text.substr(0, line_start);
            }
        }
        if (!text.empty()) {
            add(TokenKind::Data, std::string(text));
        }
        advance(end);
    }

    void comment() {
        const std::size_t end = source_.find("#}", at_);
        if (end == std::string::npos) {
            line_ = tag_line_;
            fail("this comment is not closed: expected \"#}\"");
        }
        const char sign = end > at_ ? source_[end - 1] : ' ';
        advance(end + 2);
        if (sign == '-') {
            skip_blanks();
        } else if (sign != '+') {
            trim_newline();
        }
    }

    // -- raw

    /// Where "raw" or "endraw" and the end of its tag lead; `sign` is what stands before "%}".
    struct RawTag {
        std::size_t end;
        char sign;
    };

    [[nodiscard]] std::optional<RawTag> raw_tag(std::size_t from, std::string_view word) const {
        const std::string_view whole = source_;
        std::string_view text = strip_left(whole.substr(from));
        if (!text.starts_with(word)) {
            return std::nullopt;
        }
        text = strip_left(text.substr(word.size()));
        const char sign = text.empty() ? ' ' : text.front();
        if (sign == '-' || (sign == '+' && word == "endraw")) {
            text.remove_prefix(1);
        }
        if (!text.starts_with("%}")) {
            return std::nullopt;
        }
        return RawTag{source_.size() - text.size() + 2, sign};
    }

    bool raw_block() {
        const auto begin = raw_tag(at_, "raw");
        if (!begin) {
            return false;
        }
        advance(begin->end);
        if (begin->sign == '-') {
            skip_blanks();
        }
        for (std::size_t tag = source_.find("{%", at_); tag != std::string::npos; tag = source_.find("{%", tag + 2)) {
            const char sign = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
            const auto end = raw_tag(tag + (sign == '-' || sign == '+' ? 3 : 2), "endraw");
            if (end) {
                add_text(tag, sign, '%');
                advance(end->end);
                if (end->sign == '-') {
                    skip_blanks();
                } else if (end->sign != '+') {
                    trim_newline();
                }
                return true;
            }
        }
        line_ = tag_line_;
        fail("this \"raw\" block is not closed: expected {% endraw %}");
    }

    // -- inside a tag

    void expression(std::string_view closing, TokenKind end_kind) {
        std::string brackets;  // what closes those that are open
        while (true) {
            if (at_ >= source_.size()) {
                line_ = tag_line_;
                fail("this tag is not closed: expected \"" + std::string(closing) + "\"");
            }
            if (brackets.empty() && tag_end(closing, end_kind)) {
                return;
            }
            const char c = source_[at_];
            std::size_t next = at_;
            if (is_space(next_character(source_, next))) {
                skip_blanks();
            } else if (is_digit(c)) {
                number();
            } else if (is_name_start(c)) {
                name();
            } else if (c == '"' || c == '\'') {
                string();
            } else {
                operators(brackets);
            }
        }
    }

    bool tag_end(std::string_view closing, TokenKind kind) {
        const bool is_block = kind == TokenKind::BlockEnd;
        const char sign = source_[at_];
        const bool has_sign = sign == '-' || (sign == '+' && is_block);
        if (!rest().substr(has_sign ? 1 : 0).starts_with(closing)) {
            return false;
        }
        add(kind, std::string(closing));
        advance(at_ + (has_sign ? 3 : 2));
        if (sign == '-') {
            skip_blanks();
        } else if (is_block && !has_sign) {
            trim_newline();
        }
        return true;
    }

    void name() {
        std::size_t end = at_;
        while (end < source_.size() && (is_name_start(source_[end]) || is_digit(source_[end]))) {
            ++end;
        }
        add(TokenKind::Name, source_.substr(at_, end - at_));
        advance(end);
    }

    /// Digits with single "_" between them; where they end.
    template <class IsDigit>
    [[nodiscard]] std::size_t digits(std::size_t from, IsDigit is) const {
        while (from < source_.size() &&
               (is(source_[from]) || (source_[from] == '_' && from + 1 < source_.size() && is(source_[from + 1])))) {
            ++from;
        }
        return from;
    }

    /// Where a fraction or exponent ends that makes the digits before `from` a float; `from` when there is none.
    [[nodiscard]] std::size_t float_end(std::size_t from) const {
        const auto digit_at = [&](std::size_t at) { return at < source_.size() && is_digit(source_[at]); };
        std::size_t end = from;
        if (from < source_.size() && source_[from] == '.' && digit_at(from + 1)) {
            end = digits(from + 1, is_digit);
        }
        if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
            const bool has_sign = end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-');
            const std::size_t sign = has_sign ? 1 : 0;
            if (digit_at(end + 1 + sign)) {
                end = digits(end + 1 + sign, is_digit);
            }
        }
        return end;
    }

    void number() {
        const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
        const std::size_t whole = digits(at_, is_digit);
        const std::size_t real = after_dot ? whole : float_end(whole);
        const TokenKind kind = real > whole ? TokenKind::Float : TokenKind::Integer;
        const std::size_t end = real > whole ? real : integer_end();
        std::string text = source_.substr(at_, end - at_);
        text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
        add(kind, std::move(text));
        advance(end);
    }

    [[nodiscard]] std::size_t integer_end() const {
        const std::string_view text = rest();
        if (text.front() != '0') {
            return digits(at_, is_digit);
        }
        const char base = text.size() > 1 ? static_cast<char>(text[1] | 0x20) : ' ';
        const auto is_base_digit = [base](char c) {
            return base == 'b'   ? c == '0' || c == '1'
                   : base == 'o' ? c >= '0' && c <= '7'
                                 : is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
        };
        if (base == 'b' || base == 'o' || base == 'x') {
            const std::size_t end = digits(at_ + 2, is_base_digit);
            if (end > at_ + 2) {
                return end;
            }
        }
        return digits(at_, [](char c) { return c == '0'; });
    }

    void string() {
        const char quote = source_[at_];
        std::size_t end = at_ + 1;
        while (end < source_.size() && source_[end] != quote) {
            end += source_[end] == '\\' ? std::size_t{2} : std::size_t{1};
        }
        if (end >= source_.size()) {
            fail(std::string("this string is not closed: expected ") + quote);
        }
        const auto content = std::string_view(source_).substr(at_ + 1, end - at_ - 1);
        try {
            add(TokenKind::String, string_literal(content));
        } catch (const Failure& failure) {
            fail(failure.message);
        }
        advance(end + 1);
    }

    void operators(std::string& brackets) {
        const std::string_view found = operator_at(rest());
        if (found.empty()) {
            std::size_t next = at_;
            next_character(source_, next);
            const std::string character = source_.substr(at_, next - at_);
            fail(is_ascii(character) ? "unexpected character \"" + oci::printable(character) + "\" in a tag"
                                     : "unexpected character \"" + character +
                                           "\" in a tag: names are letters, digits and \"_\" of ASCII");
        }
        const char c = found.front();
        if (c == '(' || c == '[' || c == '{') {
            brackets.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
        } else if (c == ')' || c == ']' || c == '}') {
            if (brackets.empty()) {
                fail(std::string("\"") + c + "\" closes nothing");
            }
            if (brackets.back() != c) {
                fail(std::string("found \"") + c + "\", expected \"" + brackets.back() + "\"");
            }
            brackets.pop_back();
        }
        add(TokenKind::Operator, std::string(found));
        advance(at_ + found.size());
    }

    const std::string& file_;
    const TemplateOptions& options_;
    std::string source_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;
    std::size_t tag_line_ = 1;
    std::vector<Token> tokens_;
};

}  // namespace

std::string describe(const Token& token) {
    switch (token.kind) {
        case TokenKind::Data:
            return "text";
        case TokenKind::PrintBegin:
            return "\"{{\"";
        case TokenKind::PrintEnd:
            return "the end of the tag, \"}}\"";
        case TokenKind::BlockBegin:
            return "\"{%\"";
        case TokenKind::BlockEnd:
            return "the end of the tag, \"%}\"";
        case TokenKind::String:
            return "the string \"" + oci::printable(token.text, 60) + "\"";
        case TokenKind::End:
            return "the end of the template";
        default:
            return "\"" + oci::printable(token.text, 60) + "\"";
    }
}

std::string normal_lines(std::string_view text, bool keep_trailing_newline) {
    std::string lines;
    lines.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\r') {
            lines.push_back(text[i]);
        } else if (i + 1 == text.size() || text[i + 1] != '\n') {
            lines.push_back('\n');
        }
    }
    if (!keep_trailing_newline && lines.ends_with('\n')) {
        lines.pop_back();
    }
    return lines;
}

std::vector<Token> tokenize(std::string_view source, const std::string& file, const TemplateOptions& options) {
    return Lexer(source, file, options).run();
}

}  // namespace cooper::build::jinja
