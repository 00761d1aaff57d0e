// A template as tokens: text between tags with its white space already decided, and what is inside them.
#pragma once

#include "cooper/build/template.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build::jinja {

enum class TokenKind : std::uint8_t {
    Data,
    PrintBegin,
    PrintEnd,
    BlockBegin,
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
};

struct Token {
    TokenKind kind = TokenKind::End;
    std::size_t line = 0;
    std::string text;  ///< of strings: what they mean; of numbers: without "_"

    [[nodiscard]] bool is(TokenKind wanted) const { return kind == wanted; }
    [[nodiscard]] bool is_operator(std::string_view wanted) const {
        return kind == TokenKind::Operator && text == wanted;
    }
    [[nodiscard]] bool is_name(std::string_view wanted) const { return kind == TokenKind::Name && text == wanted; }
};

/// For messages: `"endif"`, `the end of the tag`.
std::string describe(const Token& token);

/// Line breaks as Jinja takes them: "\r\n" and "\r" are "\n", and unless `keep_trailing_newline` one at the end goes.
std::string normal_lines(std::string_view text, bool keep_trailing_newline);

/// Ends with TokenKind::End. Throws TemplateError. Linear.
std::vector<Token> tokenize(std::string_view source, const std::string& file, const TemplateOptions& options);

}  // namespace cooper::build::jinja
