#include "build/template/arguments.hpp"
#include "build/template/characters.hpp"
#include "build/template/filter_kinds.hpp"
#include "build/template/format_spec.hpp"
#include "build/template/methods.hpp"
#include "build/template/renderer.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace cooper::build::jinja::filters {

namespace {

/// The digits of a number as int() and float() take them: without blanks around and "_" between digits; nullopt for "_"
/// elsewhere.
std::optional<std::string> plain_number(std::string_view text) {
    text = strip_right(strip_left(text));
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto is_alnum = [&](std::size_t at) {
            return at < text.size() &&
                   ((text[at] >= '0' && text[at] <= '9') || ((text[at] | 0x20) >= 'a' && (text[at] | 0x20) <= 'z'));
        };
        if (text[i] != '_') {
            plain.push_back(text[i]);
        } else if (i == 0 || !is_alnum(i - 1) || !is_alnum(i + 1)) {
            return std::nullopt;
        }
    }
    return plain;
}

std::optional<double> parse_float(std::string_view text) {
    const auto plain = plain_number(text);
    if (!plain) {
        return std::nullopt;
    }
    std::string_view digits = *plain;
    const bool negative = digits.starts_with('-');
    digits.remove_prefix(negative || digits.starts_with('+') ? 1 : 0);
    if (digits.empty() || digits.front() == '-' || digits.front() == '+') {
        return std::nullopt;
    }
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (end != digits.data() + digits.size() || digits.find('(') != std::string_view::npos) {
        return std::nullopt;
    }
    if (error == std::errc::result_out_of_range) {
        value = std::strtod(std::string(digits).c_str(), nullptr);
    } else if (error != std::errc()) {
        return std::nullopt;
    }
    return negative ? -value : value;
}

/// int(text, base). nullopt where Python raises ValueError. Throws Failure beyond 64 bits.
std::optional<std::int64_t> parse_int(std::string_view text, std::int64_t base) {
    const auto plain = plain_number(text);
    if (!plain || base < 0 || base == 1 || base > 36) {
        return std::nullopt;
    }
    std::string digits = jinja::lower(*plain);
    const bool negative = digits.starts_with('-');
    if (negative || digits.starts_with('+')) {
        digits.erase(0, 1);
    }
    const char letter = digits.size() > 1 && digits[0] == '0' ? digits[1] : '\0';
    const std::int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named != 0 && (base == named || base == 0)) {
        digits.erase(0, 2);
        base = named;
    } else if (base == 0) {
        if (digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of('0') != std::string::npos) {
            return std::nullopt;
        }
        base = 10;
    }
    if (digits.empty() || digits.front() == '-' || digits.front() == '+') {
        return std::nullopt;
    }
    digits.insert(0, negative ? "-" : "");
    std::int64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, static_cast<int>(base));
    if (end != digits.data() + digits.size()) {
        return std::nullopt;
    }
    if (error == std::errc::result_out_of_range) {
        throw Failure{"the number " + digits.substr(0, 40) + " needs more than 64 bits"};
    }
    return error == std::errc() ? std::optional(value) : std::nullopt;
}

void check_defined(const Value& value) {
    if (value.is(Kind::Undefined)) {
        throw Failure{value.as<Undefined>().message};
    }
}

const Value& number_of(const Bound& bound, std::string_view who) {
    check_defined(bound[0]);
    if (!bound[0].is_number()) {
        throw Failure{std::string(who) + ": found a " + std::string(type_name(bound[0])) + ", expected a number"};
    }
    return bound[0];
}

/// round() of Python: to the nearest decimal of the exact value, half to even.
double rounded(double value, std::int64_t digits) {
    constexpr std::int64_t kAllDigits = 330;
    if (!std::isfinite(value) || digits > kAllDigits) {
        return value;
    }
    if (digits < -kAllDigits) {
        return std::copysign(0.0, value);
    }
    if (digits >= 0) {
        FormatSpec spec;
        spec.kind = 'f';
        spec.precision = static_cast<std::size_t>(std::min<std::int64_t>(digits, 300));
        const std::string text = format_float(value, spec);
        return std::strtod(text.c_str(), nullptr);
    }
    const double unit = std::pow(10.0, static_cast<double>(-digits));
    const double scaled = value / unit;
    return std::nearbyint(scaled) * unit;
}

/// Half to even. Throws Failure beyond 64 bits.
std::int64_t rounded(std::int64_t value, std::int64_t digits) {
    constexpr std::int64_t kMostDigits = 18;
    if (digits >= 0) {
        return value;
    }
    if (digits < -kMostDigits) {
        return 0;
    }
    std::int64_t unit = 1;
    for (std::int64_t i = 0; i < -digits; ++i) {
        unit *= 10;
    }
    const std::int64_t rest = (value % unit + unit) % unit;
    const std::int64_t down = value - rest;
    const bool up = rest > unit - rest || (rest == unit - rest && (down / unit) % 2 != 0);
    std::int64_t result = down;
    if (up && __builtin_add_overflow(down, unit, &result)) {
        throw Failure{"round: the result needs more than 64 bits"};
    }
    return result;
}

}  // namespace

Value absolute(Renderer&, Arguments& given) {
    const Bound bound(given, "abs", {"x"}, 1);
    const Value& value = number_of(bound, "abs");
    if (value.is(Kind::Float)) {
        return std::abs(value.real());
    }
    if (value.integer() == INT64_MIN) {
        throw Failure{"abs: the result needs more than 64 bits"};
    }
    return std::abs(value.integer());
}

Value attribute(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "attr", {"obj", "name"}, 2);
    check_defined(bound[0]);
    const std::string& name = bound.text(1);
    Value found = find_attribute(renderer, bound[0], name);
    return found.missing()
               ? renderer.undefined("a " + std::string(type_name(bound[0])) + " has no attribute \"" + name + "\"")
               : found;
}

Value default_to(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "default", {"value", "default_value", "boolean"}, 1);
    const bool boolean = bound.has(2) && renderer.truth(bound[2]);
    const bool replaced = bound[0].is(Kind::Undefined) || (boolean && !renderer.truth(bound[0]));
    return !replaced ? bound[0] : bound.has(1) ? bound[1] : renderer.text("");
}

Value filesizeformat(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "filesizeformat", {"value", "binary"}, 1);
    check_defined(bound[0]);
    const bool binary = bound.has(1) && renderer.truth(bound[1]);
    const auto parsed = bound[0].is_text()     ? parse_float(bound[0].text())
                        : bound[0].is_number() ? std::optional(bound[0].real())
                                               : std::nullopt;
    if (!parsed || !std::isfinite(*parsed)) {
        throw Failure{"filesizeformat: expected a number"};
    }
    const double bytes = *parsed;
    const double base = binary ? 1024 : 1000;
    if (bytes == 1) {
        return renderer.text("1 Byte");
    }
    if (bytes < base) {
        return renderer.text(std::to_string(truncated(bytes)) + " Bytes");
    }
    constexpr std::string_view kLetters = "KMGTPEZY";
    double unit = base * base;
    std::size_t index = 0;
    while (bytes >= unit && index + 1 < kLetters.size()) {
        unit *= base;
        ++index;
    }
    FormatSpec spec;
    spec.kind = 'f';
    spec.precision = 1;
    const char letter = !binary && index == 0 ? 'k' : kLetters[index];
    return renderer.text(format_float(base * bytes / unit, spec) + " " + letter + (binary ? "iB" : "B"));
}

Value to_float(Renderer&, Arguments& given) {
    const Bound bound(given, "float", {"value", "default"}, 1);
    check_defined(bound[0]);
    if (bound[0].is_number()) {
        return bound[0].real();
    }
    const auto parsed = bound[0].is_text() ? parse_float(bound[0].text()) : std::nullopt;
    return parsed ? Value(*parsed) : bound.get(1, 0.0);
}

Value to_int(Renderer&, Arguments& given) {
    const Bound bound(given, "int", {"value", "default", "base"}, 1);
    check_defined(bound[0]);
    const Value otherwise = bound.get(1, std::int64_t{0});
    if (bound[0].is_number()) {
        if (bound[0].is(Kind::Float) && std::isnan(bound[0].real())) {
            return otherwise;
        }
        return truncated(bound[0]);
    }
    if (!bound[0].is_text()) {
        return otherwise;
    }
    if (const auto integer = parse_int(bound[0].text(), bound.integer(2, 10))) {
        return *integer;
    }
    const auto real = parse_float(bound[0].text());
    return real && !std::isnan(*real) ? Value(truncated(*real)) : otherwise;
}

Value length(Renderer& renderer, Arguments& given) {
    const Bound bound(given, "length", {"value"}, 1);
    return static_cast<std::int64_t>(renderer.length(bound[0]));
}

Value round(Renderer&, Arguments& given) {
    const Bound bound(given, "round", {"value", "precision", "method"}, 1);
    const std::string method = bound.text(2, "common");
    if (method != "common" && method != "ceil" && method != "floor") {
        throw Failure{"round: \"method\" is common, ceil or floor"};
    }
    const Value& value = number_of(bound, "round");
    const std::int64_t precision = bound.integer(1);
    if (method == "common") {
        return value.is_integral() ? Value(rounded(value.integer(), precision))
                                   : Value(rounded(value.real(), precision));
    }
    const double unit = std::pow(10.0, static_cast<double>(precision));
    const double scaled = value.real() * unit;
    const double whole = (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) + 0.0;  // an int knows no -0
    if (!std::isfinite(whole) || unit == 0) {
        throw Failure{"round: the number is too large"};
    }
    return whole / unit;
}

}  // namespace cooper::build::jinja::filters
