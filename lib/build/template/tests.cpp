#include "build/template/tests.hpp"

#include "build/template/arguments.hpp"
#include "build/template/characters.hpp"
#include "build/template/filters.hpp"
#include "build/template/nearest.hpp"
#include "build/template/renderer.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>

namespace cooper::build::jinja {

namespace {

/// The value alone: these tests take no arguments.
Value only(Arguments& given, std::string_view who) {
    return Bound(given, who, {"value"}, 1)[0];
}

std::pair<Value, Value> both(Arguments& given, std::string_view who) {
    const Bound bound(given, who, {"value", "other"}, 2);
    return {bound[0], bound[1]};
}

template <Kind kKind>
bool is_kind(Renderer&, Arguments& given) {
    return only(given, "the test").is(kKind);
}

template <Operator kOp>
bool compares(Renderer& renderer, Arguments& given) {
    const auto [value, other] = both(given, "the test");
    return renderer.compare(kOp, value, other);
}

bool remains(Renderer& renderer, const Value& value, const Value& divisor, std::int64_t rest) {
    return equal(renderer.binary(Operator::Modulo, value, divisor), rest);
}

bool odd(Renderer& renderer, Arguments& given) {
    const Value value = only(given, "odd");
    return remains(renderer, value, std::int64_t{2}, 1);
}

bool even(Renderer& renderer, Arguments& given) {
    const Value value = only(given, "even");
    return remains(renderer, value, std::int64_t{2}, 0);
}

bool divisible_by(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "divisibleby", {"value", "num"}, 2);
    return remains(renderer, bound[0], bound[1], 0);
}

bool defined(Renderer&, Arguments& given) {
    return !only(given, "defined").is(Kind::Undefined);
}

bool is_true(Renderer&, Arguments& given) {
    const Value value = only(given, "true");
    return value.is(Kind::Bool) && value.boolean();
}

bool is_false(Renderer&, Arguments& given) {
    const Value value = only(given, "false");
    return value.is(Kind::Bool) && !value.boolean();
}

bool number(Renderer&, Arguments& given) {
    return only(given, "number").is_number();
}

bool sequence(Renderer& renderer, Arguments& given) {
    const Value value = only(given, "sequence");
    return value.is(Kind::Undefined) ? !renderer.is_strict() || value.as<Undefined>().lenient
                                     : length_of(value).has_value() && !value.is(Kind::View);
}

bool iterable(Renderer& renderer, Arguments& given) {
    const Value value = only(given, "iterable");
    renderer.require_defined(value);
    return value.is(Kind::Generator) || value.is(Kind::Loop) || value.is(Kind::Undefined) ||
           length_of(value).has_value();
}

bool callable(Renderer&, Arguments& given) {
    const Value value = only(given, "callable");
    return value.is(Kind::Function) || value.is(Kind::Macro) || value.is(Kind::Loop) || value.is(Kind::Undefined);
}

/// Small values are the same when they are equal; others when they are one object.
bool same_as(Renderer&, Arguments& given) {
    const auto [value, other] = both(given, "sameas");
    if (value.kind() != other.kind()) {
        return false;
    }
    return value.object() ? value.object() == other.object() : equal(value, other);
}

bool escaped(Renderer&, Arguments& given) {
    const Value value = only(given, "escaped");
    return value.is_text() && value.as<Text>().markup;
}

bool has_case(Renderer& renderer, Arguments& given, bool (*wanted)(char32_t), bool (*other)(char32_t)) {
    const std::string text = renderer.printed(only(given, "the test"));
    bool any = false;
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = next_character(text, at);
        if (other(c)) {
            return false;
        }
        any = any || wanted(c);
    }
    return any;
}

bool lower_case(Renderer& renderer, Arguments& given) {
    return has_case(renderer, given, is_lower, is_upper);
}

bool upper_case(Renderer& renderer, Arguments& given) {
    return has_case(renderer, given, is_upper, is_lower);
}

bool is_filter(Renderer&, Arguments& given) {
    const Value value = only(given, "filter");
    return value.is_text() && find_filter(value.text()) != nullptr;
}

bool is_test(Renderer&, Arguments& given) {
    const Value value = only(given, "test");
    return value.is_text() && find_test(value.text()) != nullptr;
}

bool in(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "in", {"value", "seq"}, 2);
    return renderer.contains(bound[1], bound[0]);
}

constexpr TestEntry kTests[] = {{"!=", compares<Operator::NotEqual>},
                                {"<", compares<Operator::Less>},
                                {"<=", compares<Operator::LessEqual>},
                                {"==", compares<Operator::Equal>},
                                {">", compares<Operator::Greater>},
                                {">=", compares<Operator::GreaterEqual>},
                                {"boolean", is_kind<Kind::Bool>},
                                {"callable", callable},
                                {"defined", defined},
                                {"divisibleby", divisible_by},
                                {"eq", compares<Operator::Equal>},
                                {"equalto", compares<Operator::Equal>},
                                {"escaped", escaped},
                                {"even", even},
                                {"false", is_false},
                                {"filter", is_filter},
                                {"float", is_kind<Kind::Float>},
                                {"ge", compares<Operator::GreaterEqual>},
                                {"greaterthan", compares<Operator::Greater>},
                                {"gt", compares<Operator::Greater>},
                                {"in", in},
                                {"integer", is_kind<Kind::Int>},
                                {"iterable", iterable},
                                {"le", compares<Operator::LessEqual>},
                                {"lessthan", compares<Operator::Less>},
                                {"lower", lower_case},
                                {"lt", compares<Operator::Less>},
                                {"mapping", is_kind<Kind::Dict>},
                                {"ne", compares<Operator::NotEqual>},
                                {"none", is_kind<Kind::None>},
                                {"number", number},
                                {"odd", odd},
                                {"sameas", same_as},
                                {"sequence", sequence},
                                {"string", is_kind<Kind::Text>},
                                {"test", is_test},
                                {"true", is_true},
                                {"undefined", is_kind<Kind::Undefined>},
                                {"upper", upper_case}};

}  // namespace

const TestEntry* find_test(std::string_view name) {
    const auto* const found =
        std::lower_bound(std::begin(kTests), std::end(kTests), name,
                         [](const TestEntry& entry, std::string_view wanted) { return entry.name < wanted; });
    return found != std::end(kTests) && found->name == name ? found : nullptr;
}

Failure unknown_test(std::string_view name) {
    std::array<std::string_view, std::size(kTests)> names;
    std::transform(std::begin(kTests), std::end(kTests), names.begin(), [](const auto& entry) { return entry.name; });
    return {"no test is called \"" + oci::printable(name, 60) + "\"" + did_you_mean(name, names)};
}

}  // namespace cooper::build::jinja
