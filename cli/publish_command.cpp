#include "cooper/base/files.hpp"
#include "cooper/delivery/job_summary.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/publish.hpp"

#include "archive_flags.hpp"
#include "command.hpp"
#include "image_argument.hpp"
#include "lock_flag.hpp"
#include "publish_report.hpp"
#include "signing_flags.hpp"

#include <filesystem>

namespace cooper::cli {

namespace {

constexpr std::size_t kMaxNotes = 64 * 1024;  // as much as the changelog takes

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
        line.heading("Delivery");
        line.value("--to", "PLACE", "s3://BUCKET[/PREFIX] or dir:PATH; required", to_);
        line.value("--branch", "NAME", "default: GitHub Actions' branch, else git's", build_.branch);
        line.value("--commit", "SHA", "7 to 64 hex digits; default: GitHub Actions', else git's HEAD", build_.commit);
        line.value("--subject", "TEXT", "the commit's first line; default: from GitHub Actions, else git",
                   build_.subject);
        line.value("--notes", "TEXT", "default: the file .doc/BRANCH/CHANGELOG.md below the directory", build_.notes);
        line.value("--notes-file", "FILE", "the notes are in a file (at most 64 KiB)", notes_file_);
        line.value("--repository", "URL", "https://github.com/OWNER/NAME; default: as above", build_.repository);
        line.parsed("--expires", "TIME", "life of the links: 90m, 12h (default), 7d at most", options_.expires,
                    parse_duration);
        line.value("--directory", "DIR", "where git and the notes are looked for; default: here", directory_);
        line.value("--lock", "FILE", "also write the lock here; for several images a directory", lock_);
        signing_.declare(line);
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
        if (to_.empty()) {
            throw UsageError("publish: where to?", "--to s3://BUCKET or --to dir:PATH");
        }
        std::vector<ImageArgument> arguments;
        for (const std::string& text : positionals) {
            arguments.push_back(ImageArgument::parse(text));
        }
        check_one_login(connection_, arguments);
        check_lock(arguments.size());
        read_notes();

        Session session(output, connection_);
        if (auto key = plan_ ? std::nullopt : signing_.load(session)) {
            options_.key = std::make_shared<const delivery::SigningKey>(std::move(*key));
        }
        const auto place = session.place(to_, "--to");
        const delivery::BuildInfo build = as_usage("publish", [&] {
            auto complete = delivery::complete_build_info(build_, directory_, session.environment(), session.run());
            delivery::branch_key(complete.branch);
            delivery::check_commit(complete.commit);
            return complete;
        });
        const auto images = open_all(session, arguments);
        options_.layers = archive_.layers;
        options_.format = archive_.format;
        options_.deep = archive_.deep;
        options_.connections = archive_.jobs;
        options_.reuse = !send_all_;
        options_.tool_version = COOPER_VERSION;
        if (plan_) {
            const auto planned = delivery::plan_publish(images, build, *place, options_, session.run());
            session.finish_progress();
            print_plan(planned, *place, output.json);
            return;
        }
        const auto published = delivery::publish(images, build, *place, options_, session.run());
        write_locks(published);
        delivery::write_job_summary(session.environment(), delivery::job_summary(published, build, place->name()));
        session.finish_progress();
        print_published(published, build, *place, session, output.json);
    }

private:
    void read_notes() {
        if (notes_file_.empty()) {
            return;
        }
        if (!build_.notes.empty()) {
            throw UsageError("--notes and --notes-file exclude each other");
        }
        build_.notes = read_file(notes_file_, kMaxNotes);
    }

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

    std::vector<delivery::PublishImage> open_all(Session& session, const std::vector<ImageArgument>& arguments) const {
        std::vector<delivery::PublishImage> images;
        for (const ImageArgument& argument : arguments) {
            OpenedImage opened = open_image(session, argument, archive_.platform);
            if (opened.names.empty()) {
                throw UsageError(argument.source + " has no NAME:TAG to be delivered under",
                                 argument.source + "=NAME:TAG");
            }
            const oci::Reference& name = opened.names[0];
            const oci::Store* store = session.places().store;
            images.push_back({.image = opened.image,
                              .name = name.base_name(),
                              .tag = *name.tag(),
                              .repo_tags = repo_tags(opened.names),
                              .source = argument.source,
                              .origin = lock_origin(argument.place, opened.image.manifest.raw.digest),
                              .makers = remembered_makers({opened.image}, store),
                              .at_hand = [local = !argument.in_registry(), store](const oci::Descriptor& blob) {
                                  return local || (store != nullptr && store->has(blob.digest));
                              }});
        }
        return images;
    }

    std::string to_;
    std::string notes_file_;
    std::string directory_ = ".";
    std::string lock_;
    SigningFlags signing_;
    bool plan_ = false;
    bool send_all_ = false;
    delivery::BuildInfo build_;
    delivery::PublishOptions options_;
    ArchiveFlags archive_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_publish_command() {
    return std::make_unique<PublishCommand>();
}

}  // namespace cooper::cli
