// How wide, how precise, in which base: what stands behind "%" and ":" in formats.
#pragma once

#include "build/template/value.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cooper::build::jinja {

struct FormatSpec {
    /// "[[fill]align][sign][#][0][width][,][.precision][kind]". Throws Failure.
    static FormatSpec parse(std::string_view text);

    bool plain = false;  ///< nothing was said
    std::string fill = " ";
    char align = 0;  ///< '<', '>', '^', '='
    char sign = '-';
    bool alternate = false;
    bool zeros = false;
    bool commas = false;
    std::size_t width = 0;
    std::optional<std::size_t> precision;
    char kind = 0;
};

/// Throws Failure for widths that nobody means.
void check_width(std::size_t width);
std::string format_text(std::string_view text, const FormatSpec& spec);
std::string format_integer(std::int64_t value, const FormatSpec& spec);
std::string format_float(double value, const FormatSpec& spec);
/// A number that is text already.
std::string format_number_text(std::string number, const FormatSpec& spec);
/// int(): towards zero. Throws Failure beyond 64 bits.
std::int64_t truncated(const Value& number);

}  // namespace cooper::build::jinja
