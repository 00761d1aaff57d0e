#include "build/template/format_spec.hpp"

#include "build/template/characters.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace cooper::build::jinja {

namespace {

constexpr std::size_t kWidest = 100'000;  // formats are for columns
constexpr std::size_t kMostDigits = 300;

std::string padded(const std::string& text, const FormatSpec& spec) {
    const std::size_t length = count_characters(text);
    const std::size_t missing = spec.width > length ? spec.width - length : 0;
    const std::size_t before = spec.align == '>' ? missing : spec.align == '^' ? missing / 2 : 0;
    std::string result;
    for (std::size_t i = 0; i < before; ++i) {
        result += spec.fill;
    }
    result += text;
    for (std::size_t i = before; i < missing; ++i) {
        result += spec.fill;
    }
    return result;
}

std::string digits_of(std::uint64_t value, int base) {
    std::array<char, 64> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, base).ptr;
    return {buffer.data(), end};
}

std::string with_commas(const std::string& number) {
    const std::size_t whole = std::min(number.find_first_of(".e"), number.size());
    std::string result = number.substr(0, whole);
    for (std::size_t at = whole; at > 3; at -= 3) {
        result.insert(at - 3, ",");
    }
    return result + number.substr(whole);
}

/// Sign, prefix and digits, with zeros between them when those are wanted.
std::string assembled(bool negative, std::string_view prefix, std::string digits, const FormatSpec& spec) {
    std::string head = negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
    head += prefix;
    if (spec.commas) {
        digits = with_commas(digits);
    }
    if (spec.zeros || spec.align == '=') {
        const std::string fill = spec.zeros ? "0" : spec.fill;
        std::string middle;
        while (count_characters(head) + count_characters(middle) + digits.size() < spec.width) {
            middle += fill;
        }
        return head + middle + digits;
    }
    return padded(head + digits, spec);
}

}  // namespace

void check_width(std::size_t width) {
    if (width > kWidest) {
        throw Failure{"a format is wider than " + std::to_string(kWidest)};
    }
}

FormatSpec FormatSpec::parse(std::string_view text) {
    constexpr std::string_view kAligns = "<>^=";
    FormatSpec spec;
    spec.plain = text.empty();
    const auto number = [&] {
        std::size_t value = 0;
        while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
            value = value * 10 + static_cast<std::size_t>(text.front() - '0');
            check_width(value);
            text.remove_prefix(1);
        }
        return value;
    };
    const auto skip = [&](std::string_view characters) {
        const bool found = !text.empty() && characters.find(text.front()) != std::string_view::npos;
        const char c = found ? text.front() : '\0';
        text.remove_prefix(found ? 1 : 0);
        return c;
    };
    const std::size_t first = offset_of(text, 1);
    if (first < text.size() && kAligns.find(text[first]) != std::string_view::npos) {
        spec.fill = text.substr(0, first);
        spec.align = text[first];
        text.remove_prefix(first + 1);
    } else {
        spec.align = skip(kAligns);
    }
    const char sign = skip("+- ");
    spec.sign = sign == '\0' ? '-' : sign;
    spec.alternate = skip("#") != '\0';
    const bool zeros = skip("0") != '\0';
    if (zeros && spec.align == 0) {
        spec.zeros = true;
    } else if (zeros) {
        spec.fill = spec.fill == " " ? "0" : spec.fill;
    }
    spec.width = number();
    spec.commas = skip(",") != '\0';
    if (skip(".") != '\0') {
        spec.precision = number();
    }
    spec.kind = skip("bcdeEfFgGnosxX%");
    if (!text.empty() || spec.kind == 'n' || spec.kind == 'c') {
        throw Failure{"format(): what stands behind \":\" is not supported"};
    }
    return spec;
}

std::string format_text(std::string_view text, const FormatSpec& spec) {
    if (spec.precision) {
        text = text.substr(0, offset_of(text, *spec.precision));
    }
    return padded(std::string(text), spec);
}

std::string format_integer(std::int64_t value, const FormatSpec& spec) {
    const bool negative = value < 0;
    const std::uint64_t size = negative ? -static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
    const char kind = spec.kind == 0 ? 'd' : spec.kind;
    const int base = kind == 'x' || kind == 'X' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    if (kind == 's' || (base == 10 && kind != 'd')) {
        throw Failure{std::string("a format: \"") + kind + "\" is not for numbers"};
    }
    std::string digits = digits_of(size, base);
    if (kind == 'X') {
        digits = upper(digits);
    }
    if (spec.precision && digits.size() < *spec.precision) {
        digits.insert(0, *spec.precision - digits.size(), '0');
    }
    const std::string prefix = spec.alternate && base != 10 ? std::string("0") + kind : "";
    return assembled(negative, prefix, std::move(digits), spec);
}

std::string format_float(double value, const FormatSpec& spec) {
    const std::size_t precision = spec.precision.value_or(6);
    if (precision > kMostDigits) {
        throw Failure{"a format asks for more than " + std::to_string(kMostDigits) + " digits"};
    }
    const char kind = spec.kind == '%' ? 'f' : spec.kind == 0 ? 'g' : spec.kind;
    if (kind == 'd' || kind == 'x' || kind == 'X' || kind == 'o' || kind == 'b' || kind == 's') {
        throw Failure{std::string("a format: \"") + kind + "\" is not for floats"};
    }
    const char format[] = {'%',
                           spec.alternate ? '#' : '.',
                           spec.alternate ? '.' : '*',
                           spec.alternate ? '*' : kind,
                           spec.alternate ? kind : '\0',
                           '\0'};
    std::array<char, 700> buffer{};
    const double size = std::abs(spec.kind == '%' ? value * 100 : value);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const int length = std::snprintf(buffer.data(), buffer.size(), format, static_cast<int>(precision), size);
#pragma GCC diagnostic pop
    std::string digits(buffer.data(), static_cast<std::size_t>(length));
    if (spec.kind == 0 && digits.find_first_of(".e") == std::string::npos && std::isfinite(value)) {
        digits += ".0";
    }
    return assembled(std::signbit(value) && !std::isnan(value), "", digits + (spec.kind == '%' ? "%" : ""), spec);
}

std::string format_number_text(std::string number, const FormatSpec& spec) {
    const bool negative = number.starts_with('-');
    return assembled(negative, "", number.substr(negative ? 1 : 0), spec);
}

std::int64_t truncated(const Value& number) {
    if (number.is_integral()) {
        return number.integer();
    }
    constexpr double kLimit = 9.2233720368547748e18;
    const double value = std::trunc(number.real());
    if (!(std::abs(value) <= kLimit)) {
        throw Failure{"a float is too large for an int of 64 bits"};
    }
    return static_cast<std::int64_t>(value);
}

}  // namespace cooper::build::jinja
