// What a value has behind a dot, apart from the items of a dict.
#pragma once

#include "build/template/value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cooper::build::jinja {

/// Missing when there is no such attribute. Throws Failure for those of Python's that are not supported.
Value find_attribute(Renderer& renderer, const Value& of, const std::string& name);
Value find_text_method(Renderer& renderer, const Value& text, const std::string& name);

/// str.split() and str.rsplit(): at blanks, or at a separator that is not empty; `most` splits, all when negative.
std::vector<std::string_view> split_at_blanks(std::string_view text, std::int64_t most);
std::vector<std::string_view> split_at_blanks_backwards(std::string_view text, std::int64_t most);
std::vector<std::string_view> split_at(std::string_view text, std::string_view separator, std::int64_t most);
std::vector<std::string_view> split_at_backwards(std::string_view text, std::string_view separator, std::int64_t most);
/// str.splitlines(), without and with the line breaks.
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends = false);
/// str.replace(); all when `count` is negative.
void append_replaced(TextBuilder& to, std::string_view text, std::string_view from, std::string_view by,
                     std::int64_t count);
/// str.strip() and its halves; blanks when `characters` is null.
std::string_view stripped(std::string_view text, const std::string* characters, bool left, bool right);
/// str.center().
void append_centered(TextBuilder& to, const Text& text, std::int64_t width, std::string_view fill);

}  // namespace cooper::build::jinja
