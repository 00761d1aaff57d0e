#include "build/template/filters.hpp"
#include "build/template/parser.hpp"
#include "build/template/tests.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <charconv>

namespace cooper::build::jinja {

namespace {

constexpr std::size_t kMaxNamedArguments = 255;

/// While it lives, one more bracket or prefix is open: the parser calls itself.
class Deeper {
public:
    Deeper(unsigned& depth, const TokenReader& reader) : depth_(depth) {
        if (++depth_ > kMaxExpressionDepth) {
            --depth_;
            reader.fail(reader.token().line,
                        "an expression is nested deeper than " + std::to_string(kMaxExpressionDepth) + " levels");
        }
    }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    ~Deeper() { --depth_; }

private:
    unsigned& depth_;
};

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
    const Deeper deeper(depth_, reader_);
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
    const Deeper deeper(depth_, reader_);
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
        const Deeper deeper(depth_, reader_);
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
    const Deeper deeper(depth_, reader_);
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
    const Deeper deeper(depth_, reader_);
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
    const Deeper deeper(depth_, reader_);
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
        const Deeper deeper(depth_, reader_);
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
    const Deeper deeper(depth_, reader_);
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
    const bool has_slice =
        std::any_of(keys.begin(), keys.end(), [](const auto& key) { return key->kind == ExprKind::Slice; });
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
    const Deeper deeper(depth_, reader_);
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
