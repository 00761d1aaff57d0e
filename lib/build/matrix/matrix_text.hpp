// What names, values and templates of a matrix may be, and how templates are filled in.
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/build/matrix.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

// Each throws Error{InvalidInput} that quotes the text and says what is wrong.
void check_matrix_name(std::string_view name);
void check_matrix_axis_name(std::string_view name);  ///< not "include" or "exclude" either, which GitHub has itself
void check_matrix_value(std::string_view value);     ///< may be empty
void check_matrix_axis(const MatrixAxis& axis);      ///< values, at least one, none twice; or a file
void check_matrix_template(std::string_view text);

Error invalid_matrix(const std::string& message);  ///< InvalidInput
/// The text made printable, for messages.
std::string quoted_text(std::string_view text);
/// "runtime=cpu, python=3.10", for messages.
std::string describe(const MatrixMatch& match);
/// nullptr: it has no such name.
const std::string* find_value(const MatrixMatch& match, std::string_view name);

/// `text` with every {name} replaced by what `value_of` says; throws what it throws, and Error{InvalidInput} for braces
/// that are open, and for results longer than kMaxMatrixValue.
using MatrixValueOf = std::function<std::string_view(std::string_view name)>;
std::string fill_matrix_template(std::string_view text, const MatrixValueOf& value_of);

}  // namespace cooper::build
