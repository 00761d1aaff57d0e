// The key "matrix" of a project file.
#pragma once

#include "cooper/build/matrix.hpp"

#include "build/project/member_reader.hpp"

#include <array>
#include <string_view>

namespace cooper::build {

inline constexpr std::array<std::string_view, 5> kMatrixKeys = {"axes", "include", "exclude", "make", "small"};
inline constexpr std::string_view kMatrixExample =
    R"({"axes": {"runtime": ["cpu", "cuda"], "python": "@PYTHON_VERSIONS"}, )"
    R"("make": {"image": "acme/app-{runtime}-py{python}:{version}"}})";

/// Axes that name a file are not read yet. Throws Error{InvalidInput} that names the line.
MatrixSpec read_matrix_member(CommentedValue& value, const MemberReader& reader);

}  // namespace cooper::build
