#include "build/template/filters.hpp"
#include "build/template/running.hpp"
#include "build/template/tests.hpp"

#include <algorithm>

namespace cooper::build::jinja {

Value Renderer::evaluate(const Expr& expr) {
    budget_.step();
    switch (expr.kind) {
        case ExprKind::Constant:
            return expr.constant;
        case ExprKind::Name:
            return name(expr);
        case ExprKind::Captured:
            return captured_;
        default:
            break;
    }
    const Deeper deeper(*this);
    return evaluate_parts(expr);
}

Value Renderer::evaluate_parts(const Expr& expr) {
    const auto part = [&](std::size_t index) { return evaluate(*expr.parts[index]); };
    const auto parts = [&] {
        std::vector<Value> values;
        values.reserve(expr.parts.size());
        for (const auto& each : expr.parts) {
            values.push_back(evaluate(*each));
        }
        return values;
    };
    switch (expr.kind) {
        case ExprKind::List:
            return make_list(&budget_, parts());
        case ExprKind::Tuple:
            return make_tuple(&budget_, parts());
        case ExprKind::Dict:
            return dict_literal(expr);
        case ExprKind::Attribute: {
            const Value of = part(0);
            line_ = expr.line;
            return attribute(of, expr.name);
        }
        case ExprKind::Item: {
            const Value of = part(0);
            const Value key = part(1);
            line_ = expr.line;
            return item(of, key);
        }
        case ExprKind::Slice:
            return slice_of(expr);
        case ExprKind::Call: {
            const Value callee = part(0);
            Arguments given = arguments(expr, 1);
            line_ = expr.line;
            return call(callee, given);
        }
        case ExprKind::Filter:
            return apply_filter(expr);
        case ExprKind::Test:
            return apply_test(expr);
        case ExprKind::Not:
            return !truth(part(0));
        case ExprKind::And: {
            Value left = part(0);
            return truth(left) ? part(1) : left;
        }
        case ExprKind::Or: {
            Value left = part(0);
            return truth(left) ? left : part(1);
        }
        case ExprKind::Conditional:
            return conditional(expr);
        case ExprKind::Compare:
            return comparison(expr);
        case ExprKind::Concat:
            return concatenation(expr);
        case ExprKind::Unary:
            return unary(expr);
        case ExprKind::Binary: {
            const Value left = part(0);
            const Value right = part(1);
            line_ = expr.line;
            return binary(expr.op, left, right);
        }
        default:
            return {};
    }
}

Value Renderer::name(const Expr& expr) {
    const Value& value = at(expr.slot);
    return value.missing() ? undefined("\"" + expr.name + "\" is undefined") : value;
}

Value Renderer::dict_literal(const Expr& expr) {
    std::vector<std::pair<Value, Value>> entries;
    for (std::size_t i = 0; i < expr.parts.size(); i += 2) {
        Value key = evaluate(*expr.parts[i]);
        entries.emplace_back(std::move(key), evaluate(*expr.parts[i + 1]));
    }
    line_ = expr.line;
    return make_dict(&budget_, std::move(entries));
}

Value Renderer::slice_of(const Expr& expr) {
    const auto bound = [&](std::size_t index) {
        return expr.parts[index] ? evaluate(*expr.parts[index]) : Value::none();
    };
    const Value of = evaluate(*expr.parts[0]);
    const Value start = bound(1);
    const Value stop = bound(2);
    const Value step = bound(3);
    line_ = expr.line;
    return slice(of, start, stop, step);
}

Value Renderer::conditional(const Expr& expr) {
    if (truth(evaluate(*expr.parts[0]))) {
        return evaluate(*expr.parts[1]);
    }
    if (expr.parts[2]) {
        return evaluate(*expr.parts[2]);
    }
    Value nothing = undefined("the \"if\" in the expression at line " + std::to_string(expr.line) +
                              " was false and has no \"else\"");
    nothing.as<Undefined>().lenient = true;
    return nothing;
}

/// a < b < c: each operand is evaluated once, and none behind the first comparison that fails.
Value Renderer::comparison(const Expr& expr) {
    Value left = evaluate(*expr.parts[0]);
    for (std::size_t i = 0; i < expr.operators.size(); ++i) {
        Value right = evaluate(*expr.parts[i + 1]);
        line_ = expr.line;
        if (!compare(expr.operators[i], left, right)) {
            return false;
        }
        left = std::move(right);
    }
    return true;
}

Value Renderer::concatenation(const Expr& expr) {
    std::vector<Value> values;
    values.reserve(expr.parts.size());
    for (const auto& part : expr.parts) {
        values.push_back(evaluate(*part));
    }
    line_ = expr.line;
    TextBuilder text(&budget_);
    for (const Value& value : values) {
        print(value, text);
    }
    return make_text(text);
}

Value Renderer::unary(const Expr& expr) {
    const Value value = evaluate(*expr.parts[0]);
    line_ = expr.line;
    if (value.is(Kind::Undefined)) {
        throw Failure{value.as<Undefined>().message};
    }
    if (!value.is_number()) {
        throw Failure{"\"" + std::string(to_string(expr.op)) + "\" before a " + std::string(type_name(value)) +
                      ": expected a number"};
    }
    if (expr.op == Operator::Add) {
        return value.is(Kind::Bool) ? Value(value.integer()) : value;
    }
    if (value.is(Kind::Float)) {
        return -value.real();
    }
    return binary(Operator::Subtract, std::int64_t{0}, value);
}

Value Renderer::apply_filter(const Expr& expr) {
    Arguments given = arguments(expr, 0);
    line_ = expr.line;
    if (expr.filter == nullptr) {
        throw unknown_filter(expr.name);
    }
    return expr.filter->apply(*this, given);
}

bool Renderer::apply_test(const Expr& expr) {
    Arguments given = arguments(expr, 0);
    line_ = expr.line;
    if (expr.test == nullptr) {
        throw unknown_test(expr.name);
    }
    return expr.test->holds(*this, given);
}

Arguments Renderer::arguments(const Expr& expr, std::size_t first) {
    Arguments given;
    given.positional.reserve(expr.parts.size() - first);
    for (std::size_t i = first; i < expr.parts.size(); ++i) {
        given.positional.push_back(evaluate(*expr.parts[i]));
    }
    if (expr.extras) {
        spread(expr, given);
    }
    return given;
}

void Renderer::spread(const Expr& expr, Arguments& given) {
    for (const auto& [name, value] : expr.extras->named) {
        given.named.emplace_back(name, evaluate(*value));
    }
    if (expr.extras->spread) {
        const Value more = evaluate(*expr.extras->spread);
        line_ = expr.line;
        const std::vector<Value> values = list(more);
        given.positional.insert(given.positional.end(), values.begin(), values.end());
    }
    if (!expr.extras->spread_named) {
        return;
    }
    const Value more = evaluate(*expr.extras->spread_named);
    line_ = expr.line;
    if (!more.is(Kind::Dict)) {
        throw Failure{"\"**\" before a " + std::string(type_name(more)) + ": expected a dict"};
    }
    constexpr std::size_t kMostNames = 1000;  // they are compared with each other
    if (more.dict().entries.size() > kMostNames) {
        throw Failure{"\"**\" gives more than " + std::to_string(kMostNames) + " named arguments"};
    }
    for (const auto& [key, value] : more.dict().entries) {
        if (!key.is_text()) {
            throw Failure{"\"**\": names of arguments are text"};
        }
        const auto same = [&, &name = key](const auto& known) { return known.first == name.text(); };
        if (std::any_of(given.named.begin(), given.named.end(), same)) {
            throw Failure{"the argument \"" + key.text() + "\" is given twice"};
        }
        given.named.emplace_back(key.text(), value);
    }
}

}  // namespace cooper::build::jinja
