#include "cooper/build/matrix.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/project.hpp"

#include "base/json.hpp"
#include "build/matrix/matrix_text.hpp"
#include "build/project/matrix_member.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <random>

namespace cooper::build {

namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

MatrixSpec spec_of(std::vector<MatrixAxis> axes) {
    MatrixSpec spec;
    spec.axes = std::move(axes);
    return spec;
}

/// "runtime=cpu, python=3.10" for each job.
std::vector<std::string> lines_of_jobs(const MatrixSpec& spec, bool small = false) {
    std::vector<std::string> lines;
    for (const MatrixJob& job : expand_matrix(spec, small)) {
        lines.push_back(describe(job));
    }
    return lines;
}

std::string why_not(const MatrixSpec& spec) {
    try {
        expand_matrix(spec, false);
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return std::string(error.what()) + " / " + error.advice();
    }
    return "nothing is wrong";
}

MatrixAxis numbered_axis(const std::string& name, std::size_t count) {
    MatrixAxis axis{name, {}};
    for (std::size_t i = 0; i < count; ++i) {
        axis.values.push_back(std::to_string(i));
    }
    return axis;
}

MatrixSpec opencrate(const std::filesystem::path& directory) {
    MatrixSpec spec = spec_of(
        {parse_matrix_axis("runtime=cpu,cuda", directory), parse_matrix_axis("python=@PYTHON_VERSIONS", directory)});
    spec.made = {parse_matrix_template("image=braindotai/opencrate-{runtime}-py{python}:{version}")};
    spec.values = {{"version", "v0.1.0-rc"}};
    return spec;
}

/// Every product of axes, built the slow way: from the last axis to the first.
std::vector<MatrixJob> products_by_recursion(const std::vector<MatrixAxis>& axes, std::size_t from = 0) {
    if (from == axes.size()) {
        return {{}};
    }
    std::vector<MatrixJob> all;
    for (const std::string& value : axes[from].values) {
        for (const MatrixJob& rest : products_by_recursion(axes, from + 1)) {
            MatrixJob job{{axes[from].name, value}};
            job.insert(job.end(), rest.begin(), rest.end());
            all.push_back(std::move(job));
        }
    }
    return all;
}

bool has_all(const MatrixJob& job, const MatrixMatch& match) {
    return std::all_of(match.begin(), match.end(),
                       [&](const auto& pair) { return std::find(job.begin(), job.end(), pair) != job.end(); });
}

}  // namespace

TEST_CASE("matrix: seven versions of Python on two runtimes are fourteen jobs", "[unit][build]") {
    const TempDirectory directory;
    write_file(directory.path() / "PYTHON_VERSIONS",
               "# supported by the library\r\n3.7\r\n3.8\n\n  3.9\t# the last with old wheels\n3.10\n3.11\n3.12\n3.13");
    const auto jobs = expand_matrix(opencrate(directory.path()), false);
    REQUIRE(jobs.size() == 14);
    CHECK(jobs[0] ==
          MatrixJob{{"runtime", "cpu"}, {"python", "3.7"}, {"image", "braindotai/opencrate-cpu-py3.7:v0.1.0-rc"}});
    CHECK(jobs[3] ==
          MatrixJob{{"runtime", "cpu"}, {"python", "3.10"}, {"image", "braindotai/opencrate-cpu-py3.10:v0.1.0-rc"}});
    CHECK(jobs[7].front().second == "cuda");
    const std::string text = matrix_to_json(jobs);
    CHECK_THAT(text, StartsWith(R"({"include":[{"runtime":"cpu","python":"3.7","image":"braindotai/)"));
    CHECK(text.find('\n') == std::string::npos);
    CHECK(json::parse(text, "matrix")["include"][3]["python"] == "3.10");
}

TEST_CASE("matrix: an axis is read strictly", "[unit][build]") {
    const auto axis = parse_matrix_axis(" python = 3.9, 3.10 ", ".");
    CHECK(axis == MatrixAxis{"python", {"3.9", "3.10"}});
    const TempDirectory directory;
    write_file(directory.path() / "empty", "# nothing\n\n");
    write_file(directory.path() / "twice", "3.7\n3.7\n");
    write_file(directory.path() / "sharp", "c#\n#c\nf #\n");
    write_file(directory.path() / "bad", "a\x1b[31m\n");
    CHECK(parse_matrix_axis("x=@sharp", directory.path()).values == std::vector<std::string>{"c#", "f"});
    const auto says = [&](std::string_view text) {
        try {
            parse_matrix_axis(text, directory.path());
        } catch (const Error& error) {
            return std::string(error.what());
        }
        return std::string("nothing is wrong");
    };
    CHECK_THAT(says("python"), Contains("is not NAME=VALUE"));
    CHECK_THAT(says("=3.7"), Contains("is not NAME=VALUE"));
    CHECK_THAT(says("python="), Contains("has an empty value"));
    CHECK_THAT(says("python=3.7,,3.8"), Contains("has an empty value"));
    CHECK_THAT(says("python=3.7,3.7"), Contains("\"3.7\" twice"));
    CHECK_THAT(says("3x=1"), Contains("is no name"));
    CHECK_THAT(says("a.b=1"), Contains("is no name"));
    CHECK_THAT(says("Include=1"), Contains("cannot be an axis"));
    CHECK_THAT(says("x=@empty"), Contains("holds no values"));
    CHECK_THAT(says("x=@twice"), Contains("\"3.7\" twice"));
    CHECK_THAT(says("x=@bad"), Contains("control character"));
    CHECK_THAT(says("x=@nowhere"), Contains("nowhere"));
    CHECK_THAT(says("x=a\xff"), Contains("not UTF-8"));
    CHECK_THROWS_AS(parse_matrix_match("a=1,a=2"), Error);
    CHECK_THROWS_AS(parse_matrix_match("a"), Error);
    CHECK(parse_matrix_match("a=1, b=") == MatrixMatch{{"a", "1"}, {"b", ""}});
}

TEST_CASE("matrix: include means what it means in a workflow", "[unit][build]") {
    // The example of GitHub's documentation.
    MatrixSpec spec = spec_of({{"fruit", {"apple", "pear"}}, {"animal", {"cat", "dog"}}});
    spec.include = {parse_matrix_match("color=green"), parse_matrix_match("color=pink,animal=cat"),
                    parse_matrix_match("fruit=apple,shape=circle"), parse_matrix_match("fruit=banana"),
                    parse_matrix_match("animal=cat,fruit=banana")};
    CHECK(lines_of_jobs(spec) == std::vector<std::string>{"fruit=apple, animal=cat, color=pink, shape=circle",
                                                          "fruit=apple, animal=dog, color=green, shape=circle",
                                                          "fruit=pear, animal=cat, color=pink",
                                                          "fruit=pear, animal=dog, color=green", "fruit=banana",
                                                          "fruit=banana, animal=cat"});
    MatrixSpec alone;
    alone.include = {parse_matrix_match("site=production"), parse_matrix_match("site=staging,zone=b")};
    CHECK(lines_of_jobs(alone) == std::vector<std::string>{"site=production", "site=staging, zone=b"});
}

TEST_CASE("matrix: exclude comes first, and include may bring a job back", "[unit][build]") {
    MatrixSpec spec = spec_of({{"runtime", {"cpu", "cuda"}}, {"python", {"3.7", "3.8"}}, {"os", {"a", "b"}}});
    spec.exclude = {parse_matrix_match("runtime=cuda,python=3.7"), parse_matrix_match("os=b")};
    spec.include = {parse_matrix_match("os=b,runtime=cpu,python=3.7")};
    CHECK(lines_of_jobs(spec) ==
          std::vector<std::string>{"runtime=cpu, python=3.7, os=a", "runtime=cpu, python=3.8, os=a",
                                   "runtime=cuda, python=3.8, os=a", "runtime=cpu, python=3.7, os=b"});
    spec.exclude = {parse_matrix_match("runtime=cuda"), parse_matrix_match("runtime=cpu")};
    spec.include.clear();
    CHECK_THAT(why_not(spec), Contains("makes no jobs"));
}

TEST_CASE("matrix: what agrees with nothing is a mistake, and the nearest is named", "[unit][build]") {
    MatrixSpec spec = spec_of({{"runtime", {"cpu", "cuda"}}, {"python", {"3.7", "3.8"}}});
    spec.exclude = {parse_matrix_match("runtme=cuda")};
    CHECK_THAT(why_not(spec), Contains("there is no \"runtme\"; did you mean \"runtime\"?"));
    spec.exclude = {parse_matrix_match("runtime=cudda")};
    CHECK_THAT(why_not(spec), Contains("no job has runtime \"cudda\"; did you mean \"cuda\"?"));
    spec.exclude = {parse_matrix_match("runtime=cuda"), parse_matrix_match("runtime=cuda,python=3.7")};
    CHECK(lines_of_jobs(spec).size() == 2);
    spec.exclude.clear();
    spec.small = {parse_matrix_match("python=3.9")};
    CHECK_THAT(why_not(spec), Contains("small python=3.9: no job has python"));
    spec.small = {parse_matrix_match("image=x")};
    CHECK_THAT(why_not(spec), Contains("there is no \"image\""));
    spec.include = {parse_matrix_match("runtime=cuda,image=x")};
    spec.small = {parse_matrix_match("image=x,runtime=cpu")};
    CHECK_THAT(why_not(spec), Contains("agrees with no job"));
}

TEST_CASE("matrix: names that GitHub would take for one are refused", "[unit][build]") {
    MatrixSpec spec = spec_of({{"os", {"a"}}, {"OS", {"b"}}});
    CHECK_THAT(why_not(spec), Contains("are one name for GitHub"));
    spec = spec_of({{"os", {"a"}}, {"os", {"b"}}});
    CHECK_THAT(why_not(spec), Contains("an axis twice"));
    spec = spec_of({{"os", {"a"}}});
    spec.include = {parse_matrix_match("Os=a,x=1")};
    CHECK_THAT(why_not(spec), Contains("are one name for GitHub"));
    spec.include.clear();
    spec.made = {{"os", "x"}};
    CHECK_THAT(why_not(spec), Contains("\"os\" is made, and there is one already"));
}

TEST_CASE("matrix: GitHub's limits are known before GitHub says no", "[unit][build]") {
    CHECK(expand_matrix(spec_of({numbered_axis("a", 16), numbered_axis("b", 16)}), false).size() == kMaxMatrixJobs);
    CHECK_THAT(why_not(spec_of({numbered_axis("a", 257)})), Contains("makes 257 jobs, and GitHub takes at most 256"));
    MatrixSpec spec = spec_of({numbered_axis("a", 257)});
    spec.small = {parse_matrix_match("a=0")};
    CHECK_THROWS_AS(expand_matrix(spec, true), Error);  // a pull request finds it, not the release
    spec.exclude = {parse_matrix_match("a=256")};
    CHECK(expand_matrix(spec, true).size() == 1);
    spec.include = {parse_matrix_match("a=x")};
    CHECK_THAT(why_not(spec), Contains("257 jobs"));
    CHECK_THAT(why_not(spec_of({numbered_axis("a", 4096), numbered_axis("b", 4096), numbered_axis("c", 4096)})),
               Contains("more than 4096 jobs"));
    MatrixSpec wide = spec_of({numbered_axis("a", 256)});
    wide.include = {{{"text", std::string(kMaxMatrixValue, 'x')}, {"more", std::string(kMaxMatrixValue, 'x')}}};
    const auto jobs = expand_matrix(wide, false);
    CHECK_THROWS_WITH(matrix_to_json(jobs), Contains("bytes as JSON, and GitHub takes 500000"));
    CHECK_THAT(why_not({}), Contains("has no axes"));
}

TEST_CASE("matrix: templates are filled from axes, includes, values and what was made before", "[unit][build]") {
    MatrixSpec spec = spec_of({{"python", {"3.9", "3.10"}}});
    spec.include = {parse_matrix_match("python=3.10,flavor=-slim"), parse_matrix_match("python=3.9,flavor=")};
    spec.values = {{"version", "v1.2.3"}};
    spec.made = {{"tag", "{version}-py{python}{flavor}"}, {"image", "acme/app:{tag}"}, {"braces", "{{{python}}}"}};
    const auto jobs = expand_matrix(spec, false);
    CHECK(describe(jobs[0]) == "python=3.9, flavor=, tag=v1.2.3-py3.9, image=acme/app:v1.2.3-py3.9, braces={3.9}");
    CHECK(describe(jobs[1]) ==
          "python=3.10, flavor=-slim, tag=v1.2.3-py3.10-slim, image=acme/app:v1.2.3-py3.10-slim, braces={3.10}");
    spec.include.pop_back();
    CHECK_THAT(why_not(spec), Contains("{flavor}: the job python=3.9 has no such value"));
    spec.made = {{"x", "{pyton}"}};
    CHECK_THAT(why_not(spec), Contains("did you mean \"python\"?"));
    spec.values.clear();
    spec.made = {{"x", "{version}"}};
    CHECK_THAT(why_not(spec), Contains("--version-file VERSION"));
    spec.made = {{"x", "{y}"}, {"y", "later"}};
    CHECK_THAT(why_not(spec), Contains("{y}: the job"));
    for (const auto* const broken : {"{", "}", "{python", "{}", "{a b}", "a}b", "{python}}"}) {
        INFO(broken);
        CHECK_THROWS_WITH(parse_matrix_template(std::string("x=") + broken), Contains("belongs to no {name}"));
    }
}

TEST_CASE("matrix: templates of templates do not grow without bound", "[unit][build]") {
    MatrixSpec spec = spec_of({{"a", {"xxxxxxxxxx"}}});
    std::string before = "a";
    for (int i = 0; i < 64; ++i) {
        const std::string name = "m" + std::to_string(i);
        const std::string once = "{" + before + "}";
        spec.made.emplace_back(name, once + once);
        before = name;
    }
    CHECK_THAT(why_not(spec), Contains("makes more than 1024 bytes"));
}

TEST_CASE("matrix: a made image is one that a registry takes, and each job has its own", "[unit][build]") {
    MatrixSpec spec = spec_of({{"name", {"App", "other"}}});
    spec.made = {{"image", "acme/{name}:1"}};
    CHECK_THAT(why_not(spec), Contains("template of image: job name=App: ") && Contains("lowercase"));
    spec.axes[0].values[0] = "app";
    CHECK(lines_of_jobs(spec).size() == 2);
    spec.made = {{"image", "acme/app@sha256:" + std::string(64, '0')}};
    CHECK_THAT(why_not(spec), Contains("has a digest"));
    spec.made = {{"tag", "a b"}};
    CHECK_THAT(why_not(spec), Contains("tag"));
    spec.made = {{"image", "acme/app:1"}};
    CHECK_THAT(why_not(spec),
               Contains("two jobs make the image acme/app:1: name=app, image=acme/app:1 and name=other"));
    spec.made = {{"image", "acme/app"}, {"tag", "{name}"}};
    CHECK(lines_of_jobs(spec).size() == 2);
    spec.made = {{"cache", "same-for-all"}};
    CHECK(lines_of_jobs(spec).size() == 2);
}

TEST_CASE("matrix: the small set is a part of the full one, in its order", "[unit][build]") {
    MatrixSpec spec = spec_of({{"runtime", {"cpu", "cuda"}}, {"python", {"3.7", "3.8", "3.9"}}});
    CHECK(expand_matrix(spec, true).size() == 6);
    spec.small = {parse_matrix_match("runtime=cuda,python=3.9"), parse_matrix_match("python=3.7")};
    CHECK(lines_of_jobs(spec, true) ==
          std::vector<std::string>{"runtime=cpu, python=3.7", "runtime=cuda, python=3.7", "runtime=cuda, python=3.9"});
    CHECK(expand_matrix(spec, false).size() == 6);
}

TEST_CASE("matrix: expansion agrees with a slower one, whatever the axes", "[unit][build]") {
    std::mt19937 random(7);
    const auto below = [&random](std::size_t limit) { return random() % limit; };
    for (int round = 0; round < 200; ++round) {
        MatrixSpec spec;
        const std::size_t axes = 1 + below(3);
        for (std::size_t i = 0; i < axes; ++i) {
            spec.axes.push_back(numbered_axis("axis" + std::to_string(i), 1 + below(4)));
        }
        const auto all = products_by_recursion(spec.axes);
        const MatrixJob& victim = all[below(all.size())];
        MatrixMatch rule(victim.begin(), victim.begin() + static_cast<std::ptrdiff_t>(1 + below(axes)));
        std::vector<MatrixJob> expected;
        std::copy_if(all.begin(), all.end(), std::back_inserter(expected),
                     [&](const MatrixJob& job) { return !has_all(job, rule); });
        spec.exclude = {rule};
        if (expected.empty()) {
            CHECK_THROWS_AS(expand_matrix(spec, false), Error);
            continue;
        }
        CHECK(expand_matrix(spec, false) == expected);
        // What was excluded and included again stands at the end, whole.
        spec.include = {victim};
        expected.push_back(victim);
        CHECK(expand_matrix(spec, false) == expected);
    }
}

TEST_CASE("matrix: its JSON says nothing to a runner that reads the log", "[unit][build]") {
    const std::vector<MatrixJob> jobs = {{{"a", "##[error]x ##[b"}, {"b", "\xc3\xa9 \" \\ ::set"}}};
    const std::string text = matrix_to_json(jobs);
    CHECK(text == R"({"include":[{"a":"##\u005berror]x ##\u005bb","b":"\u00e9 \" \\ ::set"}]})");
    CHECK(json::parse(text, "matrix")["include"][0]["a"] == "##[error]x ##[b");
}

TEST_CASE("matrix: flags stand above the project file", "[unit][build]") {
    MatrixSpec spec = spec_of({{"runtime", {"cpu"}}, {"python", {}, "PYTHON_VERSIONS"}});
    spec.include = {parse_matrix_match("a=1")};
    spec.exclude = {parse_matrix_match("runtime=cpu")};
    spec.made = {{"image", "a"}, {"tag", "b"}};
    MatrixSpec upper = spec_of({{"python", {"3.12"}}, {"os", {"x"}}});
    upper.exclude = {parse_matrix_match("os=x")};
    upper.made = {{"tag", "c"}};
    spec.overlay(upper);
    CHECK(spec.axes == std::vector<MatrixAxis>{{"runtime", {"cpu"}}, {"python", {"3.12"}}, {"os", {"x"}}});
    CHECK(spec.include.size() == 1);
    CHECK(spec.exclude == upper.exclude);
    CHECK(spec.made == MatrixJob{{"image", "a"}, {"tag", "c"}});
}

TEST_CASE("matrix: a project file has it, checked like its other keys", "[unit][build]") {
    const auto read = [](const std::string& matrix) {
        return parse_project("{\"images\": {\"a\": {}},\n \"matrix\": " + matrix + "}", "cooper.json").matrix;
    };
    const auto spec = read(R"({"axes": {"runtime": ["cpu", ""], "python": "@PYTHON_VERSIONS"},
        "include": [{"runtime": "cpu", "x": "1"}], "exclude": [{"runtime": "cpu", "python": "3.7"}],
        "make": {"image": "a/{runtime}"}, "small": [{"runtime": "cpu"}]})");
    REQUIRE(spec);
    CHECK(spec->axes == std::vector<MatrixAxis>{{"runtime", {"cpu", ""}}, {"python", {}, "PYTHON_VERSIONS"}});
    CHECK(spec->exclude.size() == 1);
    CHECK(spec->made == MatrixJob{{"image", "a/{runtime}"}});
    CHECK_FALSE(parse_project(R"({"images": {"a": {}}})", "x").matrix);
    CHECK(read(std::string(kMatrixExample)));
    const auto says = [&](const std::string& matrix) {
        try {
            read(matrix);
        } catch (const Error& error) {
            return std::string(error.what()) + " / " + error.advice();
        }
        return std::string("nothing is wrong");
    };
    CHECK_THAT(says(R"({"axis": {}})"),
               Contains("cooper.json:2: matrix: unknown key \"axis\"; did you mean \"axes\"?"));
    CHECK_THAT(says(R"({"axes": {"python": [3.10]}})"),
               Contains("matrix.axes.python[0]: expected a text, found a number / write it in quotes, \"3.10\""));
    CHECK_THAT(says(R"({"exclude": [{"python": 3}]})"), Contains("exclude[0].python: expected a text, found a number"));
    CHECK_THAT(says(R"({"axes": {"python": "PYTHON_VERSIONS"}})"),
               Contains("is neither a list of texts, or \"@FILE\""));
    CHECK_THAT(says(R"({"axes": {"python": "@../x"}})"), Contains("leaves the root"));
    CHECK_THAT(says(R"({"axes": {"python": []}})"), Contains("has 0 values"));
    CHECK_THAT(says(R"({"axes": {"a b": ["1"]}})"), Contains("is no name"));
    CHECK_THAT(says(R"({"axes": {"include": ["1"]}})"), Contains("cannot be an axis"));
    CHECK_THAT(says(R"({"make": {"image": "{"}})"), Contains("cooper.json:2: matrix.make.image: template"));
    CHECK_THAT(says(R"({"small": [{}]})"), Contains("matrix.small[0]: says nothing"));
    CHECK_THAT(says("[]"), Contains("matrix: expected an object"));
    const auto schema = json::parse(project_schema(), "schema");
    const auto& properties = schema["properties"]["matrix"]["properties"];
    CHECK(properties.size() == kMatrixKeys.size());
    for (const std::string_view key : kMatrixKeys) {
        CHECK(properties.contains(std::string(key)));
    }
}

}  // namespace cooper::build
