#include "cooper/base/text.hpp"
#include "cooper/delivery/authorize.hpp"

#include "command.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

class AuthorizeCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "authorize",
            .summary = "may whoever started this job publish?",
            .usage = "[--allow-file PATH] [FLAGS]",
            .about =
                "Compares numeric ids of people with a list that is read from the default branch, never from the work\n"
                "tree. In GitHub Actions the actor and who re-ran the job must both be on it; ids and list come from\n"
                "GitHub's API (GITHUB_TOKEN with contents: read and actions: read). Elsewhere the CI system says who\n"
                "asks, and git reads the list from the remote. Forks, pull requests, a list that is missing or wrong:\n"
                "exit code 7; no answer: 8. The list:\n"
                "  {\"publishers\": [{\"id\": 1001, \"name\": \"Ann\"}, {\"id\": 1002, \"name\": \"Bo\"}]}",
            .examples = {{"the first step of a job that publishes, with env GITHUB_TOKEN: ${{ github.token }}",
                          "cooper authorize --allow-file .cooper/publishers.json"},
                         {"in GitLab CI", "cooper authorize --actor \"$GITLAB_USER_ID\""}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Permission");
        line.value("--allow-file", "PATH", "the list in the repository; default: .cooper/publishers.json",
                   options_.allow_file);
        line.values("--actor", "ID", "who asks, where it is not GitHub; repeatable, all must be on the list", actors_);
        line.value("--remote", "NAME", "git's remote whose default branch has the list, or a URL; default: origin",
                   options_.remote);
        line.value("--directory", "DIR", "a work tree that knows the remote; default: here", directory_);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 0, 0);
        for (const std::string& actor : actors_) {
            const auto id = parse_uint(actor);
            if (!id || *id == 0) {
                throw UsageError("--actor: \"" + actor + "\" is no numeric id of a person");
            }
            options_.actors.push_back(*id);
        }
        options_.directory = directory_;
        Session session(output, connection_);
        const auto allowed = as_usage("authorize", [&] {
            return delivery::authorize(options_, session.http(), session.environment(), session.run());
        });
        session.finish_progress();
        show(allowed);
    }

private:
    void show(const delivery::Authorized& allowed) const {
        const delivery::Actors& actors = allowed.actors;
        if (output.json) {
            print_json({{"actor", {{"id", actors.actor}, {"login", actors.actor_login}}},
                        {"triggering_actor", {{"id", actors.triggering_actor}, {"login", actors.triggering_login}}},
                        {"repository", allowed.repository},
                        {"default_branch", allowed.default_branch},
                        {"list", allowed.origin}});
            return;
        }
        const auto person = [](std::uint64_t id, const std::string& login) {
            return login.empty() ? std::to_string(id) : login + " (" + std::to_string(id) + ")";
        };
        std::string ids;
        for (const std::uint64_t id : options_.actors) {
            ids += (ids.empty() ? "" : ", ") + std::to_string(id);
        }
        print(aligned({{"may publish", ids.empty() ? person(actors.actor, actors.actor_login) : ids},
                       {"started by", ids.empty() ? person(actors.triggering_actor, actors.triggering_login) : ""},
                       {"list", allowed.origin}}));
    }

    delivery::AuthorizeOptions options_;
    std::vector<std::string> actors_;
    std::string directory_ = ".";
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_authorize_command() {
    return std::make_unique<AuthorizeCommand>();
}

}  // namespace cooper::cli
