// A matrix of images: axes multiplied, names made by template, as the define-matrix job of a workflow needs it.
//
//     MatrixSpec spec;
//     spec.axes = {parse_matrix_axis("runtime=cpu,cuda", "."), parse_matrix_axis("python=@PYTHON_VERSIONS", ".")};
//     spec.made = {parse_matrix_template("image=acme/app-{runtime}-py{python}:{version}")};
//     spec.values = {{"version", "v1.2.3"}};
//     const std::string json = matrix_to_json(expand_matrix(spec, false));   // strategy: matrix: ${{ fromJSON(…) }}
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

/// GitHub's limit of jobs that one matrix makes.
inline constexpr std::size_t kMaxMatrixJobs = 256;
/// GitHub takes 1 MB of outputs from a job, counted in UTF-16; the matrix is ASCII, two bytes there for each of ours.
inline constexpr std::size_t kMaxMatrixJson = 500'000;
inline constexpr std::size_t kMaxMatrixAxes = 32;
inline constexpr std::size_t kMaxMatrixRules = 1000;  ///< of include, exclude and small, each
inline constexpr std::size_t kMaxMatrixName = 100;
inline constexpr std::size_t kMaxMatrixValue = 1024;

struct MatrixAxis {
    std::string name;                 ///< a letter or "_", then letters, digits, "_", "-" (GitHub's rule for ids)
    std::vector<std::string> values;  ///< texts: 3.10 stays 3.10
    std::string file = {};            ///< where the values stand that read_matrix_files() is to fill in; mostly empty
    bool operator==(const MatrixAxis&) const = default;
};
/// One job: names and values, axes in their order, then what include added, then made names.
using MatrixJob = std::vector<std::pair<std::string, std::string>>;
/// Values that a job must have (exclude), or has besides (include).
using MatrixMatch = std::vector<std::pair<std::string, std::string>>;

/// What cooper.json's "matrix" or flags say.
struct MatrixSpec {
    std::vector<MatrixAxis> axes;
    /// As GitHub: added to each product of axes whose axis values it agrees with, else a job of its own.
    std::vector<MatrixMatch> include;
    std::vector<MatrixMatch> exclude;  ///< every product of axes that has all these values, before include
    /// Members made by template: {"image", "acme/app-{runtime}-py{python}:{version}"}. {name} is an axis, an included
    /// value, one of `values`, or made by a template before this one; "{{" and "}}" are braces.
    std::vector<std::pair<std::string, std::string>> made;
    std::vector<MatrixMatch> small;  ///< for pull requests: only jobs that agree with one of these; empty: all
    std::vector<std::pair<std::string, std::string>> values;  ///< for templates: {"version", "v1.2.3"}

    /// What `upper` says counts, the rest stays: axes, made and values are merged by name, lists are replaced.
    void overlay(const MatrixSpec& upper);
    bool operator==(const MatrixSpec&) const = default;
};

/// "runtime=cpu,cuda", or "python=@FILE" (one value a line; "#" at a line's begin or behind a blank begins a comment,
/// blank lines do not count; relative to `directory`). Throws Error{InvalidInput}: no name, no value, a value twice, a
/// name that GitHub would not take; what reading the file throws.
MatrixAxis parse_matrix_axis(std::string_view text, const std::filesystem::path& directory);
/// "runtime=cuda,python=3.7"; a value may be empty. Throws Error{InvalidInput}.
MatrixMatch parse_matrix_match(std::string_view text);
/// "image=acme/app-{runtime}": a name, and a template that is one. Throws Error{InvalidInput}.
std::pair<std::string, std::string> parse_matrix_template(std::string_view text);
/// "version=v1.2.3", for templates. Throws Error{InvalidInput}.
std::pair<std::string, std::string> parse_matrix_value(std::string_view text);

/// Fills in the axes that name a file, relative to `directory`; errors as parse_matrix_axis().
void read_matrix_files(MatrixSpec& spec, const std::filesystem::path& directory);

/// Jobs in stable order: the first axis turns slowest, jobs that include made come last. `small`: the small set; the
/// full one is made and checked all the same, so that a pull request finds what a release would fall over. Throws
/// Error{InvalidInput}: more than kMaxMatrixJobs (with the count), none, an exclude or small that matches nothing, an
/// unknown name (with the nearest), names that differ only in case (GitHub takes them for one), a template with an
/// unknown {name}, a made "image" or "tag" that no registry takes, two jobs of one made image.
std::vector<MatrixJob> expand_matrix(const MatrixSpec& spec, bool small);

/// {"include":[{"runtime":"cpu","python":"3.10",…},…]} in one line, ASCII, every value a string. Throws
/// Error{InvalidInput} beyond kMaxMatrixJson.
std::string matrix_to_json(const std::vector<MatrixJob>& jobs);

}  // namespace cooper::build
