#include "build/project/commented_json.hpp"

#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <unordered_map>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxValues = 200'000;  // bounds the memory, some 100 bytes each

bool is_number_character(char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/// Also what is no JSON number ("+1", ".5"), to be told so.
bool begins_number(char c) {
    return is_number_character(c) && c != 'e' && c != 'E';
}

bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/// RFC 8259 section 6; from_chars() takes more.
bool is_json_number(std::string_view text) {
    const auto digits = [&text] {
        const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
        text.remove_prefix(count);
        return count;
    };
    if (text.starts_with('-')) {
        text.remove_prefix(1);
    }
    const bool leading_zero = text.starts_with('0');
    const std::size_t whole = digits();
    if (whole == 0 || (leading_zero && whole > 1)) {
        return false;
    }
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        if (digits() == 0) {
            return false;
        }
    }
    if (text.starts_with('e') || text.starts_with('E')) {
        text.remove_prefix(1);
        if (text.starts_with('-') || text.starts_with('+')) {
            text.remove_prefix(1);
        }
        if (digits() == 0) {
            return false;
        }
    }
    return text.empty();
}

void append_utf8(std::string& to, std::uint32_t point) {
    const auto add = [&to](std::uint32_t byte) { to.push_back(static_cast<char>(static_cast<unsigned char>(byte))); };
    const auto continuation = [&](unsigned shift) { add(0x80U | ((point >> shift) & 0x3FU)); };
    if (point < 0x80) {
        add(point);
    } else if (point < 0x800) {
        add(0xC0U | (point >> 6U));
        continuation(0);
    } else if (point < 0x10000) {
        add(0xE0U | (point >> 12U));
        continuation(6);
        continuation(0);
    } else {
        add(0xF0U | (point >> 18U));
        continuation(12);
        continuation(6);
        continuation(0);
    }
}

class Reader {
public:
    Reader(std::string_view text, const std::string& file) : text_(text), file_(file) {}

    CommentedValue document() {
        check_characters();
        if (text_.starts_with(
                "\xef\xbb\xbf")) {  // editors of Windows write it; RFC 8259 section 8.1 lets readers skip it
            at_ = 3;
        }
        CommentedValue value = read_value(0);
        skip_blanks();
        if (at_ < text_.size()) {
            fail("expected the end of the file, found " + found());
        }
        return value;
    }

private:
    [[noreturn]] void fail(const std::string& message) const { throw error_in_line(file_, line_, message); }

    void check_characters() {
        const std::size_t nul = text_.find('\0');
        if (nul != std::string_view::npos || !is_valid_utf8(text_)) {
            std::size_t line = 1;
            for (const std::string_view one : split(text_, '\n')) {
                if (one.find('\0') != std::string_view::npos || !is_valid_utf8(one)) {
                    throw error_in_line(file_, line, "the file is no text: a NUL, or bytes that are not UTF-8");
                }
                ++line;
            }
        }
    }

    /// What stands here, for messages.
    [[nodiscard]] std::string found() const {
        if (at_ >= text_.size()) {
            return "the end of the file";
        }
        const std::string_view rest = text_.substr(at_);
        if (rest[0] == '"') {
            return "a text";
        }
        if (rest[0] == '\'') {
            return "a single quote; texts stand in double quotes";
        }
        const auto* const end = std::find_if_not(rest.begin(), rest.end(), is_word_character);
        const auto length = std::max<std::size_t>(1, static_cast<std::size_t>(end - rest.begin()));
        return "'" + oci::printable(rest.substr(0, length), 40) + "'";
    }

    /// Blanks and comments.
    void skip_blanks() {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '\n') {
                ++line_;
            }
            if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
                ++at_;
            } else if (text_.substr(at_).starts_with("//")) {
                at_ = std::min(text_.find('\n', at_), text_.size());
            } else if (text_.substr(at_).starts_with("/*")) {
                skip_block_comment();
            } else {
                return;
            }
        }
    }

    void skip_block_comment() {
        const std::size_t end = text_.find("*/", at_ + 2);
        if (end == std::string_view::npos) {
            fail("the comment that begins here has no end");
        }
        const std::string_view comment = text_.substr(at_, end - at_);
        line_ += static_cast<std::size_t>(std::count(comment.begin(), comment.end(), '\n'));
        at_ = end + 2;
    }

    [[nodiscard]] bool stands(char c) const { return at_ < text_.size() && text_[at_] == c; }

    bool take(char c) {
        skip_blanks();
        if (!stands(c)) {
            return false;
        }
        ++at_;
        return true;
    }

    CommentedValue read_value(std::size_t depth) {
        skip_blanks();
        if (++values_ > kMaxValues) {
            fail("more than " + std::to_string(kMaxValues) + " values");
        }
        CommentedValue value;
        value.line = line_;
        if (stands('{') || stands('[')) {
            if (depth == kMaxDepth) {
                fail("nested deeper than " + std::to_string(kMaxDepth) + " levels");
            }
            if (text_[at_++] == '{') {
                value.data = read_members(depth + 1);
            } else {
                value.data = read_elements(depth + 1);
            }
        } else if (stands('"')) {
            value.data = read_text();
        } else if (at_ < text_.size() && begins_number(text_[at_])) {
            read_number(value);
        } else {
            read_word(value);
        }
        return value;
    }

    CommentedObject read_members(std::size_t depth) {
        CommentedObject members;
        std::unordered_map<std::string, std::size_t> lines;
        const std::size_t opened = line_;
        while (!take('}')) {
            if (!stands('"')) {
                fail("expected a key in double quotes or '}', found " + found() + opened_in(opened));
            }
            CommentedMember member;
            member.line = line_;
            member.key = read_text();
            const auto [before, is_new] = lines.emplace(member.key, member.line);
            if (!is_new) {
                throw error_in_line(file_, member.line,
                                    "\"" + oci::printable(member.key) + "\" is there twice, also in line " +
                                        std::to_string(before->second));
            }
            if (!take(':')) {
                fail("expected ':' behind \"" + oci::printable(member.key) + "\", found " + found());
            }
            member.value = read_value(depth);
            members.push_back(std::move(member));
            if (!take(',')) {
                if (!stands('}')) {
                    fail("expected ',' or '}', found " + found() + opened_in(opened));
                }
            }
        }
        return members;
    }

    CommentedList read_elements(std::size_t depth) {
        CommentedList elements;
        const std::size_t opened = line_;
        while (!take(']')) {
            elements.push_back(read_value(depth));
            if (!take(',')) {
                if (!stands(']')) {
                    fail("expected ',' or ']', found " + found() + opened_in(opened));
                }
            }
        }
        return elements;
    }

    [[nodiscard]] std::string opened_in(std::size_t line) const {
        return line == line_ ? "" : " (for what begins in line " + std::to_string(line) + ")";
    }

    std::string read_text() {
        std::string text;
        for (++at_; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '"') {
                ++at_;
                return text;
            }
            if (c == '\n') {
                break;
            }
            if (c == '\\') {
                ++at_;
                read_escape(text);
            } else if (static_cast<unsigned char>(c) < 0x20) {
                fail("a text holds a control character: write \\t or \\u00XX");
            } else {
                text.push_back(c);
            }
        }
        fail("a text has no closing '\"' in its line");
    }

    /// Stands on the character behind the backslash, and then on the escape's last one.
    void read_escape(std::string& text) {
        constexpr std::string_view kNames = "\"\\/bfnrt";
        constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
        const char c = at_ < text_.size() ? text_[at_] : '\0';
        if (const std::size_t name = kNames.find(c); name != std::string_view::npos) {
            text.push_back(kMeanings[name]);
            return;
        }
        if (c != 'u') {
            fail("a text holds a backslash that no escape follows: write \\\\");
        }
        std::uint32_t point = read_hex();
        if (point >= 0xD800 && point < 0xDC00 && text_.substr(at_ + 1).starts_with("\\u")) {
            at_ += 2;
            const std::uint32_t low = read_hex();
            if (low >= 0xDC00 && low < 0xE000) {
                point = 0x10000 + ((point - 0xD800) << 10U) + (low - 0xDC00);
            }
        }
        if (point == 0 || (point >= 0xD800 && point < 0xE000)) {
            fail("a text holds an escape that is no character (\\u0000, or half of a pair)");
        }
        append_utf8(text, point);
    }

    /// Four digits behind this place; then stands on the last of them.
    std::uint32_t read_hex() {
        std::uint32_t number = 0;
        const std::string_view digits = text_.substr(std::min(at_ + 1, text_.size()), 4);
        const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
        if (digits.size() != 4 || read.ec != std::errc() || read.ptr != digits.data() + digits.size()) {
            fail("\\u is not followed by four hex digits");
        }
        at_ += 4;
        return number;
    }

    void read_number(CommentedValue& value) {
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_number_character(text_[at_])) {
            ++at_;
        }
        const std::string_view number = text_.substr(begin, at_ - begin);
        if (!is_json_number(number)) {
            fail("'" + oci::printable(number, 40) + "' is no number");
        }
        const char* const end = number.data() + number.size();
        std::int64_t whole = 0;
        if (number.find_first_of(".eE") == std::string_view::npos) {
            if (std::from_chars(number.data(), end, whole).ec != std::errc()) {
                fail("the number " + oci::printable(number, 40) + " does not fit 64 bits");
            }
            value.data = whole;
            return;
        }
        double real = 0;
        if (std::from_chars(number.data(), end, real).ec != std::errc()) {
            fail("the number " + oci::printable(number, 40) + " is too large or too small");
        }
        value.data = real;
    }

    void read_word(CommentedValue& value) {
        const std::string_view rest = text_.substr(at_);
        const auto* const end = std::find_if_not(rest.begin(), rest.end(), is_word_character);
        const std::string_view word = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
        if (word == "true" || word == "false") {
            value.data = word == "true";
        } else if (word != "null") {
            fail("expected a value, found " + found());
        }
        at_ += word.size();
    }

    std::string_view text_;
    const std::string& file_;
    std::size_t at_ = 0;
    std::size_t line_ = 1;
    std::size_t values_ = 0;
};

}  // namespace

std::string_view CommentedValue::kind() const noexcept {
    constexpr std::array<std::string_view, 7> kKinds = {"null",   "true or false", "a number", "a number",
                                                        "a text", "a list",        "an object"};
    return kKinds[data.index()];
}

CommentedValue parse_commented_json(std::string_view text, const std::string& file) {
    return Reader(text, file).document();
}

Error error_in_line(const std::string& file, std::size_t line, const std::string& message) {
    return Error(ErrorCode::InvalidInput, file + ":" + std::to_string(line) + ": " + message);
}

}  // namespace cooper::build
