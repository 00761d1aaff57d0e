#include "cooper/delivery/verify.hpp"

#include "command.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace cooper::cli {

namespace {

constexpr std::size_t kGradeWidth = 8;  // the longest is "record"

class VerifyCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "verify",
            .summary = "check a tarball against its lock, grade by grade",
            .usage = "TARBALL --lock LOCK [--checksums SHA256SUMS [--key PEM]] [--grade GRADE] [FLAGS]",
            .about =
                "Four grades, each with what was looked at:\n"
                "  record  the lock is whole; SHA256SUMS and its signature (SHA256SUMS.sig) agree with it\n"
                "  image   config and diff IDs, of the layers as they inflate: the same image\n"
                "  blobs   the digest of every blob: the same layers, compressed alike\n"
                "  bytes   size and SHA-256 of the file: the same tarball\n"
                "Exit code 0 only for the grade asked; 5 when the tarball falls short of it, with the member, layer\n"
                "and byte that differ; 4 when lock, checksums and signature contradict each other.",
            .examples = {{"what came from a supplier",
                          "cooper verify app_1.tar --lock app_1.tar.lock.json --checksums SHA256SUMS --key cooper.pub"},
                         {"the same image, whatever tool wrote the tarball",
                          "cooper verify saved.tar --lock app_1.tar.lock.json --grade image"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Check");
        line.value("--lock", "LOCK", "the tarball's lock; required", lock_);
        line.parsed("--checksums", "FILE", "a SHA256SUMS that lists the tarball", options_.checksums,
                    [](std::string_view text) { return std::filesystem::path(text); });
        line.parsed("--key", "PEM", "the public key that SHA256SUMS.sig, beside SHA256SUMS, is checked with",
                    options_.public_key, [](std::string_view text) { return std::filesystem::path(text); });
        line.parsed("--grade", "GRADE", "record, image, blobs or bytes (default)", options_.grade,
                    delivery::parse_grade);
        line.parsed("--jobs", "N", "layers read at once; default: 4", options_.jobs,
                    [](std::string_view text) { return parse_count(text, 1, 64); });
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        if (lock_.empty()) {
            throw UsageError("verify: against which lock?", "--lock " + positionals[0] + ".lock.json");
        }
        if (!options_.public_key.empty() && options_.checksums.empty()) {
            throw UsageError("--key: what is signed is SHA256SUMS", "--checksums SHA256SUMS");
        }
        const ConnectionFlags none;
        Session session(output, none);
        options_.spool = session.spool();
        options_.task = std::filesystem::path(positionals[0]).filename().string();
        const auto verification = delivery::verify_tarball(positionals[0], lock_, options_, session.run());
        session.finish_progress();
        report(positionals[0], verification);
        exit_code = verification.good ? kExitDone : kExitNotReproducible;
    }

private:
    void report(const std::string& tarball, const delivery::Verification& verification) const {
        const std::string reached(verification.reached ? to_string(*verification.reached) : "none");
        const std::string asked(to_string(options_.grade));
        if (output.json) {
            Json grades = Json::array();
            for (const auto& grade : verification.grades) {
                grades.push_back({{"grade", to_string(grade.grade)},
                                  {"checked", grade.checked},
                                  {"reached", grade.reached},
                                  {"evidence", grade.evidence},
                                  {"differences", grade.differences}});
            }
            print_json({{"file", tarball},
                        {"lock", lock_},
                        {"asked", asked},
                        {"reached", reached},
                        {"verified", verification.good},
                        {"sha256", verification.lock.output.sha256.hex()},
                        {"grades", std::move(grades)}});
            return;
        }
        std::string out;
        for (const auto& grade : verification.grades) {
            const std::string answer = !grade.checked ? "not looked at" : grade.reached ? "yes" : "NO";
            std::string name(to_string(grade.grade));
            name.resize(kGradeWidth, ' ');
            out += name + printable(answer + (grade.evidence.empty() ? "" : "  (" + grade.evidence + ")")) + "\n";
            for (const std::string& difference : grade.differences) {
                out += "    " + printable(difference) + "\n";
            }
        }
        print(out +
              (verification.good ? "verified: " + asked
                                 : "not verified: " + asked + " was asked, " + reached + " is reached") +
              "\n");
    }

    std::string lock_;
    delivery::VerifyOptions options_;
};

}  // namespace

std::unique_ptr<Command> make_verify_command() {
    return std::make_unique<VerifyCommand>();
}

}  // namespace cooper::cli
