#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/publish.hpp"

#include "command.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

constexpr std::string_view kFile = "CHANGELOG.md";

class ChangelogCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "changelog",
                .summary = "show or rebuild a branch's changelog",
                .usage = "PLACE [--branch NAME] [FLAGS]",
                .about =
                    "Prints BRANCH/CHANGELOG.md; without --branch the branches that have one. PLACE is "
                    "s3://BUCKET[/PREFIX]\n"
                    "or dir:PATH, as for publish --to. --rebuild writes it anew from the entry that each publish left\n"
                    "beside it; text of others in it stays. PLACE/BRANCH/CHANGELOG.md in one word will do as well.",
                .examples = {{"which branches are there", "cooper changelog s3://bucket"},
                             {"one of them", "cooper changelog s3://bucket --branch main"},
                             {"after an accident", "cooper changelog s3://bucket --branch main --rebuild"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Changelog");
        line.value("--branch", "NAME", "whose changelog; default: list the branches", branch_);
        line.toggle("--rebuild", "write it anew from the per-build entries", rebuild_);
        connection_.declare_s3(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        const auto [place_text, prefix] = locate(positionals[0]);
        Session session(output, connection_);
        const auto place = session.place(place_text, "changelog");
        if (prefix.empty()) {
            list_branches(session, *place);
            return;
        }
        if (rebuild_) {
            const bool changed = delivery::rebuild_changelog(*place, prefix, session.run());
            session.note(changed ? "the changelog was rebuilt" : "the changelog was right already");
        }
        const std::string key = prefix + "/" + std::string(kFile);
        const auto document = place->find_text(key, session.run());
        if (!document) {
            throw Error(ErrorCode::NotFound, place->name() + " has no " + key)
                .advise("cooper changelog " + place_text + " lists the branches");
        }
        session.finish_progress();
        show(delivery::branch_of_key(prefix), document->text);
    }

private:
    /// The place and the branch's prefix in it; PLACE/BRANCH/CHANGELOG.md names both at once. No prefix: no branch was
    /// named.
    [[nodiscard]] std::pair<std::string, std::string> locate(const std::string& text) const {
        const std::string ending = "/" + std::string(kFile);
        if (!branch_.empty()) {
            return {text, as_usage("--branch", [&] { return delivery::branch_key(branch_); })};
        }
        if (text.ends_with(ending)) {
            const std::string folder = text.substr(0, text.size() - ending.size());
            // In a directory any folder will do as the place; in a bucket all below its name is the branch.
            const std::size_t slash = text.starts_with("s3://") ? folder.find('/', 5) : folder.rfind('/');
            if (slash != std::string::npos && slash + 1 < folder.size()) {
                return {folder.substr(0, slash), folder.substr(slash + 1)};
            }
        }
        if (rebuild_) {
            throw UsageError("changelog: --rebuild of which branch?", "--branch NAME");
        }
        return {text, ""};
    }

    void list_branches(Session& session, delivery::Place& place) const {
        std::vector<std::string> branches;
        const std::string ending = "/" + std::string(kFile);
        for (const std::string& key : place.list("", session.run())) {
            if (key.ends_with(ending)) {
                branches.push_back(delivery::branch_of_key(key.substr(0, key.size() - ending.size())));
            }
        }
        session.finish_progress();
        if (output.json) {
            print_json({{"branches", branches}});
            return;
        }
        std::string out;
        for (const std::string& branch : branches) {
            out += printable(branch) + "\n";
        }
        print(out);
    }

    void show(const std::string& branch, const std::string& document) const {
        if (!output.json) {
            print(document);
            return;
        }
        Json entries = Json::array();
        for (const auto& entry : delivery::parse_changelog(document)) {
            entries.push_back({{"time", format_rfc3339(entry.time)},
                               {"short_sha", entry.short_sha},
                               {"commit", entry.commit},
                               {"repository", entry.repository.empty() ? Json() : Json(entry.repository)},
                               {"images", entry.images},
                               {"status", entry.status.empty() ? Json() : Json(entry.status)}});
        }
        print_json({{"branch", branch}, {"entries", std::move(entries)}});
    }

    std::string branch_;
    bool rebuild_ = false;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_changelog_command() {
    return std::make_unique<ChangelogCommand>();
}

}  // namespace cooper::cli
