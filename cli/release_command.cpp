#include "cooper/build/trigger.hpp"
#include "cooper/delivery/job_summary.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/release.hpp"

#include "archive_flags.hpp"
#include "command.hpp"
#include "delivery_flags.hpp"
#include "gate_flags.hpp"
#include "github_output.hpp"
#include "image_argument.hpp"
#include "release_images.hpp"
#include "release_report.hpp"
#include "signing_flags.hpp"
#include "tags_flags.hpp"
#include "trigger_flags.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::cli {

namespace {

class ReleaseCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "release",
            .summary = "several images into a bucket and registries: all of them or none",
            .usage = "IMAGE[=NAME:TAG]... [--images @FILE] [--to PLACE] [--push PREFIX]... [FLAGS]",
            .about =
                "Stages everything without a name (open uploads, manifests by digest), asks the gates, and only then\n"
                "lets names appear: tarballs, tags, latest, release.json, and the changelog last. A gate that says no\n"
                "leaves nothing to see. A run that was cut is finished by running it again, or taken back by --undo.\n"
                "IMAGE as for cooper publish. --push PREFIX gives PREFIX/NAME:TAG in a registry.",
            .examples = {{"a matrix of images, tested before, to a bucket and a registry",
                          "cooper release --images @matrix.json --from docker-daemon: --to s3://bucket \\\n"
                          "      --push ghcr.io/acme --expect digests --version-file VERSION --latest auto"},
                         {"scanned: the very file that is uploaded",
                          "cooper release app.tar=app:1.2 --to s3://bucket \\\n"
                          "      --cmd 'trivy image --input {tar} --exit-code 1 --output {out}'"},
                         {"take back one that was cut",
                          "cooper release --undo --to s3://bucket --branch main --commit abc1234"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Images and destinations");
        line.value("--images", "@FILE", "more images: one a line, JSON, or what cooper matrix printed", images_file_);
        line.value("--from", "PREFIX", "in front of images of the file, like docker-daemon: or oci:out/", from_);
        line.values("--push", "PREFIX", "ghcr.io/acme: tag it PREFIX/NAME:TAG there; repeatable", prefixes_);
        line.toggle("--replace-tags", "tags may name other images now; default: refused (exit code 10)", replace_tags_);
        line.toggle("--github-output", "write tarballs, tags, release and changelog to $GITHUB_OUTPUT too",
                    github_output_);
        line.toggle("--plan", "say what would be sent and named, and write nothing", plan_);
        line.toggle("--undo", "take back the half-done release of this commit", undo_);
        line.heading("Version");
        line.value("--version", "V", "v1.2.3[-suffix]: what latest is decided by", version_);
        line.value("--version-file", "FILE", "a file with the version; must equal the tag that is checked out, if any",
                   version_file_);
        line.parsed("--latest", "WHEN", "auto (default: releases only, never backwards), always, never", latest_,
                    [this](std::string_view given) {
                        latest_given_ = true;
                        return parse_latest(given);
                    });
        line.toggle("--force-latest", "move it backwards all the same", force_latest_);
        trigger_.declare_event(line);
        trigger_.declare_rebuild(line);
        gates_.declare(line);
        delivery_.declare(line, "s3://BUCKET[/PREFIX] or dir:PATH");
        signing_.declare(line);
        line.heading("Archive");
        archive_.declare(line);
        connection_.declare_places(line);
        connection_.declare_s3(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        if (undo_) {
            expect_positionals(positionals, 0, 0);
            undo();
            return;
        }
        const std::vector<ImageArgument> arguments = parse_images(positionals);
        if (delivery_.to.empty() && prefixes_.empty()) {
            throw UsageError("release: where to?", "--to s3://BUCKET, --push REGISTRY/PREFIX, or both");
        }
        check_one_login(connection_, arguments);
        delivery_.check();
        delivery::ReleaseOptions options;
        options.gates = gates_.gates();
        options.logs = GateFlags::logs(output);
        const auto evidence = gates_.evidence();
        options.evidence = evidence ? &*evidence : nullptr;

        Session session(output, connection_);
        if (github_output_) {
            require_github_output(session.environment());
        }
        obey_plan(session);
        options.publish = publish_options(archive_, delivery_.expires);
        options.publish.key = plan_ ? nullptr : signing_.load_shared(session);
        options.push.sessions = session.places().upload_sessions;
        options.push.connections = archive_.jobs;
        options.spool = [&session] { return session.spool(); };
        options.environment = session.environment();
        options.replace_tags = replace_tags_;
        options.version = find_version(session);
        const auto place = delivery_.to.empty() ? nullptr : session.place(delivery_.to, "--to");
        const delivery::BuildInfo build =
            place ? delivery_.complete("release", session) : delivery::BuildInfo(delivery_.build);
        const auto images = open_all(session, arguments, options.version);
        oci::RegistryClient* registry = prefixes_.empty() ? nullptr : &session.registry();
        if (plan_) {
            const auto plan = delivery::plan_release(images, build, place.get(), registry, options, session.run());
            session.finish_progress();
            print_release_plan(plan, place.get(), output.json);
            return;
        }
        const auto released = delivery::release(images, build, place.get(), registry, options, session.run());
        delivery::write_job_summary(session.environment(),
                                    delivery::job_summary(released, build, place ? place->name() : ""));
        if (github_output_) {
            write_github_output(session.environment(), released_outputs(released, place.get()));
        }
        session.finish_progress();
        print_released(released, build, place.get(), session, output.json);
    }

private:
    [[nodiscard]] std::vector<ImageArgument> parse_images(const std::vector<std::string>& positionals) const {
        std::vector<std::string> texts = positionals;
        if (!images_file_.empty()) {
            for (const std::string& image : read_release_images(images_file_)) {
                texts.push_back(from_ + image);
            }
        }
        if (texts.empty()) {
            throw UsageError("release: which images?", "IMAGE[=NAME:TAG]..., or --images @FILE");
        }
        std::vector<ImageArgument> arguments;
        for (const std::string& text : texts) {
            arguments.push_back(ImageArgument::parse(text));
        }
        return arguments;
    }

    /// What `cooper plan` says for this trigger; flags that were given stand.
    void obey_plan(Session& session) {
        if (trigger_.event.empty()) {
            return;
        }
        const build::Trigger trigger = trigger_.trigger(delivery_.directory, session.environment(), session.run());
        const build::TriggerRow& row = build::row_of(trigger);
        if (!row.publish) {
            throw Error(ErrorCode::AccessDenied,
                        "nothing is released from a " + std::string(to_string(trigger)) + ": " + std::string(row.why))
                .advise("cooper plan --event " + trigger_.event + " shows what this trigger may do");
        }
        if (!row.latest && !latest_given_) {
            latest_ = build::Latest::Never;
        }
        const std::vector<std::string> flags = build::make_plan(trigger, {}, "").publish_flags;
        replace_tags_ |= std::find(flags.begin(), flags.end(), "--replace-tags") != flags.end();
    }

    [[nodiscard]] std::string find_version(Session& session) const {
        if (!version_.empty() && !version_file_.empty()) {
            throw UsageError("--version and --version-file exclude each other");
        }
        if (version_file_.empty()) {
            return version_;
        }
        std::string version = build::read_version_file(version_file_);
        const auto facts = build::find_git_facts(delivery_.directory, session.environment(), session.run());
        if (facts.ref.starts_with("refs/tags/")) {
            build::require_match(facts, version);
        }
        return version;
    }

    [[nodiscard]] std::vector<delivery::ReleaseImage> open_all(Session& session,
                                                               const std::vector<ImageArgument>& arguments,
                                                               const std::string& version) const {
        std::vector<delivery::ReleaseImage> images;
        for (const ImageArgument& argument : arguments) {
            OpenedImage opened = open_image(session, argument, archive_.platform);
            delivery::PublishImage image = to_publish(argument, opened, session);
            std::vector<delivery::ReleasePush> pushes;
            for (const std::string& prefix : prefixes_) {
                pushes.push_back(push_of(session, prefix, image, version));
            }
            images.push_back({.image = std::move(image),
                              .graph = oci::graph_of(opened.image),
                              .pushes = std::move(pushes),
                              .has_own_manifest = has_own_manifest(argument),
                              .mount_from = std::move(opened.repositories)});
        }
        return images;
    }

    [[nodiscard]] delivery::ReleasePush push_of(Session& session, const std::string& prefix,
                                                const delivery::PublishImage& image, const std::string& version) const {
        const oci::Reference repository =
            as_usage("--push " + prefix, [&] { return oci::Reference::parse(prefix + "/" + image.name); });
        delivery::ReleasePush push{repository, {image.tag}, {}};
        if (version.empty() || latest_ == build::Latest::Never) {
            if (latest_ == build::Latest::Always) {
                throw UsageError("--latest always: of which version?", "--version V or --version-file FILE");
            }
            return push;
        }
        const build::LatestDecision decision =
            build::decide_latest(latest_, version, image.tag, tags_of_repository(session, repository), force_latest_);
        session.note(repository.familiar() + ":" + (decision.tag.empty() ? "latest" : decision.tag) +
                     (decision.move ? " moves: " : " stays: ") + decision.reason);
        if (decision.move && decision.tag != image.tag) {
            push.moving_tags.push_back(decision.tag);
        }
        return push;
    }

    /// None where there is no such repository yet.
    static std::vector<std::string> tags_of_repository(Session& session, const oci::Reference& repository) {
        try {
            return session.registry().tags(repository, session.run());
        } catch (const Error& error) {
            if (error.code() != ErrorCode::NotFound) {
                throw;
            }
            return {};
        }
    }

    void undo() const {
        if (delivery_.to.empty()) {
            throw UsageError("release --undo: where is it?", "--to s3://BUCKET or --to dir:PATH");
        }
        Session session(output, connection_);
        const auto place = session.place(delivery_.to, "--to");
        const delivery::BuildInfo build = delivery_.complete("release", session);
        const std::size_t undone =
            delivery::undo_release(*place, build.branch, build.commit, &session.registry(), session.run());
        session.finish_progress();
        if (output.json) {
            print_json({{"undone", undone}});
        } else {
            print(undone == 0 ? "no release of this commit is half-done\n" : "the half-done release was taken back\n");
        }
    }

    std::string images_file_;
    std::string from_;
    std::vector<std::string> prefixes_;
    bool replace_tags_ = false;
    bool github_output_ = false;
    bool plan_ = false;
    bool undo_ = false;
    std::string version_;
    std::string version_file_;
    build::Latest latest_ = build::Latest::Auto;
    bool latest_given_ = false;
    bool force_latest_ = false;
    TriggerFlags trigger_;
    GateFlags gates_;
    DeliveryFlags delivery_;
    SigningFlags signing_;
    ArchiveFlags archive_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_release_command() {
    return std::make_unique<ReleaseCommand>();
}

}  // namespace cooper::cli
