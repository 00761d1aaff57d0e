// A matrix of images: axes multiplied, names made by template, as the define-matrix job of a workflow needs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

/// GitHub's limit of jobs that one matrix makes.
inline constexpr std::size_t kMaxMatrixJobs = 256;

struct MatrixAxis {
    std::string name;                 ///< a letter or "_", then letters, digits, "_", "-" (GitHub's rule for ids)
    std::vector<std::string> values;  ///< texts: 3.10 stays 3.10
    bool operator==(const MatrixAxis&) const = default;
};
/// One job: names and values, axes in their order, then what include added, then made names.
using MatrixJob = std::vector<std::pair<std::string, std::string>>;
/// Values that a job must have (exclude), or has besides (include).
using MatrixMatch = std::vector<std::pair<std::string, std::string>>;

/// What cooper.json's "matrix" or flags say.
struct MatrixSpec {
    std::vector<MatrixAxis> axes;
    std::vector<MatrixMatch> include;  ///< as GitHub: added to each job that it agrees with, else a job of its own
    std::vector<MatrixMatch> exclude;  ///< every job that has all these values
    /// Members made by template: {"image", "acme/app-{runtime}-py{python}:{version}"}. {name} is an axis, an included
    /// value, or one of `values`; "{{" is a brace.
    std::vector<std::pair<std::string, std::string>> made;
    std::vector<MatrixMatch> small;  ///< for pull requests: only jobs that agree with one of these; empty: all
    std::vector<std::pair<std::string, std::string>> values;  ///< for templates: {"version", "v1.2.3"}
};

/// "runtime=cpu,cuda", or "python=@FILE" (one value a line, "#" begins a comment, blank lines do not count; relative to
/// `directory`). Throws Error{InvalidInput}: no name, no value, a value twice, a name that GitHub would not take.
MatrixAxis parse_matrix_axis(std::string_view text, const std::filesystem::path& directory);
/// "runtime=cuda,python=3.7".
MatrixMatch parse_matrix_match(std::string_view text);

/// Jobs in stable order: the first axis turns slowest. `small`: the small set. Throws Error{InvalidInput}: more than
/// kMaxMatrixJobs (with the count), none, an exclude that matches nothing, two jobs of one made name, a template with
/// an unknown {name}.
std::vector<MatrixJob> expand_matrix(const MatrixSpec& spec, bool small);

/// {"include":[{"runtime":"cpu","python":"3.10",…},…]} in one line, every value a string.
std::string matrix_to_json(const std::vector<MatrixJob>& jobs);

}  // namespace cooper::build
