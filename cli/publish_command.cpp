#include "cooper/base/files.hpp"
#include "cooper/delivery/job_summary.hpp"
#include "cooper/delivery/publish.hpp"

#include "archive_flags.hpp"
#include "command.hpp"
#include "delivery_flags.hpp"
#include "github_output.hpp"
#include "image_argument.hpp"
#include "publish_report.hpp"
#include "signing_flags.hpp"

#include <filesystem>

namespace cooper::cli {

namespace {

class PublishCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "publish",
            .summary = "deliver images as tarballs, with a changelog entry and links",
            .usage = "IMAGE[=NAME:TAG]... --to PLACE [FLAGS]",
            .about =
                "Streams each image to PLACE/BRANCH/SHORT_SHA/NAME:TAG.tar, adds an entry to BRANCH/CHANGELOG.md and\n"
                "prints a presigned link per tarball. Nothing is visible before every digest agreed; the same again\n"
                "changes nothing; other bytes for the same commit are refused (exit code 10).\n"
                "IMAGE: a reference as docker writes it, or any place that cooper copy takes. =NAME:TAG: its name "
                "there.",
            .examples = {{"two images to customers, links for 12 hours",
                          "cooper publish ghcr.io/acme/app:main-abc1234 ghcr.io/acme/api:main-abc1234=api:latest \\\n"
                          "      --to s3://bucket --branch main --commit abc1234def --subject \"Fix login\""},
                         {"signed, so that customers can check where it is from",
                          "cooper publish app.tar=app:latest --to s3://bucket --sign-key cooper.key"},
                         {"what it would fetch, copy and send",
                          "cooper publish ghcr.io/acme/app:main-abc1234 --to s3://bucket --plan"},
                         {"to a directory, no server needed",
                          "cooper publish docker-archive:site.tar --to dir:out --branch main --commit abc1234"}}};
    }

    void declare(CommandLine& line) override {
        delivery_.declare(line, "s3://BUCKET[/PREFIX] or dir:PATH; required");
        line.value("--lock", "FILE", "also write the lock here; for several images a directory", lock_);
        signing_.declare(line);
        line.toggle("--github-output", "write tarballs, changelog and expires to $GITHUB_OUTPUT too", github_output_);
        line.toggle("--plan", "say what would be fetched, copied, sent and reused, and write nothing", plan_);
        line.toggle("--send-all", "do not let the store copy from the image's newest tarball there", send_all_);
        line.heading("Archive");
        archive_.declare(line);
        connection_.declare_places(line);
        connection_.declare_s3(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1000);
        if (delivery_.to.empty()) {
            throw UsageError("publish: where to?", "--to s3://BUCKET or --to dir:PATH");
        }
        std::vector<ImageArgument> arguments;
        for (const std::string& text : positionals) {
            arguments.push_back(ImageArgument::parse(text));
        }
        check_one_login(connection_, arguments);
        check_lock(arguments.size());
        delivery_.check();

        Session session(output, connection_);
        if (github_output_) {
            require_github_output(session.environment());
        }
        const auto key = plan_ ? nullptr : signing_.load_shared(session);
        const auto place = session.place(delivery_.to, "--to");
        const delivery::BuildInfo build = delivery_.complete("publish", session);
        std::vector<delivery::PublishImage> images;
        for (const ImageArgument& argument : arguments) {
            images.push_back(to_publish(argument, open_image(session, argument, archive_.platform), session));
        }
        delivery::PublishOptions options = publish_options(archive_, delivery_.expires);
        options.reuse = !send_all_;
        options.key = key;
        if (plan_) {
            const auto planned = delivery::plan_publish(images, build, *place, options, session.run());
            session.finish_progress();
            print_plan(planned, *place, output.json);
            return;
        }
        const auto published = delivery::publish(images, build, *place, options, session.run());
        write_locks(published);
        delivery::write_job_summary(session.environment(), delivery::job_summary(published, build, place->name()));
        if (github_output_) {
            write_github_output(session.environment(), published_outputs(published, *place));
        }
        session.finish_progress();
        print_published(published, build, *place, session, output.json);
    }

private:
    void check_lock(std::size_t images) const {
        if (images > 1 && !lock_.empty() && !std::filesystem::is_directory(lock_)) {
            throw UsageError("--lock: the locks of several images go into a directory, and " + lock_ + " is none");
        }
    }

    void write_locks(const delivery::Published& published) const {
        if (lock_.empty()) {
            return;
        }
        const bool directory = std::filesystem::is_directory(lock_);
        for (const auto& image : published.images) {
            const std::filesystem::path path(lock_);
            write_file(directory ? path / (image.file + ".lock.json") : path, image.lock);
        }
    }

    DeliveryFlags delivery_;
    std::string lock_;
    SigningFlags signing_;
    bool github_output_ = false;
    bool plan_ = false;
    bool send_all_ = false;
    ArchiveFlags archive_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_publish_command() {
    return std::make_unique<PublishCommand>();
}

}  // namespace cooper::cli
