#include "cooper/build/context.hpp"
#include "cooper/build/lookups.hpp"
#include "cooper/build/runtime_image.hpp"
#include "cooper/build/tree.hpp"

#include "build_places.hpp"
#include "build_report.hpp"
#include "command.hpp"
#include "github_output.hpp"
#include "project_flags.hpp"
#include "runtime_api_flags.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

class BuildCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "build",
            .summary = "build an image, or as little of it as is new",
            .usage = "[--image NAME] [FLAGS]",
            .about =
                "Names the image by its content (source, lock and versioned tag), looks the names up, and does the "
                "least:\nnothing, source files on the lock image, dependencies on the versioned image, or everything "
                "from the\nbase image. A template (Dockerfile.j2) is told which; a plain Dockerfile builds all or "
                "nothing. What an\nimage is made of stands in cooper.json (cooper init), in the environment, or in "
                "flags.",
            .examples = {{"what would be done, and why", "cooper build --image runtime --dry-run"},
                         {"without one",
                          "cooper build --base-image debian:12 --version 1.0.0 --template Dockerfile.j2 --source "
                          "src"},
                         {"at a Runtime API",
                          "cooper build --image runtime --builder remote --runtime-api-url "
                          "https://runtime.example"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Build");
        line.toggle("--force", "build everything from the base image, whatever exists", reuse_.force);
        line.toggle("--first-hit", "take any of the names that exists, as AgentServerBuildConfig does",
                    reuse_.first_hit);
        line.toggle("--dry-run", "only say what would be done", dry_run_);
        line.toggle("--push", "push the names to their registries afterwards", push_);
        line.value("--save-context", "FILE", "write the build context there (tar.gz), also with --dry-run", context_);
        line.value("--record", "FILE", "write what the tags were made of, for cooper tags --explain", record_);
        line.toggle("--github-output", "write image and names to $GITHUB_OUTPUT too", github_output_);
        project_.declare_project(line);
        project_.declare_recipe(line);
        project_.declare_content(line);
        project_.declare_names(line);
        project_.declare_builder(line);
        api_.declare(line);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 0, 0);
        Session session(output, connection_);
        const auto settings = build::completed(
            project_.resolve(session.environment(), [&](std::string_view remark) { session.note(remark); }),
            session.run());
        api_.plain_http = connection_.insecure;
        BuildPlaces places(session, settings, api_, push_, dry_run_);
        const auto wanted = build_variants(settings);
        if (wanted.size() > 1 && (!context_.empty() || !record_.empty())) {
            throw UsageError(
                "--save-context and --record are about one image, and " + std::to_string(wanted.size()) + " are built",
                "choose one with --target and --platform");
        }
        std::vector<BuildReport> reports;
        for (const BuildVariant& variant : wanted) {
            reports.push_back(build_one(session, places, settings, variant, wanted.size() > 1));
        }
        session.finish_progress();
        show(reports, session.environment());
    }

private:
    BuildReport build_one(Session& session, BuildPlaces& places, const build::ImageSettings& settings,
                          const BuildVariant& variant, bool several) {
        build::RuntimeImageInputs inputs = places.inputs(variant);
        inputs.cache_directory = build::default_tree_cache(session.environment());
        const auto image = build::RuntimeImage::from(settings, inputs, session.run());
        if (!record_.empty()) {
            write_file(record_, build::to_json(image.tags.record));
        }
        BuildReport report;
        report.decision = image.decide(reuse_, places.lookup(), session.run());
        report.found_in = places.found_in(report.decision);
        report.image = image;
        session.note((several ? title_of(report) + ": " : "") + std::string(to_string(report.decision.reuse.action)) +
                     ": " + report.decision.reason);
        if (!context_.empty()) {
            save_context(session, image, report.decision, places);
        }
        if (dry_run_) {
            return report;
        }
        if (report.decision.reuse.action == build::ReuseAction::Reuse) {
            report.name = report.decision.reuse.image;
            report.applied = places.give_names(report.decision, report.found_in);
        } else {
            report.name = image.build(report.decision, places.builder(), session.run());
            report.applied = report.decision.reuse.apply;
            report.built = true;
        }
        if (push_) {
            places.push(report.decision, report.found_in);
            report.pushed = true;
        }
        return report;
    }

    void save_context(Session& session, const build::RuntimeImage& image, const build::BuildDecision& decision,
                      const BuildPlaces& places) const {
        if (decision.reuse.action == build::ReuseAction::Reuse) {
            session.warn("--save-context: nothing is built, so there is no context (--force makes one)");
            return;
        }
        build::write_context(*image.request(decision, places.abilities(), session.run()).context, context_,
                             session.run());
    }

    void show(const std::vector<BuildReport>& reports, const Environment& environment) const {
        if (github_output_) {
            write_github_output(environment, build_outputs(reports));
        }
        if (output.json) {
            print_json(build_json(reports));
        } else {
            print(build_text(reports, dry_run_));
        }
    }

    build::ReuseOptions reuse_;
    bool dry_run_ = false;
    bool push_ = false;
    std::string context_;
    std::string record_;
    bool github_output_ = false;
    ProjectFlags project_;
    RuntimeApiFlags api_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_build_command() {
    return std::make_unique<BuildCommand>();
}

}  // namespace cooper::cli
