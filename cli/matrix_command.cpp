#include "cooper/build/git_tags.hpp"
#include "cooper/build/matrix.hpp"
#include "cooper/build/project.hpp"

#include "command.hpp"
#include "github_output.hpp"
#include "session.hpp"
#include "trigger_flags.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace cooper::cli {

namespace {

constexpr std::string_view kVersion = "version";
constexpr const char* kVersionFile = "VERSION";

/// What `parse` makes of each text of a repeatable flag.
template <class Parse>
auto parsed_each(std::string_view flag, const std::vector<std::string>& texts, Parse parse) {
    std::vector<decltype(parse(std::string()))> all;
    for (const std::string& text : texts) {
        all.push_back(as_usage(flag, [&] { return parse(text); }));
    }
    return all;
}

/// The project file may be overruled by a flag, a flag by another one of its kind may not.
template <class Named>
void refuse_twice(std::string_view flag, const std::vector<Named>& all, std::string Named::*name) {
    for (auto one = all.begin(); one != all.end(); ++one) {
        if (std::any_of(all.begin(), one, [&](const Named& before) { return before.*name == (*one).*name; })) {
            throw UsageError(std::string(flag) + ": " + (*one).*name + " is given twice");
        }
    }
}

bool mentions_version(const build::MatrixSpec& spec) {
    return std::any_of(spec.made.begin(), spec.made.end(),
                       [](const auto& made) { return made.second.find("{version}") != std::string::npos; });
}

class MatrixCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "matrix",
            .summary = "the jobs of a workflow's matrix, with the names of their images",
            .usage = "[--axis NAME=A,B]... [FLAGS]",
            .about =
                "Multiplies axes, from flags or the key \"matrix\" of cooper.json, and prints the jobs as one line of\n"
                "JSON for strategy.matrix. Values stay texts (3.10 is not 3.1); include and exclude mean what they "
                "mean in\na workflow; templates make members: {NAME} is a value of the job, one of --set, or the "
                "version.\nSaved to a file, it is what cooper release --images @FILE reads.",
            .examples = {{"the define-matrix job",
                          "cooper matrix --axis runtime=cpu,cuda --axis python=@PYTHON_VERSIONS --github-output"},
                         {"with the names of the images",
                          "cooper matrix --axis python=3.9,3.10 --make 'image=acme/app-py{python}:{version}'"},
                         {"a small set for pull requests",
                          "cooper matrix --axis python=3.9,3.10 --small python=3.10 --event \"$GITHUB_EVENT_NAME\""}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Matrix");
        line.values("--axis", "NAME=A,B", "values to multiply; NAME=@FILE: one a line, # begins a comment; repeatable",
                    axes_);
        line.values("--include", "A=1,B=2", "added to jobs that agree on the axes, else a job of its own; repeatable",
                    include_);
        line.values("--exclude", "A=1,B=2", "leave out the jobs that have all of these; repeatable", exclude_);
        line.values("--make", "NAME=TEMPLATE", "a member by template: image=acme/app-{python}:{version}; repeatable",
                    made_);
        line.values("--small", "A=1,B=2", "of the small set: jobs that have all of these; repeatable", small_);
        line.toggle("--small-set", "only the small set, whatever the event", small_set_);
        trigger_.declare_event(line);
        line.heading("Templates");
        line.values("--set", "NAME=VALUE", "a value for templates; repeatable", values_);
        line.value("--version-file", "FILE", "where {version} stands; default: cooper.json's, or the file VERSION",
                   version_file_);
        line.heading("Where from and to");
        line.value("--project", "FILE", "the project file; default: cooper.json here or above, if there is one",
                   project_);
        line.toggle("--github-output", "write matrix and count to $GITHUB_OUTPUT too", github_output_);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 0, 0);
        Session session(output, connection_);
        const build::MatrixSpec given = from_flags();
        const bool small = small_set_ || is_small_event(session);
        const auto project = find_project();
        build::MatrixSpec spec = project && project->matrix ? *project->matrix : build::MatrixSpec();
        spec.overlay(given);
        build::read_matrix_files(spec, root_of(project));
        add_version(spec, project);
        const auto expand = [&] { return build::expand_matrix(spec, small); };
        const auto jobs = project && project->matrix ? expand() : as_usage("matrix", expand);
        const std::string matrix = build::matrix_to_json(jobs);
        session.note(std::to_string(jobs.size()) + (jobs.size() == 1 ? " job" : " jobs") +
                     (small ? ", the small set" : ""));
        session.finish_progress();
        if (github_output_) {
            write_github_output(session.environment(), {{"matrix", matrix}, {"count", std::to_string(jobs.size())}});
        }
        if (output.json) {
            print_json(Json::parse(matrix));
        } else {
            print(matrix + "\n");
        }
    }

private:
    [[nodiscard]] build::MatrixSpec from_flags() const {
        build::MatrixSpec spec;
        spec.axes = parsed_each("--axis", axes_, [](const auto& text) { return build::parse_matrix_axis(text, "."); });
        spec.include = parsed_each("--include", include_, build::parse_matrix_match);
        spec.exclude = parsed_each("--exclude", exclude_, build::parse_matrix_match);
        spec.made = parsed_each("--make", made_, build::parse_matrix_template);
        spec.small = parsed_each("--small", small_, build::parse_matrix_match);
        spec.values = parsed_each("--set", values_, build::parse_matrix_value);
        using Pair = std::pair<std::string, std::string>;
        refuse_twice("--axis", spec.axes, &build::MatrixAxis::name);
        refuse_twice("--make", spec.made, &Pair::first);
        refuse_twice("--set", spec.values, &Pair::first);
        return spec;
    }

    [[nodiscard]] bool is_small_event(const Session& session) const {
        return !trigger_.event.empty() &&
               build::row_of(trigger_.trigger(".", session.environment(), session.run())).small_matrix;
    }

    [[nodiscard]] std::optional<build::Project> find_project() const {
        const auto file = project_.empty() ? build::find_project(".") : std::optional<std::filesystem::path>(project_);
        return file ? std::optional(build::read_project(*file)) : std::nullopt;
    }

    static std::filesystem::path root_of(const std::optional<build::Project>& project) {
        return project && project->file.has_parent_path() ? project->file.parent_path() : ".";
    }

    /// Where nothing else is {version}.
    void add_version(build::MatrixSpec& spec, const std::optional<build::Project>& project) const {
        const auto add = [&](const std::string& version) { spec.values.emplace_back(kVersion, version); };
        if (!version_file_.empty()) {
            add(as_usage("--version-file", [&] { return build::read_version_file(version_file_); }));
            return;
        }
        const auto is_version = [](const auto& value) { return value.first == kVersion; };
        if (!mentions_version(spec) || std::any_of(spec.values.begin(), spec.values.end(), is_version)) {
            return;
        }
        const std::filesystem::path root = root_of(project);
        const build::ImageSettings settings = !project                      ? build::ImageSettings()
                                              : project->images.size() == 1 ? project->image("")
                                                                            : project->defaults;
        if (settings.version) {
            add(*settings.version);
        } else if (settings.version_file) {
            add(build::read_version_file(root / *settings.version_file));
        } else if (std::filesystem::exists(root / kVersionFile)) {
            add(build::read_version_file(root / kVersionFile));
        }
    }

    std::vector<std::string> axes_;
    std::vector<std::string> include_;
    std::vector<std::string> exclude_;
    std::vector<std::string> made_;
    std::vector<std::string> small_;
    bool small_set_ = false;
    TriggerFlags trigger_;
    std::vector<std::string> values_;
    std::string version_file_;
    std::string project_;
    bool github_output_ = false;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_matrix_command() {
    return std::make_unique<MatrixCommand>();
}

}  // namespace cooper::cli
