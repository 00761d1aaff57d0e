// Tokens to statements and expressions, by recursive descent: Jinja's grammar without inheritance and extensions.
#pragma once

#include "build/template/lexer.hpp"
#include "build/template/syntax.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build::jinja {

/// Walks over tokens; what all parts of the parser share.
class TokenReader {
public:
    TokenReader(std::vector<Token> tokens, const std::string& file) : tokens_(std::move(tokens)), file_(file) {}

    [[nodiscard]] const Token& token() const { return tokens_[at_]; }
    [[nodiscard]] const Token& after() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
    /// The current one; goes to the next.
    const Token& take();
    bool skip_operator(std::string_view text);
    bool skip_name(std::string_view name);
    /// Throws TemplateError "found …, expected …".
    void expect_operator(std::string_view text);
    void expect_end(TokenKind kind);
    std::string expect_name(std::string_view what);
    void expect_word(std::string_view word);
    [[noreturn]] void fail(std::size_t line, const std::string& message, const std::string& advice = "") const;
    [[noreturn]] void fail_expected(std::string_view what) const;

private:
    std::vector<Token> tokens_;
    const std::string& file_;
    std::size_t at_ = 0;
};

/// While it lives, one more bracket or prefix is open: the parser calls itself.
class DeeperSyntax {
public:
    DeeperSyntax(unsigned& depth, const TokenReader& reader) : depth_(depth) {
        if (++depth_ > kMaxExpressionDepth) {
            --depth_;
            reader.fail(reader.token().line,
                        "an expression is nested deeper than " + std::to_string(kMaxExpressionDepth) + " levels");
        }
    }
    DeeperSyntax(const DeeperSyntax&) = delete;
    DeeperSyntax& operator=(const DeeperSyntax&) = delete;
    ~DeeperSyntax() { --depth_; }

private:
    unsigned& depth_;
};

class ExpressionParser {
public:
    explicit ExpressionParser(TokenReader& reader) : reader_(reader) {}

    ExprPtr expression();
    ExprPtr expression_without_condition();
    /// One expression, or several with commas: a tuple. `ends_at` is a word that ends it too.
    ExprPtr tuple(bool with_condition, std::string_view ends_at = "");
    Target target(std::string_view ends_at = "");
    /// The filters of a filter or a set block, over what it captures. The first has no "|" before it when `bare`.
    ExprPtr captured_filters(bool bare);
    /// Counts it; throws TemplateError when there are too many.
    ExprPtr make(ExprKind kind, std::size_t line);

private:
    ExprPtr either();
    ExprPtr both();
    ExprPtr negation();
    ExprPtr comparison();
    ExprPtr sum();
    ExprPtr concatenation();
    ExprPtr product();
    ExprPtr power();
    ExprPtr unary(bool with_filters);
    ExprPtr primary();
    ExprPtr name_or_constant();
    ExprPtr strings();
    ExprPtr number();
    ExprPtr parenthesized();
    ExprPtr list();
    ExprPtr dict();
    ExprPtr postfix(ExprPtr expr);
    ExprPtr filters_and_tests(ExprPtr expr);
    ExprPtr attribute(ExprPtr of);
    ExprPtr subscript(ExprPtr of);
    ExprPtr subscribed();
    ExprPtr slice_part();
    ExprPtr call(ExprPtr callee);
    void arguments(Expr& call);
    ExprPtr filter(ExprPtr over);
    ExprPtr test(ExprPtr of);
    [[nodiscard]] bool begins_test_argument() const;
    ExprPtr binary(Operator op, ExprPtr left, ExprPtr right, std::size_t line);
    /// Sets the depth from the parts. Throws TemplateError when it is too much.
    ExprPtr finished(ExprPtr expr) const;
    Target simple_target();
    [[nodiscard]] bool tuple_ends(std::string_view ends_at) const;

    TokenReader& reader_;
    unsigned depth_ = 0;  // of brackets and prefixes that are open
    std::size_t nodes_ = 0;
};

/// Throws TemplateError.
Unit parse_unit(std::string_view text, std::string file, const TemplateOptions& options);

}  // namespace cooper::build::jinja
