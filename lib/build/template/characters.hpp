// Text as Python sees it: a row of characters, held as UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cooper::build::jinja {

std::size_t count_characters(std::string_view text);
/// Where character `index` begins; the end of the text when it has no more than `index`.
std::size_t offset_of(std::string_view text, std::size_t index);
/// The character at `offset` of valid UTF-8, and where the next one begins.
char32_t next_character(std::string_view text, std::size_t& offset);
/// Where the character before `offset` begins, which is not 0.
std::size_t character_before(std::string_view text, std::size_t offset);
void append_character(std::string& text, char32_t character);

bool is_ascii(std::string_view text);
bool is_space(char32_t character);      ///< str.isspace
bool is_printable(char32_t character);  ///< what repr() shows as it is
/// Without the blanks of str.strip().
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);
/// str.upper(), str.lower().
std::string upper(std::string_view text);
std::string lower(std::string_view text);
/// Whether case means something to the character, and which it has.
bool is_upper(char32_t character);
bool is_lower(char32_t character);
/// The first character in upper case, all others in lower case.
std::string capitalized(std::string_view text);

/// The first `needle` at or after `from`; npos. Linear in both lengths, unlike std::string::find.
std::size_t find_text(std::string_view text, std::string_view needle, std::size_t from = 0);

}  // namespace cooper::build::jinja
