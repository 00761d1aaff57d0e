#include "cooper/base/text.hpp"
#include "cooper/build/project.hpp"
#include "cooper/build/trigger.hpp"

#include "command.hpp"
#include "github_output.hpp"
#include "session.hpp"
#include "trigger_flags.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

std::string true_or_false(bool value) {
    return value ? "true" : "false";
}

class PlanCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "plan",
                .summary = "what a workflow's trigger means: which flags to build and publish with, and why",
                .usage = "[--event EVENT] [FLAGS]",
                .about =
                    "pull_request  built from the base images alone, keeps nothing for others, publishes nothing\n"
                    "tag           builds on what exists, keeps it when dependencies changed, publishes, moves latest\n"
                    "schedule      built anew with new base layers, kept, published under the same version\n"
                    "dispatch      as tag, without latest; with --rebuild true as schedule\n\n"
                    "cooper build --event obeys the same table, and the flags that are printed do the same by hand.\n"
                    "pull_request_target and workflow_run are refused: they run code of strangers with rights.",
                .examples = {{"in a workflow, with the event and its input from the environment",
                              "cooper plan --event \"$GITHUB_EVENT_NAME\" --rebuild \"$REBUILD\" --github-output"},
                             {"with the version, which must be the pushed tag, and the files of dependencies",
                              "cooper plan --event push --version-file VERSION --deps pyproject.toml,setup.cfg"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Plan");
        trigger_.declare_event(line);
        trigger_.declare_rebuild(line);
        trigger_.declare_ref(line);
        line.values("--deps", "LIST", "files or patterns that dependencies stand in; default: cooper.json's lock_files",
                    deps_);
        line.value("--version-file", "FILE", "a file with the version in its one line (v1.2.3-rc1)", version_file_);
        line.value("--directory", "DIR", "the checkout, which --deps are below of; default: here", directory_);
        line.toggle("--github-output", "write trigger, fresh, write_cache, publish, build_flags, … to $GITHUB_OUTPUT",
                    github_output_);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 0, 0);
        Session session(output, connection_);
        if (trigger_.event.empty()) {
            trigger_.event = session.environment().get("GITHUB_EVENT_NAME").value_or("");
        }
        if (trigger_.event.empty()) {
            throw UsageError("plan: which event?", "--event pull_request, tag, schedule, dispatch or rebuild");
        }
        const build::Trigger trigger = trigger_.trigger(directory_, session.environment(), session.run());
        const std::string version = version_for(trigger, session);
        const build::Plan plan = build::make_plan(trigger, deps_change(session), version);
        session.finish_progress();
        show(plan, session.environment());
    }

private:
    /// A tag must be that of the version, whatever pushed it.
    [[nodiscard]] std::string version_for(build::Trigger trigger, const Session& session) const {
        if (version_file_.empty()) {
            return "";
        }
        return as_usage("--version-file", [&] {
            std::string version = build::read_version_file(version_file_);
            if (trigger == build::Trigger::Tag) {
                build::require_match(trigger_.facts(directory_, session.environment(), session.run()), version);
            }
            return version;
        });
    }

    [[nodiscard]] build::DepsChange deps_change(const Session& session) const {
        std::vector<std::string> deps;
        for (const std::string& list : deps_) {
            for (const std::string_view one : split(list, ',')) {
                if (!trim(one).empty()) {
                    deps.emplace_back(trim(one));
                }
            }
        }
        std::filesystem::path directory = directory_;
        if (const auto project = deps.empty() ? build::find_project(directory) : std::nullopt) {
            directory = project->has_parent_path() ? project->parent_path() : ".";
            deps = lock_files(build::read_project(*project));
        }
        return as_usage("--deps",
                        [&] { return build::find_deps_change(directory, deps, session.environment(), session.run()); });
    }

    static std::vector<std::string> lock_files(const build::Project& project) {
        std::vector<std::string> files;
        for (const build::ImageSettings& image : project.images) {
            const auto more = project.image(image.name).lock_files.value_or(std::vector<std::string>());
            files.insert(files.end(), more.begin(), more.end());
        }
        return files;
    }

    void show(const build::Plan& plan, const Environment& environment) const {
        if (github_output_) {
            write_github_output(environment, {{"trigger", std::string(to_string(plan.row.trigger))},
                                              {"fresh", true_or_false(plan.row.fresh)},
                                              {"write_cache", true_or_false(plan.write_cache)},
                                              {"publish", true_or_false(plan.row.publish)},
                                              {"latest", true_or_false(plan.row.latest)},
                                              {"small_matrix", true_or_false(plan.row.small_matrix)},
                                              {"version", plan.version},
                                              {"deps_changed", true_or_false(plan.deps.changed)},
                                              {"build_flags", joined(plan.build_flags, " ")},
                                              {"publish_flags", joined(plan.publish_flags, " ")}});
        }
        if (output.json) {
            print_json(Json::parse(build::plan_to_json(plan)));
            return;
        }
        const auto command = [](const std::string& verb, const std::vector<std::string>& flags) {
            return "cooper " + verb + (flags.empty() ? "" : " ") + joined(flags, " ");
        };
        print(aligned({{"trigger", std::string(to_string(plan.row.trigger))},
                       {"version", plan.version},
                       {"build", command("build", plan.build_flags)},
                       {"publish", plan.row.publish ? command("release", plan.publish_flags) : "no"},
                       {"matrix", plan.row.small_matrix ? "small" : "full"}}) +
              "because\n  " + joined(plan.reasons, "\n  ") + "\n");
    }

    TriggerFlags trigger_;
    std::vector<std::string> deps_;
    std::string version_file_;
    std::string directory_ = ".";
    bool github_output_ = false;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_plan_command() {
    return std::make_unique<PlanCommand>();
}

}  // namespace cooper::cli
