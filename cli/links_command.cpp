#include "cooper/base/files.hpp"
#include "cooper/delivery/builds.hpp"
#include "cooper/delivery/job_summary.hpp"
#include "cooper/delivery/keys.hpp"

#include "command.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

constexpr std::uint32_t kLinksMode = 0600;  // whoever reads a link has the file

class LinksRefreshCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "links refresh",
            .summary = "make new links to a build that was delivered before",
            .usage = "PLACE --branch NAME [--commit SHA] [FLAGS]",
            .about =
                "Prints a link for each tarball of a delivered build, and when it really ends: a link never\n"
                "outlives the credentials that signed it, nor 7 days. Every tarball is looked up first. Of a build\n"
                "that was withdrawn no links are made. In GitHub Actions they are on the job's page as well.\n"
                "PLACE is s3://BUCKET[/PREFIX] or dir:PATH, as for publish --to.",
            .examples = {{"of the newest build", "cooper links refresh s3://bucket --branch main"},
                         {"one image of an older one, for two days, as a file to send",
                          "cooper links refresh s3://bucket --branch main --commit abc1234 --image app \\\n"
                          "      --expires 2d --output LINKS.md"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Links");
        line.value("--branch", "NAME", "whose build; required", branch_);
        line.value("--commit", "SHA", "7 or more hex digits; default: the newest build that is not withdrawn", commit_);
        line.values("--image", "NAME[:TAG]", "only this image; may be repeated", images_);
        line.parsed("--expires", "TIME", "life of the links: 90m, 12h (default), 7d at most", expires_, parse_duration);
        line.value("--output", "FILE", "also write them as Markdown, readable to you alone", file_);
        line.toggle("--withdrawn-too", "also when the build was withdrawn", withdrawn_too_);
        connection_.declare_s3(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        if (branch_.empty()) {
            throw UsageError("links refresh: of which branch?", "--branch NAME");
        }
        as_usage("--branch", [&] { return delivery::branch_key(branch_); });
        if (!commit_.empty()) {
            as_usage("--commit", [&] { return delivery::check_commit(commit_); });
        }
        Session session(output, connection_);
        const auto place = session.place(positionals[0], "links refresh");
        const auto links =
            delivery::refresh_links(*place, branch_, commit_, images_, expires_, withdrawn_too_, session.run());
        const std::string summary = delivery::links_summary(links, place->name());
        delivery::write_job_summary(session.environment(), summary);
        if (!file_.empty()) {
            write_file(file_, summary, kLinksMode);
        }
        session.finish_progress();
        warn(session, links);
        if (output.json) {
            print_json(document(*place, links));
        } else {
            print(table(*place, links, session.run()));
        }
    }

private:
    static void warn(Session& session, const delivery::RefreshedLinks& links) {
        if (links.build.withdrawn) {
            session.warn(links.build.folder + " was WITHDRAWN: " + links.build.withdrawn->reason);
        }
        for (const auto& image : links.images) {
            if (!image.link.warning.empty()) {
                session.warn(image.name + ":" + image.tag + ": " + image.link.warning);
            }
        }
    }

    [[nodiscard]] static Json document(const delivery::Place& place, const delivery::RefreshedLinks& links) {
        const delivery::FoundBuild& build = links.build;
        Json images = Json::array();
        for (const auto& image : links.images) {
            images.push_back({{"name", image.name},
                              {"tag", image.tag},
                              {"key", image.key},
                              {"file", image.file},
                              {"size", image.size},
                              {"sha256", image.sha256.empty() ? Json() : Json(image.sha256)},
                              {"image_id", image.image_id.empty() ? Json() : Json(image.image_id)},
                              {"url", image.link.url},
                              {"expires", image.link.expires ? Json(format_rfc3339(*image.link.expires)) : Json()},
                              {"warning", image.link.warning.empty() ? Json() : Json(image.link.warning)}});
        }
        return {{"place", place.name()},
                {"branch", build.branch},
                {"folder", build.folder},
                {"commit", build.commit},
                {"withdrawn", build.withdrawn.has_value()},
                {"images", std::move(images)}};
    }

    [[nodiscard]] static std::string table(const delivery::Place& place, const delivery::RefreshedLinks& links,
                                           const Run& run) {
        const delivery::FoundBuild& build = links.build;
        std::string out = aligned({{"build", place.name() + "/" + build.folder},
                                   {"commit", build.commit},
                                   {"of", build.time ? format_changelog(*build.time) : ""}}) +
                          "\n";
        for (const auto& image : links.images) {
            const auto& ends = image.link.expires;
            const std::string life =
                ends ? format_changelog(*ends) + " (in " + format_duration(*ends - run.clock->now_seconds()) + ")"
                     : "never";
            out += image.name + ":" + image.tag + "\n" +
                   aligned({{"size", size_text(image.size)},
                            {"sha256", image.sha256},
                            {"image ID", image.image_id},
                            {"save as", image.file},
                            {"link", image.link.url},
                            {"expires", life}},
                           "  ");
        }
        return out;
    }

    std::string branch_;
    std::string commit_;
    std::vector<std::string> images_;
    std::chrono::seconds expires_{12 * 3600};
    std::string file_;
    bool withdrawn_too_ = false;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_links_refresh_command() {
    return std::make_unique<LinksRefreshCommand>();
}

}  // namespace cooper::cli
