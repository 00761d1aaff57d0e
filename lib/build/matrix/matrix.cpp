#include "cooper/build/matrix.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/nearest.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/hash_tags.hpp"
#include "cooper/oci/reference.hpp"

#include "base/json.hpp"
#include "build/matrix/matrix_text.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxProducts = 4096;  // of which excludes may leave kMaxMatrixJobs

std::string suggestion(std::string_view given, const std::vector<std::string_view>& known) {
    const auto near = nearest(given, known);
    return near ? "; did you mean " + quoted_text(*near) + "?" : "";
}

bool agrees(const MatrixJob& job, const MatrixMatch& match) {
    return std::all_of(match.begin(), match.end(), [&](const auto& wanted) {
        const std::string* const value = find_value(job, wanted.first);
        return value != nullptr && *value == wanted.second;
    });
}

void set_value(MatrixJob& job, const std::string& name, const std::string& value) {
    const auto found = std::find_if(job.begin(), job.end(), [&](const auto& pair) { return pair.first == name; });
    if (found == job.end()) {
        job.emplace_back(name, value);
    } else {
        found->second = value;
    }
}

template <class Pairs>
void merge_by_name(Pairs& below, const Pairs& upper) {
    for (const auto& [name, value] : upper) {
        set_value(below, name, value);
    }
}

/// All names of a matrix. GitHub compares them without their case, so two that differ in nothing else are a mistake.
class MatrixNames {
public:
    explicit MatrixNames(const MatrixSpec& spec) {
        for (const MatrixAxis& axis : spec.axes) {
            check_matrix_axis_name(axis.name);
            add(axis.name, Kind::Axis);
        }
        for (const MatrixMatch& include : spec.include) {
            for (const auto& [name, value] : include) {
                check_matrix_name(name);
                check_matrix_value(value);
                if (!is_axis(name)) {
                    add(name, Kind::Included);
                }
            }
        }
        for (const auto& [name, text] : spec.made) {
            check_matrix_name(name);
            add(name, Kind::Made);
        }
    }

    [[nodiscard]] bool is_axis(std::string_view name) const {
        const auto found = kinds_.find(to_lower(name));
        return found != kinds_.end() && found->second.first == name && found->second.second == Kind::Axis;
    }

    [[nodiscard]] std::vector<std::string_view> of_axes() const { return listed(true); }
    [[nodiscard]] std::vector<std::string_view> all() const { return listed(false); }

private:
    enum class Kind { Axis, Included, Made };

    void add(const std::string& name, Kind kind) {
        const auto [entry, is_new] = kinds_.emplace(to_lower(name), std::pair(name, kind));
        const auto& [before, before_kind] = entry->second;
        if (before != name) {
            throw invalid_matrix(quoted_text(name) + " and " + quoted_text(before) +
                                 " are one name for GitHub, which does not look at upper and lower case");
        }
        if (!is_new && (kind != Kind::Included || before_kind != Kind::Included)) {
            throw invalid_matrix(quoted_text(name) +
                                 (kind == Kind::Axis ? " is an axis twice" : " is made, and there is one already"));
        }
    }

    [[nodiscard]] std::vector<std::string_view> listed(bool axes_alone) const {
        std::vector<std::string_view> names;
        for (const auto& [key, entry] : kinds_) {
            if (!axes_alone || entry.second == Kind::Axis) {
                names.push_back(entry.first);
            }
        }
        return names;
    }

    std::map<std::string, std::pair<std::string, Kind>> kinds_;
};

void check_rule_count(const char* what, const std::vector<MatrixMatch>& rules) {
    if (rules.size() > kMaxMatrixRules) {
        throw invalid_matrix(std::string(what) + " has " + std::to_string(rules.size()) + " entries, more than " +
                             std::to_string(kMaxMatrixRules));
    }
    if (std::any_of(rules.begin(), rules.end(), [](const MatrixMatch& rule) { return rule.empty(); })) {
        throw invalid_matrix(std::string(what) + " has an entry without a name");
    }
}

void check_counts(const MatrixSpec& spec) {
    if (spec.axes.empty() && spec.include.empty()) {
        throw invalid_matrix("the matrix has no axes")
            .advise("--axis NAME=VALUE,VALUE, or key \"matrix\" of cooper.json");
    }
    if (spec.axes.size() > kMaxMatrixAxes) {
        throw invalid_matrix("the matrix has " + std::to_string(spec.axes.size()) + " axes, more than " +
                             std::to_string(kMaxMatrixAxes));
    }
    check_rule_count("include", spec.include);
    check_rule_count("exclude", spec.exclude);
    check_rule_count("small", spec.small);
}

void check_job_count(std::size_t count) {
    if (count > kMaxMatrixJobs) {
        throw invalid_matrix("the matrix makes " + std::to_string(count) + " jobs, and GitHub takes at most " +
                             std::to_string(kMaxMatrixJobs))
            .advise("exclude some, or make two matrices of it");
    }
}

/// The first axis turns slowest.
std::vector<MatrixJob> multiply(const std::vector<MatrixAxis>& axes) {
    std::size_t count = axes.empty() ? 0 : 1;
    for (const MatrixAxis& axis : axes) {
        check_matrix_axis(axis);
        count *= axis.values.size();
        if (count > kMaxProducts) {
            throw invalid_matrix("the axes make more than " + std::to_string(kMaxProducts) +
                                 " jobs, and GitHub takes " + std::to_string(kMaxMatrixJobs));
        }
    }
    std::vector<MatrixJob> jobs(count);
    for (std::size_t i = 0; i < count; ++i) {
        std::size_t repeat = count;
        std::size_t rest = i;
        for (const MatrixAxis& axis : axes) {
            repeat /= axis.values.size();
            jobs[i].emplace_back(axis.name, axis.values[rest / repeat]);
            rest %= repeat;
        }
    }
    return jobs;
}

/// What is wrong with a rule that no job agrees with: a name that there is not, a value that no job has there.
[[noreturn]] void throw_unmatched(const char* what, const MatrixMatch& rule, const std::vector<MatrixJob>& jobs,
                                  const std::vector<std::string_view>& names) {
    const std::string entry = std::string(what) + " " + describe(rule);
    for (const auto& [name, value] : rule) {
        if (std::find(names.begin(), names.end(), name) == names.end()) {
            throw invalid_matrix(entry + ": there is no " + quoted_text(name) + suggestion(name, names));
        }
        std::set<std::string_view> values;
        for (const MatrixJob& job : jobs) {
            if (const std::string* const has = find_value(job, name)) {
                values.insert(*has);
            }
        }
        if (!values.contains(value)) {
            throw invalid_matrix(entry + ": no job has " + name + " " + quoted_text(value) +
                                 suggestion(value, {values.begin(), values.end()}));
        }
    }
    throw invalid_matrix(entry + " agrees with no job");
}

void exclude_jobs(std::vector<MatrixJob>& jobs, const std::vector<MatrixMatch>& rules, const MatrixNames& names) {
    std::vector<bool> gone(jobs.size(), false);
    for (const MatrixMatch& rule : rules) {
        bool matched = false;
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            if (agrees(jobs[i], rule)) {
                matched = true;
                gone[i] = true;
            }
        }
        if (!matched) {
            throw_unmatched("exclude", rule, jobs, names.of_axes());
        }
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (!gone[i]) {
            std::swap(jobs[kept++], jobs[i]);
        }
    }
    jobs.resize(kept);
}

/// Axes in their order, then the rest as it was given.
MatrixJob job_of(const MatrixMatch& include, const std::vector<MatrixAxis>& axes, const MatrixMatch& added) {
    MatrixJob job;
    for (const MatrixAxis& axis : axes) {
        if (const std::string* const value = find_value(include, axis.name)) {
            job.emplace_back(axis.name, *value);
        }
    }
    job.insert(job.end(), added.begin(), added.end());
    return job;
}

void include_jobs(std::vector<MatrixJob>& jobs, const MatrixSpec& spec, const MatrixNames& names) {
    const std::size_t products = jobs.size();
    for (const MatrixMatch& include : spec.include) {
        MatrixMatch on_axes;
        MatrixMatch added;
        for (const auto& pair : include) {
            (names.is_axis(pair.first) ? on_axes : added).push_back(pair);
        }
        bool matched = false;
        for (std::size_t i = 0; i < products; ++i) {
            if (agrees(jobs[i], on_axes)) {
                matched = true;
                merge_by_name(jobs[i], added);
            }
        }
        if (!matched) {
            jobs.push_back(job_of(include, spec.axes, added));
        }
    }
}

std::string_view value_for(std::string_view name, const MatrixJob& job, const MatrixSpec& spec,
                           const MatrixNames& names) {
    for (const MatrixMatch* const place : std::initializer_list<const MatrixMatch*>{&job, &spec.values}) {
        if (const std::string* const value = find_value(*place, name)) {
            return *value;
        }
    }
    auto known = names.all();
    for (const auto& [value_name, value] : spec.values) {
        known.push_back(value_name);
    }
    Error error = invalid_matrix("{" + oci::printable(name) + "}: the job " + describe(job) + " has no such value" +
                                 suggestion(name, known));
    if (name == "version") {
        error.advise("--version-file VERSION, or --set version=V");
    }
    throw error;
}

void check_made(const std::string& name, const std::string& value) {
    if (name == "tag") {
        check_tag(value, "tag");
    }
    if (name == "image" && oci::Reference::parse(value).digest()) {
        throw invalid_matrix(quoted_text(value) + " has a digest, and what is built has none yet");
    }
}

/// The image that a job makes; two spellings of one name are one.
std::string image_of(const MatrixJob& job) {
    const std::string* const tag = find_value(job, "tag");
    return oci::Reference::parse(*find_value(job, "image")).text() + " " + (tag == nullptr ? "" : *tag);
}

void make_names(std::vector<MatrixJob>& jobs, const MatrixSpec& spec, const MatrixNames& names) {
    for (const auto& [name, value] : spec.values) {
        check_matrix_name(name);
        check_matrix_value(value);
    }
    for (MatrixJob& job : jobs) {
        for (const auto& [name, text] : spec.made) {
            in_context("template of " + name, [&, &made_name = name, &made_text = text] {
                check_matrix_value(made_text);
                std::string value = fill_matrix_template(
                    made_text, [&](std::string_view wanted) { return value_for(wanted, job, spec, names); });
                in_context("job " + describe(job), [&] { check_made(made_name, value); });
                job.emplace_back(made_name, std::move(value));
            });
        }
    }
    if (find_value(spec.made, "image") == nullptr) {
        return;
    }
    std::map<std::string, std::size_t> seen;
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        const auto [before, is_new] = seen.emplace(image_of(jobs[i]), i);
        if (!is_new) {
            throw invalid_matrix("two jobs make the image " + oci::printable(*find_value(jobs[i], "image")) + ": " +
                                 describe(jobs[before->second]) + " and " + describe(jobs[i]))
                .advise("the template must name every axis in which they differ");
        }
    }
}

std::vector<MatrixJob> small_set(const std::vector<MatrixJob>& jobs, const std::vector<MatrixMatch>& rules,
                                 const MatrixNames& names) {
    for (const MatrixMatch& rule : rules) {
        if (std::none_of(jobs.begin(), jobs.end(), [&](const MatrixJob& job) { return agrees(job, rule); })) {
            throw_unmatched("small", rule, jobs, names.all());
        }
    }
    std::vector<MatrixJob> chosen;
    std::copy_if(jobs.begin(), jobs.end(), std::back_inserter(chosen), [&](const MatrixJob& job) {
        return rules.empty() ||
               std::any_of(rules.begin(), rules.end(), [&](const MatrixMatch& rule) { return agrees(job, rule); });
    });
    return chosen;
}

/// A runner obeys "##[…" wherever a log has it; to readers of JSON the text stays the same.
std::string without_log_commands(std::string_view json_text) {
    constexpr std::string_view kCommand = "##[";
    std::string text;
    std::size_t begin = 0;
    for (std::size_t at = json_text.find(kCommand); at != std::string_view::npos;
         at = json_text.find(kCommand, begin)) {
        text += json_text.substr(begin, at - begin);
        text += "##\\u005b";
        begin = at + kCommand.size();
    }
    return text += json_text.substr(begin);
}

}  // namespace

void MatrixSpec::overlay(const MatrixSpec& upper) {
    for (const MatrixAxis& axis : upper.axes) {
        const auto found =
            std::find_if(axes.begin(), axes.end(), [&](const auto& one) { return one.name == axis.name; });
        if (found == axes.end()) {
            axes.push_back(axis);
        } else {
            *found = axis;
        }
    }
    merge_by_name(made, upper.made);
    merge_by_name(values, upper.values);
    for (const auto list : {&MatrixSpec::include, &MatrixSpec::exclude, &MatrixSpec::small}) {
        if (!(upper.*list).empty()) {
            this->*list = upper.*list;
        }
    }
}

std::vector<MatrixJob> expand_matrix(const MatrixSpec& spec, bool small) {
    check_counts(spec);
    const MatrixNames names(spec);
    std::vector<MatrixJob> jobs = multiply(spec.axes);
    exclude_jobs(jobs, spec.exclude, names);
    check_job_count(jobs.size());
    include_jobs(jobs, spec, names);
    check_job_count(jobs.size());
    if (jobs.empty()) {
        throw invalid_matrix("the matrix makes no jobs: everything is excluded");
    }
    make_names(jobs, spec, names);
    const auto chosen = small_set(jobs, spec.small, names);
    return small ? chosen : jobs;
}

std::string matrix_to_json(const std::vector<MatrixJob>& jobs) {
    json::Value include = json::Value::array();
    for (const MatrixJob& job : jobs) {
        json::Value members = json::Value::object();
        for (const auto& [name, value] : job) {
            members[name] = value;
        }
        include.push_back(std::move(members));
    }
    const json::Value document = {{"include", std::move(include)}};
    std::string text = without_log_commands(document.dump(-1, ' ', true));
    if (text.size() > kMaxMatrixJson) {
        throw invalid_matrix("the matrix takes " + std::to_string(text.size()) + " bytes as JSON, and GitHub takes " +
                             std::to_string(kMaxMatrixJson))
            .advise("shorter values, or fewer of them");
    }
    return text;
}

}  // namespace cooper::build
