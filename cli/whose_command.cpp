#include "cooper/base/digest.hpp"
#include "cooper/base/file_digest.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/builds.hpp"
#include "cooper/delivery/keys.hpp"

#include "command.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace cooper::cli {

namespace {

constexpr std::size_t kMostFiles = 100;
constexpr std::string_view kShaPrefix = "sha256:";

/// One argument and what was found of it.
struct AskedFile {
    std::string given;
    std::string sha256;
    std::vector<delivery::Delivered> delivered;
};

class WhoseCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "whose",
            .summary = "find the build that a customer's file is from",
            .usage = "SHA256|FILE... --in PLACE [--branch NAME] [FLAGS]",
            .about =
                "Looks for the SHA-256 (64 hex digits, or that of FILE) in the SHA256SUMS of every build in PLACE,\n"
                "which is s3://BUCKET[/PREFIX] or dir:PATH, as for publish --to. Says so when the build was\n"
                "withdrawn. Exit code 1: one of them was not delivered from there.",
            .examples = {{"what a customer read out", "cooper whose 9f86d081884c7d65... --in s3://bucket"},
                         {"what a customer sent back", "cooper whose app_1.2.tar --in s3://bucket --branch main"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Search");
        line.value("--in", "PLACE", "where it was delivered from; required", place_);
        line.value("--branch", "NAME", "only builds of this branch; default: all", branch_);
        connection_.declare_s3(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, kMostFiles);
        if (place_.empty()) {
            throw UsageError("whose: delivered from where?", "--in s3://BUCKET or --in dir:PATH");
        }
        if (!branch_.empty()) {
            as_usage("--branch", [&] { return delivery::branch_key(branch_); });
        }
        std::vector<AskedFile> asked;
        for (const std::string& given : positionals) {
            asked.push_back({given, digest_in(given), {}});
        }
        Session session(output, connection_);
        const auto place = session.place(place_, "--in");
        for (AskedFile& file : asked) {
            if (file.sha256.empty()) {
                file.sha256 = std::string(sha256_of_file(file.given, session.run()).hex());
            }
            file.delivered = delivery::whose(*place, branch_, file.sha256, session.run());
        }
        session.finish_progress();
        report(session, *place, asked);
    }

private:
    /// Empty: it is a file. Throws UsageError when it is neither.
    static std::string digest_in(const std::string& given) {
        const std::string hex = given.starts_with(kShaPrefix) ? given.substr(kShaPrefix.size()) : given;
        if (Digest::try_parse(std::string(kShaPrefix) + to_lower(hex))) {
            return to_lower(hex);
        }
        std::error_code ignored;
        if (!std::filesystem::is_regular_file(given, ignored)) {
            throw UsageError("whose: \"" + given + "\" is neither a file nor a SHA-256 (64 hex digits)",
                             "sha256sum FILE prints it");
        }
        return {};
    }

    void report(Session& session, const delivery::Place& place, const std::vector<AskedFile>& asked) {
        Json files = Json::array();
        std::string out;
        for (const AskedFile& file : asked) {
            exit_code = file.delivered.empty() ? kExitFailure : exit_code;
            files.push_back(document(file));
            out += (out.empty() ? "" : "\n") + text_of(place, file);
            for (const delivery::Delivered& one : file.delivered) {
                if (one.build.withdrawn) {
                    session.warn(file.given + " is from " + one.build.folder +
                                 ", which was WITHDRAWN: " + one.build.withdrawn->reason);
                }
            }
        }
        if (output.json) {
            print_json({{"place", place.name()}, {"found", exit_code == kExitDone}, {"files", std::move(files)}});
        } else {
            print(out);
        }
    }

    static Json document(const AskedFile& file) {
        Json delivered = Json::array();
        for (const delivery::Delivered& one : file.delivered) {
            const delivery::FoundBuild& build = one.build;
            Json withdrawn;
            if (build.withdrawn) {
                withdrawn = {{"time", format_rfc3339(build.withdrawn->time)}, {"reason", build.withdrawn->reason}};
            }
            delivered.push_back({{"branch", build.branch},
                                 {"folder", build.folder},
                                 {"commit", build.commit},
                                 {"repository", build.repository.empty() ? Json() : Json(build.repository)},
                                 {"time", build.time ? Json(format_rfc3339(*build.time)) : Json()},
                                 {"key", one.key},
                                 {"file", one.file},
                                 {"withdrawn", std::move(withdrawn)}});
        }
        return {{"given", file.given}, {"sha256", file.sha256}, {"delivered", std::move(delivered)}};
    }

    static std::string text_of(const delivery::Place& place, const AskedFile& file) {
        const std::string digest = file.given == file.sha256 ? "" : "  (sha256 " + file.sha256 + ")";
        std::string out = printable(file.given) + digest + "\n";
        if (file.delivered.empty()) {
            return out + "  was not delivered from " + place.name() + "\n";
        }
        for (const delivery::Delivered& one : file.delivered) {
            const delivery::FoundBuild& build = one.build;
            out += aligned({{"WITHDRAWN", build.withdrawn ? build.withdrawn->reason : ""},
                            {"branch", build.branch},
                            {"commit", build.commit},
                            {"repository", build.repository},
                            {"of", build.time ? format_changelog(*build.time) : ""},
                            {"version", build.release ? build.release->version : ""},
                            {"key", place.name() + "/" + one.key},
                            {"save as", one.file}},
                           "  ");
        }
        return out;
    }

    std::string place_;
    std::string branch_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_whose_command() {
    return std::make_unique<WhoseCommand>();
}

}  // namespace cooper::cli
