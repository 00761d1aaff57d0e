// What counts as a blank, a letter and a digit in Dockerfiles: Go's unicode package decides (private).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cooper::build {

/// Blanks between the words of a line.
inline constexpr std::string_view kDockerfileBlanks = " \t\v\f\r\n";

/// unicode.IsSpace.
bool is_go_space(char32_t point);
/// How many bytes of `text` at `at` are a blank, also one beyond ASCII; 0: none.
std::size_t blank_at(std::string_view text, std::size_t at);
/// strings.TrimSpace, and its left half.
std::string_view trim_blanks(std::string_view text);
std::string_view trim_left_blanks(std::string_view text);

/// A letter or digit of a variable's name. Beyond ASCII by blocks: punctuation, symbols and marks end a name.
bool is_name_character(char32_t point);

/// `point` as UTF-8; what code_points() found to be no character becomes U+FFFD.
void append_code_point(std::string& text, char32_t point);

std::string to_upper(std::string_view text);  ///< ASCII only

}  // namespace cooper::build
