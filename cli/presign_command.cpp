#include "cooper/delivery/keys.hpp"

#include "command.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

class PresignCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "presign",
            .summary = "make a link to an object in S3",
            .usage = "s3://BUCKET/KEY [FLAGS]",
            .about =
                "Prints a GET link that works without credentials, and says on standard error when it really ends:\n"
                "the least of what was asked, seven days, and the life of the credentials that sign it. Whoever has\n"
                "the link can read the object: hand it over as you would hand over a password.",
            .examples = {
                {"a link for three days", "cooper presign s3://bucket/main/abc1234/app:latest.tar --expires 3d"},
                {"for a script", "cooper presign --json s3://bucket/main/abc1234/app:latest.tar | jq -r .url"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Link");
        line.parsed("--expires", "TIME", "90m, 12h (default), 7d at most", expires_, parse_duration);
        line.value("--name", "FILE", "what browsers save it as; default: the key's last part, without colons", name_);
        connection_.declare_s3(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        const auto url = as_usage("presign", [&] { return s3::S3Url::parse(positionals[0]); });
        if (url.key.empty()) {
            throw UsageError("presign: " + url.text() + " names a bucket, not an object", "s3://BUCKET/KEY");
        }
        const std::string file =
            name_.empty() ? delivery::safe_file_name(url.key.substr(url.key.rfind('/') + 1)) : name_;
        Session session(output, connection_);
        const auto link = session.bucket(url.bucket).presign_get(url.key, expires_, file, session.run());
        session.finish_progress();
        if (!link.limited_by.empty()) {
            session.warn("the link ends earlier than asked because of " + link.limited_by);
        }
        if (output.json) {
            print_json({{"url", link.url},
                        {"file", file},
                        {"expires", format_rfc3339(link.expires)},
                        {"expiry_unknown", link.expiry_unknown},
                        {"limited_by", link.limited_by.empty() ? Json() : Json(link.limited_by)}});
            return;
        }
        session.note((link.expiry_unknown ? "expires at the latest " : "expires ") + format_changelog(link.expires) +
                     " (in " + format_duration(link.expires - session.run().clock->now_seconds()) + ")");
        print(link.url + "\n");
    }

private:
    std::chrono::seconds expires_{12 * 3600};
    std::string name_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_presign_command() {
    return std::make_unique<PresignCommand>();
}

}  // namespace cooper::cli
