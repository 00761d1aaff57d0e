#include "cooper/base/text.hpp"
#include "cooper/delivery/builds.hpp"
#include "cooper/delivery/keys.hpp"

#include "command.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

class WithdrawCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "withdraw",
                .summary = "mark a delivered build as one that must not be used",
                .usage = "PLACE --branch NAME --commit SHA --reason TEXT [FLAGS]",
                .about =
                    "Writes the reason into the build's entry in CHANGELOG.md, into its release.json and into a\n"
                    "WITHDRAWN.txt beside its tarballs, and labels these cooper-status=withdrawn where the place has\n"
                    "labels (S3 object tags). Nothing is removed. The build is not published, released or linked to\n"
                    "again. PLACE is s3://BUCKET[/PREFIX] or dir:PATH, as for publish --to.",
                .examples = {{"a build with a hole",
                              "cooper withdraw s3://bucket --branch main --commit abc1234 --reason \"CVE-2026-1\""}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Build");
        line.value("--branch", "NAME", "whose build; required", branch_);
        line.value("--commit", "SHA", "7 or more hex digits; required", commit_);
        line.value("--reason", "TEXT", "one line for those who read the changelog; required", reason_);
        connection_.declare_s3(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        check_flags();
        Session session(output, connection_);
        const auto place = session.place(positionals[0], "withdraw");
        const auto result = delivery::withdraw_build(*place, branch_, commit_, reason_, session.run());
        session.finish_progress();
        report(session, *place, result);
    }

private:
    void check_flags() const {
        if (branch_.empty() || commit_.empty()) {
            throw UsageError("withdraw: which build?", "--branch NAME --commit SHA");
        }
        if (trim(reason_).empty()) {
            throw UsageError("withdraw: for what reason?", "--reason TEXT");
        }
        as_usage("--branch", [&] { return delivery::branch_key(branch_); });
        as_usage("--commit", [&] { return delivery::check_commit(commit_); });
    }

    void report(Session& session, const delivery::Place& place, const delivery::WithdrawResult& result) const {
        const delivery::FoundBuild& build = result.build;
        if (output.json) {
            print_json(
                {{"place", place.name()},
                 {"branch", build.branch},
                 {"folder", build.folder},
                 {"commit", build.commit},
                 {"repository", build.repository.empty() ? Json() : Json(build.repository)},
                 {"withdrawn", {{"time", format_rfc3339(build.withdrawn->time)}, {"reason", build.withdrawn->reason}}},
                 {"changed", result.changed},
                 {"labelled", result.labelled},
                 {"labels_supported", result.labels_supported},
                 {"tarballs", build.tarballs}});
            return;
        }
        const std::string labels =
            result.labels_supported ? std::to_string(result.labelled) + " of " + std::to_string(build.tarballs.size()) +
                                          " tarballs: cooper-status=withdrawn"
                                    : "none: the store or this user cannot tag objects, so WITHDRAWN.txt says it alone";
        print(aligned({{"withdrawn", place.name() + "/" + build.folder + (result.changed ? "" : "  (was already)")},
                       {"commit", build.commit},
                       {"repository", build.repository},
                       {"reason", build.withdrawn->reason},
                       {"labels", labels}}));
        session.note(
            "Links that are out work until they end, or until the files are removed: tell those who have them.");
    }

    std::string branch_;
    std::string commit_;
    std::string reason_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_withdraw_command() {
    return std::make_unique<WithdrawCommand>();
}

}  // namespace cooper::cli
