#include "build/template/filters.hpp"
#include "build/template/parser.hpp"
#include "build/template/tests.hpp"

#include <algorithm>

namespace cooper::build::jinja {

namespace {

constexpr std::size_t kMaxNamedArguments = 255;

/// A slice between "[" and "]" that does not know yet what it cuts, unlike the key in a[b[1:2]].
bool is_open_slice(const ExprPtr& key) {
    return key->kind == ExprKind::Slice && !key->parts.front();
}

}  // namespace

// -- what follows an expression

ExprPtr ExpressionParser::postfix(ExprPtr expr) {
    while (true) {
        if (reader_.token().is_operator(".")) {
            expr = attribute(std::move(expr));
        } else if (reader_.token().is_operator("[")) {
            expr = subscript(std::move(expr));
        } else if (reader_.token().is_operator("(")) {
            expr = call(std::move(expr));
        } else {
            return expr;
        }
    }
}

ExprPtr ExpressionParser::filters_and_tests(ExprPtr expr) {
    while (true) {
        if (reader_.skip_operator("|")) {
            expr = filter(std::move(expr));
        } else if (reader_.token().is_name("is")) {
            expr = test(std::move(expr));
        } else if (reader_.token().is_operator("(")) {
            expr = call(std::move(expr));
        } else {
            return expr;
        }
    }
}

ExprPtr ExpressionParser::attribute(ExprPtr of) {
    const std::size_t line = reader_.take().line;
    if (reader_.token().is(TokenKind::Integer)) {
        auto item = make(ExprKind::Item, line);
        item->parts.push_back(std::move(of));
        item->parts.push_back(number());
        return finished(std::move(item));
    }
    auto expr = make(ExprKind::Attribute, line);
    expr->parts.push_back(std::move(of));
    expr->name = reader_.expect_name("a name or a number behind \".\"");
    return finished(std::move(expr));
}

ExprPtr ExpressionParser::subscript(ExprPtr of) {
    const DeeperSyntax deeper(depth_, reader_);
    const std::size_t line = reader_.take().line;
    std::vector<ExprPtr> keys;
    while (!reader_.skip_operator("]")) {
        if (!keys.empty()) {
            reader_.expect_operator(",");
        }
        keys.push_back(subscribed());
    }
    if (keys.empty()) {
        reader_.fail(line, "found \"]\", expected an index or a key");
    }
    const bool has_slice = std::any_of(keys.begin(), keys.end(), is_open_slice);
    if (keys.size() == 1 && has_slice) {
        keys.front()->parts.front() = std::move(of);
        return finished(std::move(keys.front()));
    }
    if (has_slice) {
        reader_.fail(line, "a slice stands alone between \"[\" and \"]\"");
    }
    auto item = make(ExprKind::Item, line);
    item->parts.push_back(std::move(of));
    if (keys.size() == 1) {
        item->parts.push_back(std::move(keys.front()));
    } else {
        auto several = make(ExprKind::Tuple, line);
        several->parts = std::move(keys);
        item->parts.push_back(finished(std::move(several)));
    }
    return finished(std::move(item));
}

ExprPtr ExpressionParser::subscribed() {
    ExprPtr first;
    if (!reader_.token().is_operator(":")) {
        first = expression();
        if (!reader_.token().is_operator(":")) {
            return first;
        }
    }
    auto slice = make(ExprKind::Slice, reader_.take().line);
    slice->parts.push_back(nullptr);  // what is sliced comes later
    slice->parts.push_back(std::move(first));
    slice->parts.push_back(slice_part());
    slice->parts.push_back(reader_.skip_operator(":") ? slice_part() : nullptr);
    return slice;
}

ExprPtr ExpressionParser::slice_part() {
    const Token& token = reader_.token();
    return token.is_operator(":") || token.is_operator("]") || token.is_operator(",") ? nullptr : expression();
}

ExprPtr ExpressionParser::call(ExprPtr callee) {
    auto expr = make(ExprKind::Call, reader_.token().line);
    expr->parts.push_back(std::move(callee));
    arguments(*expr);
    return finished(std::move(expr));
}

void ExpressionParser::arguments(Expr& call) {
    const DeeperSyntax deeper(depth_, reader_);
    const std::size_t line = reader_.token().line;
    reader_.expect_operator("(");
    auto extras = std::make_unique<CallExtras>();
    const auto require = [&](bool holds, const char* what) {
        if (!holds) {
            reader_.fail(line, std::string("in a call: ") + what);
        }
    };
    bool first = true;
    while (!reader_.skip_operator(")")) {
        if (!first) {
            reader_.expect_operator(",");
            if (reader_.skip_operator(")")) {
                break;
            }
        }
        first = false;
        if (reader_.skip_operator("*")) {
            require(!extras->spread && !extras->spread_named, "\"*\" can stand there once, before \"**\"");
            extras->spread = expression();
        } else if (reader_.skip_operator("**")) {
            require(!extras->spread_named, "\"**\" can stand there once");
            extras->spread_named = expression();
        } else if (reader_.token().is(TokenKind::Name) && reader_.after().is_operator("=")) {
            require(!extras->spread_named, "named arguments stand before \"**\"");
            require(extras->named.size() < kMaxNamedArguments, "too many named arguments");
            std::string name = reader_.take().text;
            reader_.take();
            const bool twice = std::any_of(extras->named.begin(), extras->named.end(),
                                           [&](const auto& known) { return known.first == name; });
            require(!twice, "an argument is given twice");
            extras->named.emplace_back(std::move(name), expression());
        } else {
            require(!extras->spread && !extras->spread_named && extras->named.empty(),
                    "arguments without a name stand before those with one");
            call.parts.push_back(expression());
        }
    }
    if (!extras->named.empty() || extras->spread || extras->spread_named) {
        call.extras = std::move(extras);
    }
}

ExprPtr ExpressionParser::filter(ExprPtr over) {
    auto expr = make(ExprKind::Filter, reader_.token().line);
    expr->name = reader_.expect_name("the name of a filter");
    while (reader_.skip_operator(".")) {
        expr->name += "." + reader_.expect_name("the name of a filter");
    }
    expr->filter = find_filter(expr->name);
    expr->parts.push_back(std::move(over));
    if (reader_.token().is_operator("(")) {
        arguments(*expr);
    }
    return finished(std::move(expr));
}

ExprPtr ExpressionParser::captured_filters(bool bare) {
    ExprPtr expr = make(ExprKind::Captured, reader_.token().line);
    if (bare) {
        expr = filter(std::move(expr));
    }
    while (reader_.skip_operator("|")) {
        expr = filter(std::move(expr));
    }
    return expr;
}

bool ExpressionParser::begins_test_argument() const {
    const Token& token = reader_.token();
    switch (token.kind) {
        case TokenKind::Name:
            return !token.is_name("else") && !token.is_name("or") && !token.is_name("and");
        case TokenKind::String:
        case TokenKind::Integer:
        case TokenKind::Float:
            return true;
        default:
            return token.is_operator("[") || token.is_operator("{");
    }
}

ExprPtr ExpressionParser::test(ExprPtr of) {
    const std::size_t line = reader_.take().line;
    const bool negated = reader_.skip_name("not");
    auto expr = make(ExprKind::Test, line);
    expr->name = reader_.expect_name("the name of a test");
    while (reader_.skip_operator(".")) {
        expr->name += "." + reader_.expect_name("the name of a test");
    }
    expr->test = find_test(expr->name);
    expr->parts.push_back(std::move(of));
    if (reader_.token().is_operator("(")) {
        arguments(*expr);
    } else if (begins_test_argument()) {
        if (reader_.token().is_name("is")) {
            reader_.fail(reader_.token().line, "tests with \"is\" cannot be chained", "use \"and\"");
        }
        expr->parts.push_back(postfix(primary()));
    }
    expr = finished(std::move(expr));
    if (!negated) {
        return expr;
    }
    auto inverted = make(ExprKind::Not, line);
    inverted->parts.push_back(std::move(expr));
    return finished(std::move(inverted));
}

}  // namespace cooper::build::jinja
