#include "cooper/delivery/place.hpp"


#include "command.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

class AbortOrphansCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "s3 abort-orphans",
            .summary = "remove the parts of uploads that never ended",
            .usage = "s3://BUCKET[/PREFIX] [FLAGS]",
            .about =
                "A machine that loses its power leaves a multipart upload behind: invisible, and paid for. This ends\n"
                "all uploads below PREFIX that were begun longer ago than --older-than. Uploads of others that are\n"
                "still running and as old are ended as well: choose the age accordingly.",
            .examples = {{"what would go", "cooper s3 abort-orphans s3://bucket --dry-run"},
                         {"of one branch, at once", "cooper s3 abort-orphans s3://bucket/main/ --older-than 0s"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Choice");
        line.parsed("--older-than", "TIME", "90m, 24h (default), 7d", older_than_, parse_duration);
        line.toggle("--dry-run", "list them, change nothing", dry_run_);
        connection_.declare_s3(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        const auto url = as_usage("s3 abort-orphans", [&] { return s3::S3Url::parse(positionals[0]); });
        Session session(output, connection_);
        s3::Bucket& bucket = session.bucket(url.bucket);
        const TimePoint newest = session.run().clock->now_seconds() - older_than_;
        std::vector<s3::PendingUpload> orphans;
        for (const auto& upload : bucket.pending_uploads(url.key, session.run())) {
            if (!upload.initiated || *upload.initiated > newest) {
                continue;  // of unknown age: it may be running
            }
            if (!dry_run_) {
                bucket.abort_upload(upload.key, upload.upload_id, session.run());
                delivery::forget_upload(bucket, upload.key, upload.upload_id, session.run());
            }
            orphans.push_back(upload);
        }
        session.finish_progress();
        report(session, orphans);
    }

private:
    void report(Session& session, const std::vector<s3::PendingUpload>& orphans) const {
        if (output.json) {
            Json uploads = Json::array();
            for (const auto& upload : orphans) {
                uploads.push_back({{"key", upload.key},
                                   {"upload_id", upload.upload_id},
                                   {"initiated", format_rfc3339(*upload.initiated)}});
            }
            print_json({{"aborted", !dry_run_}, {"uploads", std::move(uploads)}});
            return;
        }
        std::string out;
        for (const auto& upload : orphans) {
            out += format_changelog(*upload.initiated) + "  " + printable(upload.key) + "\n";
        }
        print(out);
        session.note(std::to_string(orphans.size()) + (orphans.size() == 1 ? " upload " : " uploads ") +
                     (dry_run_ ? "would be ended" : "ended"));
    }

    std::chrono::seconds older_than_{24 * 3600};
    bool dry_run_ = false;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_abort_orphans_command() {
    return std::make_unique<AbortOrphansCommand>();
}

}  // namespace cooper::cli
