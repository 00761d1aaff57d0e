#include "cooper/base/files.hpp"
#include "cooper/delivery/job_summary.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/publish.hpp"

#include "archive_flags.hpp"
#include "command.hpp"
#include "image_argument.hpp"

#include <nlohmann/json.hpp>

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
        read_notes();

        Session session(output, connection_);
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
        const auto published = delivery::publish(images, build, *place, options_, session.run());
        delivery::write_job_summary(session.environment(), delivery::job_summary(published, build, place->name()));
        session.finish_progress();
        report(session, build, *place, published);
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

    std::vector<delivery::PublishImage> open_all(Session& session, const std::vector<ImageArgument>& arguments) const {
        std::vector<delivery::PublishImage> images;
        for (const ImageArgument& argument : arguments) {
            OpenedImage opened = open_image(session, argument, archive_.platform);
            if (opened.names.empty()) {
                throw UsageError(argument.source + " has no NAME:TAG to be delivered under",
                                 argument.source + "=NAME:TAG");
            }
            const oci::Reference& name = opened.names[0];
            images.push_back({.image = std::move(opened.image),
                              .name = name.base_name(),
                              .tag = *name.tag(),
                              .repo_tags = repo_tags(opened.names),
                              .source = argument.source});
        }
        return images;
    }

    void report(Session& session, const delivery::BuildInfo& build, const delivery::Place& place,
                const delivery::Published& published) const {
        for (const auto& image : published.images) {
            if (!image.link.warning.empty()) {
                session.warn(image.name + ":" + image.tag + ": " + image.link.warning);
            }
        }
        if (output.json) {
            print_json(json_of(build, place, published));
            return;
        }
        std::string out;
        for (const auto& image : published.images) {
            out +=
                image.name + ":" + image.tag + (image.already_there ? "  (already there, unchanged)" : "") + "\n" +
                aligned({{"key", place.name() + "/" + image.key},
                         {"size", size_text(image.size)},
                         {"sha256", image.sha256},
                         {"image ID", image.image_id},
                         {"checked", image.diff_ids_checked ? "digests and diff IDs" : ""},
                         {"save as", image.file},
                         {"link", image.link.url},
                         {"expires", image.link.expires ? expiry_text(*image.link.expires, session.run()) : "never"}},
                        "  ");
        }
        out += "\nchangelog  " + place.name() + "/" + published.changelog_key +
               (published.changelog_changed ? "" : "  (unchanged)") + "\n";
        print(out);
    }

    static std::string expiry_text(TimePoint expires, const Run& run) {
        return format_changelog(expires) + " (in " + format_duration(expires - run.clock->now_seconds()) + ")";
    }

    static Json json_of(const delivery::BuildInfo& build, const delivery::Place& place,
                        const delivery::Published& published) {
        Json images = Json::array();
        for (const auto& image : published.images) {
            images.push_back({{"name", image.name},
                              {"tag", image.tag},
                              {"key", image.key},
                              {"file", image.file},
                              {"size", image.size},
                              {"sha256", image.sha256},
                              {"image_id", image.image_id},
                              {"already_there", image.already_there},
                              {"diff_ids_checked", image.diff_ids_checked},
                              {"url", image.link.url},
                              {"expires", image.link.expires ? Json(format_rfc3339(*image.link.expires)) : Json()},
                              {"warning", image.link.warning.empty() ? Json() : Json(image.link.warning)}});
        }
        return {{"place", place.name()},
                {"branch", build.branch},
                {"commit", build.commit},
                {"images", std::move(images)},
                {"changelog", {{"key", published.changelog_key}, {"changed", published.changelog_changed}}}};
    }

    std::string to_;
    std::string notes_file_;
    std::string directory_ = ".";
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
