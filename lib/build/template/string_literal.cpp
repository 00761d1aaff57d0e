#include "build/template/string_literal.hpp"

#include "build/template/characters.hpp"
#include "build/template/failure.hpp"

namespace cooper::build::jinja {

namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// The character of exactly `digits` hexadecimal digits at `at`, which moves behind them.
char32_t hexadecimal(std::string_view content, std::size_t& at, std::size_t digits, char escape) {
    char32_t value = 0;
    for (std::size_t i = 0; i < digits; ++i, ++at) {
        const int digit = at < content.size() ? hex_digit(content[at]) : -1;
        if (digit < 0) {
            throw Failure{std::string("the escape \\") + escape + " in a string needs " + std::to_string(digits) +
                          " hexadecimal digits"};
        }
        value = value * 16 + static_cast<char32_t>(digit);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) {
        throw Failure{std::string("the escape \\") + escape + " in a string names no character"};
    }
    return value;
}

char32_t octal(std::string_view content, std::size_t& at) {
    constexpr int kMostDigits = 3;
    char32_t value = 0;
    for (int i = 0; i < kMostDigits && at < content.size() && content[at] >= '0' && content[at] <= '7'; ++i, ++at) {
        value = value * 8 + static_cast<char32_t>(content[at] - '0');
    }
    return value;
}

/// What the escape stands for whose letter is at `at`, which moves behind it.
void append_escape(std::string& text, std::string_view content, std::size_t& at) {
    constexpr std::string_view kLetters = "abfnrtv\\'\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
    const char letter = content[at];
    if (const std::size_t known = kLetters.find(letter); known != std::string_view::npos) {
        text.push_back(kMeanings[known]);
        ++at;
    } else if (letter == '\n') {
        ++at;
    } else if (letter >= '0' && letter <= '7') {
        append_character(text, octal(content, at));
    } else if (letter == 'x' || letter == 'u' || letter == 'U') {
        ++at;
        append_character(text, hexadecimal(content, at, letter == 'x' ? 2 : letter == 'u' ? 4 : 8, letter));
    } else if (letter == 'N') {
        throw Failure{"the escape \\N in a string is not supported: write the character itself, or \\uXXXX"};
    } else {
        text.push_back('\\');
    }
}

}  // namespace

std::string string_literal(std::string_view content) {
    std::string text;
    text.reserve(content.size());
    for (std::size_t at = 0; at < content.size();) {
        if (content[at] != '\\' || at + 1 == content.size()) {
            text.push_back(content[at++]);
            continue;
        }
        ++at;
        append_escape(text, content, at);
    }
    return text;
}

}  // namespace cooper::build::jinja
