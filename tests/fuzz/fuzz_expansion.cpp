// Variables in words, and the patterns of ${n#p}. Input: options (one byte), the value of A, a newline, a pattern, a
// newline, the text.
#include "cooper/base/text.hpp"

#include "build/dockerfile/expansion.hpp"
#include "build/dockerfile/pattern.hpp"
#include "build/tree/code_points.hpp"
#include "fuzz.hpp"

#include <algorithm>
#include <optional>
#include <string>

using namespace cooper;
using namespace cooper::build;

namespace {

/// What a regular expression's search would find, tried the long way: the first alternative of every star that leads
/// to a match.
std::optional<std::size_t> slow_match(std::u32string_view pattern, std::u32string_view text, std::size_t at,
                                      bool longest) {
    if (pattern.empty()) {
        return at;
    }
    if (pattern[0] == '*') {
        const auto line_end = std::min(text.find(U'\n', at), text.size());
        for (std::size_t taken = 0; at + taken <= line_end; ++taken) {
            const auto next = longest ? line_end - taken : at + taken;
            if (const auto end = slow_match(pattern.substr(1), text, next, longest)) {
                return end;
            }
        }
        return std::nullopt;
    }
    const bool escaped = pattern[0] == '\\';
    const auto wanted = pattern[escaped ? 1 : 0];
    const bool any = !escaped && wanted == '?';
    if (at == text.size() || (any ? text[at] == '\n' : text[at] != wanted)) {
        return std::nullopt;
    }
    return slow_match(pattern.substr(escaped ? 2 : 1), text, at + 1, longest);
}

void check_pattern(std::u32string_view pattern, std::u32string_view value) {
    constexpr std::size_t kSlowly = 10;
    if (pattern.size() > kSlowly || value.size() > kSlowly) {
        return;
    }
    const ShellPattern fast(pattern);
    for (std::size_t begin = 0; begin <= value.size(); ++begin) {
        for (const bool longest : {false, true}) {
            fuzz::check(fast.match_at(value, begin, longest) == slow_match(pattern, value, begin, longest),
                        "the match is the one that the long way finds");
        }
    }
}

std::string_view take_line(std::string_view& text) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

void check_expansion(std::string_view text, const ExpansionOptions& options, const VariableLookup& lookup) {
    const auto expansion = expand(text, options, lookup);
    for (const auto& word : expansion.words) {
        fuzz::check(!word.empty(), "no word is empty");
    }
    for (const auto& name : expansion.unmatched) {
        fuzz::check(!lookup(name), "what has a value is matched");
    }
    if (text.find_first_of("$'\"\\`") == std::string_view::npos && is_valid_utf8(text) && !text.starts_with("\xEF")) {
        fuzz::check(expansion.text == text, "plain text stays");
    }
    auto without_words = options;
    without_words.split = false;
    fuzz::check(expand(text, without_words, lookup).text == expansion.text, "words do not change the text");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    ExpansionOptions options;
    options.keep_quotes = (data[0] & 1U) != 0;
    options.keep_escapes = (data[0] & 2U) != 0;
    options.quotes_are_text = (data[0] & 4U) != 0;
    options.keep_unset = (data[0] & 8U) != 0;
    options.escape = (data[0] & 16U) != 0 ? '`' : '\\';
    options.split = true;
    auto text = fuzz::text_of(data + 1, size - 1);
    const std::string value(take_line(text));
    const auto pattern = take_line(text);
    const VariableLookup lookup = [&](std::string_view name) {
        return name == "A" ? std::optional(value) : std::nullopt;
    };
    fuzz::expect_only_errors([&] { check_pattern(code_points(pattern), code_points(value)); });
    fuzz::expect_only_errors([&] { check_expansion(text, options, lookup); });
    return 0;
}
