#include "cooper/build/context.hpp"
#include "cooper/build/lookups.hpp"
#include "cooper/build/runtime_image.hpp"
#include "cooper/build/tree.hpp"

#include "build_places.hpp"
#include "build_report.hpp"
#include "build_services.hpp"
#include "command.hpp"
#include "dockerfile_build.hpp"
#include "github_output.hpp"
#include "project_flags.hpp"
#include "runtime_api_flags.hpp"
#include "session.hpp"
#include "trigger_flags.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

class BuildCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "build",
            .summary = "build an image, or as little of it as is new",
            .usage = "[CONTEXT | --image NAME] [FLAGS]",
            .about =
                "With CONTEXT (a directory, a tar, -, a git reference): builds its Dockerfile as docker build does, "
                "without\nan engine, RUN included; the result is in the local store by its tags, and where --output "
                "says.\nWithout: names the image by its content (source, lock and versioned tag), looks the names up, "
                "and does\nthe least: nothing, source files on the lock image, dependencies on the versioned image, or "
                "everything\nfrom the base image. A template (Dockerfile.j2) is told which; a plain Dockerfile builds "
                "all or nothing.\nWhat an image is made of stands in cooper.json (cooper init), in the environment, or "
                "in flags.",
            .examples = {{"a Dockerfile", "cooper build -t app:1.2 --output docker-archive:app.tar ."},
                         {"what would be done, and why", "cooper build --image runtime --dry-run"},
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
        line.toggle("--pull", "ask registries for base images, also for those that the engine has", manner_.pull);
        line.toggle("--no-cache", "run every step again; images that exist count all the same without --force",
                    manner_.no_cache);
        dockerfile_.declare(line);
        line.heading("Build");
        trigger_.declare_event(line);
        trigger_.declare_rebuild(line);
        line.toggle("--dry-run", "only say what would be done", manner_.dry_run);
        line.toggle("--push", "push the names to their registries afterwards", manner_.push);
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
        expect_positionals(positionals, 0, 1);
        if (!positionals.empty()) {
            return build_context(positionals[0]);
        }
        const Environment environment = Environment::process();
        std::vector<std::string> remarks;
        build::ImageSettings settings =
            project_.resolve(environment, [&](std::string_view remark) { remarks.emplace_back(remark); });
        OwnBuilder own;
        if (settings.builder.value_or("cooper") == "cooper") {
            own.confine(connection_, dockerfile_, environment, manner_.dry_run);
            settings.builder = own.can_run() || settings.builder ? "cooper" : "engine";
        }
        Session session(output, connection_);
        for (const std::string& remark : remarks) {
            session.note(remark);
        }
        settings = build::completed(std::move(settings), session.run());
        api_.plain_http = connection_.insecure;
        if (const auto* const row = obey_trigger(settings.root, environment)) {
            if (manner_.cache_read_only && settings.builder == "remote") {
                throw UsageError(
                    "--event " + trigger_.event +
                        " leaves nothing for others to build on, and the Runtime API pushes what it builds",
                    "--builder engine");
            }
            session.note(std::string(to_string(row->trigger)) + ": " + std::string(row->why));
        }
        BuildPlaces places(session, settings, api_, manner_,
                           settings.builder == "cooper" ? own.make(session, own_options(environment)) : nullptr);
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
    [[nodiscard]] build::ImageBuildOptions own_options(const Environment& environment) const {
        build::ImageBuildOptions options = dockerfile_.options(environment);
        options.cache_read_only = options.cache_read_only || manner_.cache_read_only;
        return options;
    }

    void build_context(const std::string& context) {
        obey_trigger(".", Environment::process());
        ProjectFlags flags = project_;
        flags.build_args.clear();  // docker leaves out those that the environment has not
        flags.dockerfile.clear();  // and takes any path
        const build::ImageSettings given = flags.from_flags(Environment::process());
        const auto list = [](const std::optional<std::vector<std::string>>& values) {
            return values.value_or(std::vector<std::string>());
        };
        build_dockerfile({context, dockerfile_.file.empty() ? project_.dockerfile : dockerfile_.file, list(given.tags),
                          project_.build_args, list(given.targets), list(given.platforms), manner_, dockerfile_, output,
                          connection_});
    }

    /// What `cooper plan` prints for this event, as if it had been given by hand; nullptr: no event was given.
    const build::TriggerRow* obey_trigger(const std::filesystem::path& root, const Environment& environment) {
        if (trigger_.event.empty()) {
            if (trigger_.rebuild) {
                throw UsageError("--rebuild belongs to --event", "--force --pull --no-cache build everything anew");
            }
            return nullptr;
        }
        const build::TriggerRow& row = build::row_of(trigger_.trigger(root, environment, Run()));
        const build::CacheManner manner = build::cache_manner(row);
        const std::string event = "--event " + trigger_.event;
        if (manner.read_only && (manner_.push || dockerfile_.exports_cache())) {
            throw UsageError(std::string(manner_.push ? "--push: " : "--cache-to: ") + event +
                                 " leaves nothing for others to build on",
                             "cooper plan " + event + " says what it may do");
        }
        reuse_.force = reuse_.force || row.fresh;
        manner_.pull = manner_.pull || row.fresh;
        manner_.no_cache = manner_.no_cache || manner.no_cache;
        manner_.cache_read_only = manner.read_only;
        return &row;
    }

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
        if (manner_.dry_run) {
            return report;
        }
        if (report.decision.reuse.action == build::ReuseAction::Reuse) {
            report.name = report.decision.reuse.image;
            report.applied = places.give_names(report.decision, report.found_in);
        } else {
            report.name = build_image(image, report.decision, places.builder(), session.run());
            report.applied = report.decision.reuse.apply;
            report.built = true;
        }
        if (manner_.push) {
            places.push(report.decision, report.found_in);
            report.pushed = true;
        }
        return report;
    }

    [[nodiscard]] std::string build_image(const build::RuntimeImage& image, const build::BuildDecision& decision,
                                          build::Builder& builder, const Run& run) const {
        build::BuildRequest request = image.request(decision, builder.abilities(), run);
        request.pull = manner_.pull;
        request.no_cache = manner_.no_cache;
        return builder.build(request, run);
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
            print(build_text(reports, manner_.dry_run));
        }
    }

    build::ReuseOptions reuse_;
    BuildManner manner_;
    TriggerFlags trigger_;
    std::string context_;
    std::string record_;
    bool github_output_ = false;
    ProjectFlags project_;
    DockerfileFlags dockerfile_;
    RuntimeApiFlags api_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_build_command() {
    return std::make_unique<BuildCommand>();
}

}  // namespace cooper::cli
