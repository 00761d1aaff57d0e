#include "build/template/characters.hpp"
#include "build/template/format.hpp"
#include "build/template/printing.hpp"
#include "build/template/running.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace cooper::build::jinja {

namespace {

[[noreturn]] void too_large() {
    throw Failure{"the result needs more than 64 bits"};
}

[[noreturn]] void by_zero() {
    throw Failure{"division by zero"};
}

std::int64_t integer_power(std::int64_t base, std::int64_t exponent) {
    std::int64_t result = 1;
    while (exponent > 0) {
        if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) {
            too_large();
        }
        exponent >>= 1;
        if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) {
            too_large();
        }
    }
    return result;
}

/// Rounds down, as Python does.
std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
    if (a == INT64_MIN && b == -1) {
        too_large();
    }
    return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

std::int64_t modulo(std::int64_t a, std::int64_t b) {
    if (b == -1) {
        return 0;
    }
    const std::int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Value integers(Operator op, std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    switch (op) {
        case Operator::Add:
            if (__builtin_add_overflow(a, b, &result)) {
                too_large();
            }
            return result;
        case Operator::Subtract:
            if (__builtin_sub_overflow(a, b, &result)) {
                too_large();
            }
            return result;
        case Operator::Multiply:
            if (__builtin_mul_overflow(a, b, &result)) {
                too_large();
            }
            return result;
        case Operator::Divide:
            return b == 0 ? (by_zero(), Value())
                          : Value(static_cast<double>(static_cast<long double>(a) / static_cast<long double>(b)));
        case Operator::FloorDivide:
            return b == 0 ? (by_zero(), Value()) : Value(floor_divide(a, b));
        case Operator::Modulo:
            return b == 0 ? (by_zero(), Value()) : Value(modulo(a, b));
        default:
            break;
    }
    if (b >= 0) {
        return integer_power(a, b);
    }
    if (a == 0) {
        by_zero();
    }
    return std::pow(static_cast<double>(a), static_cast<double>(b));
}

/// Python's float_divmod.
std::pair<double, double> divide(double a, double b) {
    double rest = std::fmod(a, b);
    double quotient = (a - rest) / b;
    if (rest != 0) {
        if ((b < 0) != (rest < 0)) {
            rest += b;
            quotient -= 1;
        }
    } else {
        rest = std::copysign(0.0, b);
    }
    if (quotient == 0) {
        return {std::copysign(0.0, a / b), rest};
    }
    const double down = std::floor(quotient);
    return {quotient - down > 0.5 ? down + 1 : down, rest};
}

double float_power(double a, double b) {
    if (a == 0 && b < 0) {
        by_zero();
    }
    if (a < 0 && std::isfinite(a) && std::isfinite(b) && b != std::floor(b)) {
        throw Failure{"a negative number to the power of a fraction is complex: there are no complex numbers here"};
    }
    const double result = std::pow(a, b);
    if (std::isinf(result) && std::isfinite(a) && std::isfinite(b)) {
        throw Failure{"the result is too large for a float"};
    }
    return result;
}

Value floats(Operator op, double a, double b) {
    const bool divides = op == Operator::Divide || op == Operator::FloorDivide || op == Operator::Modulo;
    if (divides && b == 0) {
        by_zero();
    }
    switch (op) {
        case Operator::Add:
            return a + b;
        case Operator::Subtract:
            return a - b;
        case Operator::Multiply:
            return a * b;
        case Operator::Divide:
            return a / b;
        case Operator::FloorDivide:
            return divide(a, b).first;
        case Operator::Modulo:
            return divide(a, b).second;
        default:
            return float_power(a, b);
    }
}

std::size_t repetitions(const Value& count) {
    return count.integer() < 0 ? 0 : static_cast<std::size_t>(count.integer());
}

Value repeated(Budget* budget, const Value& value, const Value& count) {
    const std::size_t times = repetitions(count);
    if (value.is_text()) {
        TextBuilder text(budget);
        text.fill(value.text().empty() ? 0 : times, value.text());
        return make_text(text, value.as<Text>().markup);
    }
    const std::vector<Value>& items = value.items();
    const std::size_t size = items.empty() ? 0 : times;
    budget->expect(size > kMaxMemory / sizeof(Value) ? kMaxMemory : size * items.size() * sizeof(Value));
    std::vector<Value> many;
    for (std::size_t i = 0; i < size; ++i) {
        many.insert(many.end(), items.begin(), items.end());
    }
    return value.is(Kind::List) ? make_list(budget, std::move(many)) : make_tuple(budget, std::move(many));
}

Value joined(Budget* budget, const Value& left, const Value& right) {
    if (left.is_text()) {
        const bool markup = left.as<Text>().markup || right.as<Text>().markup;
        TextBuilder text(budget);
        for (const Value* part : {&left, &right}) {
            if (markup && !part->as<Text>().markup) {
                append_escaped(text, part->text());
            } else {
                text += part->text();
            }
        }
        return make_text(text, markup);
    }
    budget->expect((left.items().size() + right.items().size()) * sizeof(Value));
    std::vector<Value> items = left.items();
    items.insert(items.end(), right.items().begin(), right.items().end());
    return left.is(Kind::List) ? make_list(budget, std::move(items)) : make_tuple(budget, std::move(items));
}

}  // namespace

std::string_view to_string(Operator op) {
    constexpr std::array<std::string_view, 15> kTexts = {
        "+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "in", "not in"};
    return kTexts.at(static_cast<std::size_t>(op));
}

Value Renderer::binary(Operator op, const Value& left, const Value& right) {
    for (const Value* value : {&left, &right}) {
        if (value->is(Kind::Undefined) && !(op == Operator::Modulo && left.is_text())) {
            throw Failure{value->as<Undefined>().message};
        }
    }
    if (left.is_integral() && right.is_integral()) {
        return integers(op, left.integer(), right.integer());
    }
    if (left.is_number() && right.is_number()) {
        return floats(op, left.real(), right.real());
    }
    const auto repeats = [](const Value& what, const Value& count) {
        return (what.is_text() || what.is_sequence()) && count.is_integral();
    };
    if (op == Operator::Multiply && repeats(left, right)) {
        return repeated(&budget_, left, right);
    }
    if (op == Operator::Multiply && repeats(right, left)) {
        return repeated(&budget_, right, left);
    }
    if (op == Operator::Add && left.kind() == right.kind() && (left.is_text() || left.is_sequence())) {
        return joined(&budget_, left, right);
    }
    if (op == Operator::Modulo && left.is_text()) {
        return format_percent(*this, left, right);
    }
    throw Failure{
        "\"" + std::string(to_string(op)) + "\" between " + std::string(type_name(left)) + " and " +
            std::string(type_name(right)) + " has no meaning",
        op == Operator::Add && (left.is_text() || right.is_text()) ? "\"~\" joins values of any types as text" : ""};
}

bool Renderer::equals(const Value& a, const Value& b) {
    require_defined(a);
    require_defined(b);
    budget_.step(std::min(a.weight(), b.weight()) / 16);
    return equal(a, b);
}

bool Renderer::compare(Operator op, const Value& left, const Value& right) {
    switch (op) {
        case Operator::Equal:
            return equals(left, right);
        case Operator::NotEqual:
            return !equals(left, right);
        case Operator::In:
            return contains(right, left);
        case Operator::NotIn:
            return !contains(right, left);
        default:
            break;
    }
    budget_.step(std::min(left.weight(), right.weight()) / 16);
    const std::string_view shown = to_string(op);
    switch (op) {
        case Operator::Less:
            return less(left, right, shown);
        case Operator::Greater:
            return less(right, left, shown);
        case Operator::LessEqual:
            return less(left, right, shown) || equal(left, right);
        default:
            return less(right, left, shown) || equal(left, right);
    }
}

bool Renderer::contains(const Value& in, const Value& value) {
    switch (in.kind()) {
        case Kind::Text:
            if (!value.is_text()) {
                throw Failure{"\"in\": a " + std::string(type_name(value)) + " cannot be in a text, expected a text"};
            }
            budget_.step(in.weight());
            return find_text(in.text(), value.text()) != std::string::npos;
        case Kind::Dict:
            budget_.step(value.weight() / 16);
            return in.dict().find(value) != nullptr;
        case Kind::Undefined:
            require_defined(in);
            return false;
        case Kind::List:
        case Kind::Tuple:
            budget_.step(in.weight() / 16);
            return std::any_of(in.items().begin(), in.items().end(),
                               [&](const Value& item) { return equals(item, value); });
        default:
            break;
    }
    const Next next = iterate(in);
    for (Value item; next(item);) {
        budget_.step();
        if (equals(item, value)) {
            return true;
        }
    }
    return false;
}

}  // namespace cooper::build::jinja
