#include "build/template/parser.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <charconv>

namespace cooper::build::jinja {

namespace {

std::optional<Operator> comparison_operator(const Token& token) {
    constexpr std::pair<std::string_view, Operator> kOperators[] = {
        {"==", Operator::Equal},     {"!=", Operator::NotEqual}, {"<", Operator::Less},
        {"<=", Operator::LessEqual}, {">", Operator::Greater},   {">=", Operator::GreaterEqual}};
    for (const auto& [text, op] : kOperators) {
        if (token.is_operator(text)) {
            return op;
        }
    }
    return std::nullopt;
}

std::optional<Operator> product_operator(const Token& token) {
    constexpr std::pair<std::string_view, Operator> kOperators[] = {
        {"*", Operator::Multiply}, {"/", Operator::Divide}, {"//", Operator::FloorDivide}, {"%", Operator::Modulo}};
    for (const auto& [text, op] : kOperators) {
        if (token.is_operator(text)) {
            return op;
        }
    }
    return std::nullopt;
}

}  // namespace

ExprPtr ExpressionParser::make(ExprKind kind, std::size_t line) {
    if (++nodes_ > kMaxNodes) {
        reader_.fail(line, "the template has more than " + std::to_string(kMaxNodes) + " expressions");
    }
    auto expr = std::make_unique<Expr>();
    expr->kind = kind;
    expr->line = line;
    return expr;
}

ExprPtr ExpressionParser::finished(ExprPtr expr) const {
    unsigned deepest = 0;
    const auto look = [&](const ExprPtr& part) { deepest = part ? std::max(deepest, part->depth) : deepest; };
    std::for_each(expr->parts.begin(), expr->parts.end(), look);
    if (expr->extras) {
        for (const auto& [name, value] : expr->extras->named) {
            look(value);
        }
        look(expr->extras->spread);
        look(expr->extras->spread_named);
    }
    expr->depth = deepest + 1;
    if (expr->depth > kMaxExpressionDepth) {
        reader_.fail(expr->line,
                     "an expression is nested deeper than " + std::to_string(kMaxExpressionDepth) + " levels",
                     "break it up with {% set %}; \"~\" joins any number of texts");
    }
    return expr;
}

ExprPtr ExpressionParser::binary(Operator op, ExprPtr left, ExprPtr right, std::size_t line) {
    auto expr = make(ExprKind::Binary, line);
    expr->op = op;
    expr->parts.push_back(std::move(left));
    expr->parts.push_back(std::move(right));
    return finished(std::move(expr));
}

// -- from what binds least to what binds most

ExprPtr ExpressionParser::expression() {
    const DeeperSyntax deeper(depth_, reader_);
    const std::size_t line = reader_.token().line;
    ExprPtr expr = either();
    while (reader_.skip_name("if")) {
        auto conditional = make(ExprKind::Conditional, line);
        conditional->parts.push_back(either());
        conditional->parts.push_back(std::move(expr));
        conditional->parts.push_back(reader_.skip_name("else") ? expression() : nullptr);
        expr = finished(std::move(conditional));
    }
    return expr;
}

ExprPtr ExpressionParser::expression_without_condition() {
    return either();
}

ExprPtr ExpressionParser::either() {
    const std::size_t line = reader_.token().line;
    ExprPtr left = both();
    while (reader_.skip_name("or")) {
        auto expr = make(ExprKind::Or, line);
        expr->parts.push_back(std::move(left));
        expr->parts.push_back(both());
        left = finished(std::move(expr));
    }
    return left;
}

ExprPtr ExpressionParser::both() {
    const std::size_t line = reader_.token().line;
    ExprPtr left = negation();
    while (reader_.skip_name("and")) {
        auto expr = make(ExprKind::And, line);
        expr->parts.push_back(std::move(left));
        expr->parts.push_back(negation());
        left = finished(std::move(expr));
    }
    return left;
}

ExprPtr ExpressionParser::negation() {
    const std::size_t line = reader_.token().line;
    if (!reader_.skip_name("not")) {
        return comparison();
    }
    const DeeperSyntax deeper(depth_, reader_);
    auto expr = make(ExprKind::Not, line);
    expr->parts.push_back(negation());
    return finished(std::move(expr));
}

ExprPtr ExpressionParser::comparison() {
    const std::size_t line = reader_.token().line;
    ExprPtr first = sum();
    ExprPtr compare;
    while (true) {
        auto op = comparison_operator(reader_.token());
        if (op) {
            reader_.take();
        } else if (reader_.skip_name("in")) {
            op = Operator::In;
        } else if (reader_.token().is_name("not") && reader_.after().is_name("in")) {
            reader_.take();
            reader_.take();
            op = Operator::NotIn;
        } else {
            return compare ? finished(std::move(compare)) : std::move(first);
        }
        if (!compare) {
            compare = make(ExprKind::Compare, line);
            compare->parts.push_back(std::move(first));
        }
        compare->operators.push_back(*op);
        compare->parts.push_back(sum());
    }
}

ExprPtr ExpressionParser::sum() {
    const std::size_t line = reader_.token().line;
    ExprPtr left = concatenation();
    while (reader_.token().is_operator("+") || reader_.token().is_operator("-")) {
        const Operator op = reader_.take().text == "+" ? Operator::Add : Operator::Subtract;
        ExprPtr right = concatenation();
        left = binary(op, std::move(left), std::move(right), line);
    }
    return left;
}

ExprPtr ExpressionParser::concatenation() {
    const std::size_t line = reader_.token().line;
    ExprPtr first = product();
    if (!reader_.token().is_operator("~")) {
        return first;
    }
    auto expr = make(ExprKind::Concat, line);
    expr->parts.push_back(std::move(first));
    while (reader_.skip_operator("~")) {
        expr->parts.push_back(product());
    }
    return finished(std::move(expr));
}

ExprPtr ExpressionParser::product() {
    const std::size_t line = reader_.token().line;
    ExprPtr left = power();
    while (const auto op = product_operator(reader_.token())) {
        reader_.take();
        ExprPtr right = power();
        left = binary(*op, std::move(left), std::move(right), line);
    }
    return left;
}

ExprPtr ExpressionParser::power() {
    const std::size_t line = reader_.token().line;
    ExprPtr left = unary(true);
    while (reader_.skip_operator("**")) {
        ExprPtr right = unary(true);
        left = binary(Operator::Power, std::move(left), std::move(right), line);
    }
    return left;
}

ExprPtr ExpressionParser::unary(bool with_filters) {
    const Token& token = reader_.token();
    ExprPtr expr;
    if (token.is_operator("-") || token.is_operator("+")) {
        const DeeperSyntax deeper(depth_, reader_);
        expr = make(ExprKind::Unary, token.line);
        expr->op = reader_.take().text == "-" ? Operator::Subtract : Operator::Add;
        expr->parts.push_back(unary(false));
        expr = finished(std::move(expr));
    } else {
        expr = primary();
    }
    expr = postfix(std::move(expr));
    return with_filters ? filters_and_tests(std::move(expr)) : std::move(expr);
}

// -- what stands for itself

ExprPtr ExpressionParser::primary() {
    switch (reader_.token().kind) {
        case TokenKind::Name:
            return name_or_constant();
        case TokenKind::String:
            return strings();
        case TokenKind::Integer:
        case TokenKind::Float:
            return number();
        default:
            break;
    }
    if (reader_.token().is_operator("(")) {
        return parenthesized();
    }
    if (reader_.token().is_operator("[")) {
        return list();
    }
    if (reader_.token().is_operator("{")) {
        return dict();
    }
    reader_.fail_expected("an expression");
}

ExprPtr ExpressionParser::name_or_constant() {
    const Token& token = reader_.take();
    auto expr = make(ExprKind::Constant, token.line);
    const std::string& name = token.text;
    if (name == "true" || name == "True" || name == "false" || name == "False") {
        expr->constant = Value(name.size() == 4);
    } else if (name == "none" || name == "None") {
        expr->constant = Value::none();
    } else {
        expr->kind = ExprKind::Name;
        expr->name = name;
    }
    return expr;
}

ExprPtr ExpressionParser::strings() {
    auto expr = make(ExprKind::Constant, reader_.token().line);
    std::string text;
    while (reader_.token().is(TokenKind::String)) {
        text += reader_.take().text;
    }
    expr->constant = make_text(nullptr, std::move(text));
    return expr;
}

ExprPtr ExpressionParser::number() {
    const Token& token = reader_.take();
    auto expr = make(ExprKind::Constant, token.line);
    const std::string& text = token.text;
    const char* const end = text.data() + text.size();
    if (token.is(TokenKind::Float)) {
        double value = 0;
        if (std::from_chars(text.data(), end, value).ec != std::errc()) {
            reader_.fail(token.line, "the number " + oci::printable(text, 40) + " is too large or too small");
        }
        expr->constant = Value(value);
        return expr;
    }
    const char kind = text.size() > 2 ? static_cast<char>(text[1] | 0x20) : ' ';
    const int base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    std::int64_t value = 0;
    const auto [stopped, error] = std::from_chars(text.data() + (base == 10 ? 0 : 2), end, value, base);
    if (error != std::errc() || stopped != end) {
        reader_.fail(token.line, "the number " + oci::printable(text, 40) + " needs more than 64 bits");
    }
    expr->constant = Value(value);
    return expr;
}

ExprPtr ExpressionParser::parenthesized() {
    const DeeperSyntax deeper(depth_, reader_);
    const std::size_t line = reader_.take().line;
    ExprPtr expr;
    if (reader_.token().is_operator(")")) {
        expr = make(ExprKind::Tuple, line);
    } else {
        expr = tuple(true);
    }
    reader_.expect_operator(")");
    return expr;
}

ExprPtr ExpressionParser::list() {
    const DeeperSyntax deeper(depth_, reader_);
    auto expr = make(ExprKind::List, reader_.take().line);
    while (!reader_.skip_operator("]")) {
        if (!expr->parts.empty()) {
            reader_.expect_operator(",");
            if (reader_.skip_operator("]")) {
                break;
            }
        }
        expr->parts.push_back(expression());
    }
    return finished(std::move(expr));
}

ExprPtr ExpressionParser::dict() {
    const DeeperSyntax deeper(depth_, reader_);
    auto expr = make(ExprKind::Dict, reader_.take().line);
    while (!reader_.skip_operator("}")) {
        if (!expr->parts.empty()) {
            reader_.expect_operator(",");
            if (reader_.skip_operator("}")) {
                break;
            }
        }
        expr->parts.push_back(expression());
        reader_.expect_operator(":");
        expr->parts.push_back(expression());
    }
    return finished(std::move(expr));
}

bool ExpressionParser::tuple_ends(std::string_view ends_at) const {
    const Token& token = reader_.token();
    return token.is(TokenKind::PrintEnd) || token.is(TokenKind::BlockEnd) || token.is_operator(")") ||
           (!ends_at.empty() && token.is_name(ends_at));
}

ExprPtr ExpressionParser::tuple(bool with_condition, std::string_view ends_at) {
    const std::size_t line = reader_.token().line;
    ExprPtr first;
    ExprPtr several;
    while (true) {
        if (tuple_ends(ends_at)) {
            break;
        }
        ExprPtr part = with_condition ? expression() : expression_without_condition();
        if (several) {
            several->parts.push_back(std::move(part));
        } else {
            first = std::move(part);
        }
        if (!reader_.skip_operator(",")) {
            break;
        }
        if (!several) {
            several = make(ExprKind::Tuple, line);
            several->parts.push_back(std::move(first));
        }
    }
    if (several) {
        return finished(std::move(several));
    }
    if (!first) {
        reader_.fail_expected("an expression");
    }
    return first;
}

// -- targets of assignments

Target ExpressionParser::simple_target() {
    Target target;
    target.line = reader_.token().line;
    if (reader_.skip_operator("(")) {
        const DeeperSyntax deeper(depth_, reader_);
        target = this->target();
        reader_.expect_operator(")");
        return target;
    }
    target.name = reader_.expect_name("a name to assign to");
    constexpr std::string_view kConstants[] = {"true", "false", "none", "True", "False", "None"};
    if (std::find(std::begin(kConstants), std::end(kConstants), target.name) != std::end(kConstants)) {
        reader_.fail(target.line, "\"" + target.name + "\" is a constant: nothing can be assigned to it");
    }
    return target;
}

Target ExpressionParser::target(std::string_view ends_at) {
    Target several;
    several.kind = Target::Kind::Several;
    several.line = reader_.token().line;
    while (true) {
        several.several.push_back(simple_target());
        if (!reader_.skip_operator(",")) {
            return several.several.size() == 1 ? Target(std::move(several.several.front())) : std::move(several);
        }
        if (tuple_ends(ends_at)) {
            return several;
        }
    }
}

}  // namespace cooper::build::jinja
