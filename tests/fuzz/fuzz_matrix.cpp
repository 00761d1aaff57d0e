// A matrix from flags: axes, rules and templates of any text. Input: lines "KIND TEXT", as in
// "axis python=3.9,3.10", "make image=acme/app:{python}"; kinds axis, include, exclude, small, make, set.
#include "cooper/base/text.hpp"
#include "cooper/build/matrix.hpp"

#include "base/json.hpp"
#include "fuzz.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>

using namespace cooper;
using namespace cooper::build;

namespace {

void add_line(MatrixSpec& spec, std::string_view line) {
    const std::size_t blank = line.find(' ');
    const std::string_view kind = line.substr(0, blank);
    const std::string_view text = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
    if (kind == "axis" && text.find('@') == std::string_view::npos) {  // no files are read here
        spec.axes.push_back(parse_matrix_axis(text, "."));
    } else if (kind == "include") {
        spec.include.push_back(parse_matrix_match(text));
    } else if (kind == "exclude") {
        spec.exclude.push_back(parse_matrix_match(text));
    } else if (kind == "small") {
        spec.small.push_back(parse_matrix_match(text));
    } else if (kind == "make") {
        spec.made.push_back(parse_matrix_template(text));
    } else if (kind == "set") {
        spec.values.push_back(parse_matrix_value(text));
    }
}

void check_jobs(const MatrixSpec& spec) {
    const auto jobs = expand_matrix(spec, false);
    fuzz::check(!jobs.empty() && jobs.size() <= kMaxMatrixJobs, "as many jobs as GitHub takes");
    const auto small = expand_matrix(spec, true);
    auto at = jobs.begin();
    for (const MatrixJob& job : small) {
        at = std::find(at, jobs.end(), job);
        fuzz::check(at++ != jobs.end(), "the small set is a part of the full one, in its order");
    }
    const std::string text = matrix_to_json(jobs);
    fuzz::check(std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f; }),
                "JSON is one line of ASCII");
    fuzz::check(text.find("##[") == std::string::npos, "a runner that reads the log is told nothing");
    const auto document = json::parse(text, "matrix");
    fuzz::check(document["include"].size() == jobs.size(), "every job is there");
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        fuzz::check(document["include"][i].size() == jobs[i].size(), "every name is there once");
        for (const auto& [name, value] : jobs[i]) {
            fuzz::check(document["include"][i][name] == value, "values are what they were");
            fuzz::check(value.size() <= kMaxMatrixValue, "values are bounded");
        }
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::expect_only_errors([&] {
        MatrixSpec spec;
        for (const std::string_view line : split(fuzz::text_of(data, size), '\n')) {
            add_line(spec, line);
        }
        check_jobs(spec);
    });
    return 0;
}
