// delta and apply: the difference between two tarballs, for customers who are given files.
#include "cooper/delivery/delta.hpp"

#include "command.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace cooper::cli {

namespace {

Json json_of(const delivery::DeltaFile& file) {
    return {{"name", file.name}, {"size", file.size}, {"sha256", file.sha256.hex()}};
}

/// "755.3 MB (755312128 bytes), 98.7 % of the new file".
std::string share_text(std::uint64_t bytes, std::uint64_t whole) {
    const std::uint64_t tenths =
        whole == 0 ? 0 : static_cast<std::uint64_t>(1000.0 * static_cast<double>(bytes) / static_cast<double>(whole));
    return size_text(bytes) + ", " + std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) +
           " % of the new file";
}

void report_delta(const OutputFlags& output, const std::string& file, const delivery::DeltaReport& report) {
    const delivery::DeltaHead& head = report.head;
    if (output.json) {
        print_json({{"file", file},
                    {"old", json_of(head.old_file)},
                    {"new", json_of(head.new_file)},
                    {"reused", head.reused()},
                    {"payload", head.payload_size()},
                    {"delta_size", report.delta_size}});
        return;
    }
    print(aligned({{"file", file},
                   {"old", head.old_file.name + ", " + size_text(head.old_file.size)},
                   {"new", head.new_file.name + ", " + size_text(head.new_file.size)},
                   {"reused", share_text(head.reused(), head.new_file.size)},
                   {"delta", share_text(report.delta_size, head.new_file.size)},
                   {"sha256", std::string(head.new_file.sha256.hex()) + "  (new)"}}));
}

/// Two files in, one out.
class DeltaVerb : public Command {
public:
    void declare(CommandLine& line) final {
        line.heading("Result");
        line.value("-o, --output", "FILE", "the file to write; required", file_);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) final {
        expect_positionals(positionals, 2, 2);
        if (file_.empty()) {
            throw UsageError(std::string(text().name) + ": where to?",
                             "cooper " + std::string(text().name) + " " + std::string(text().usage));
        }
        Session session(output, connection_);
        const auto report = work(positionals[0], positionals[1], file_, session.run());
        session.finish_progress();
        report_delta(output, file_, report);
    }

private:
    virtual delivery::DeltaReport work(const std::string& old_file, const std::string& second, const std::string& out,
                                       const Run& run) = 0;

    std::string file_;
    ConnectionFlags connection_;
};

class DeltaCommand final : public DeltaVerb {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "delta",
            .summary = "write what a new tarball has and an old one lacks",
            .usage = "OLD.tar|OLD.lock.json NEW.tar -o DELTA",
            .about =
                "For customers who have the old tarball and are given files: the delta holds the blobs (layers,\n"
                "configs, manifests) that OLD lacks, and where in OLD the rest lies; of plain layers only the\n"
                "files that changed. With it and the old tarball cooper apply makes NEW again, to the byte,\n"
                "without a network. Tarballs of cooper, docker save, podman, skopeo and others will do, and the\n"
                "lock of the old tarball instead of it. Nothing in the delta names a path of this machine.",
            .examples = {{"what changed since the last delivery", "cooper delta app_1.tar app_2.tar -o app_1-2.cooper"},
                         {"the old tarball is with the customer alone",
                          "cooper delta app_1.tar.lock.json app_2.tar -o app_1-2.cooper"}}};
    }

private:
    delivery::DeltaReport work(const std::string& old_file, const std::string& second, const std::string& out,
                               const Run& run) override {
        return delivery::make_delta(old_file, second, out, run);
    }
};

class ApplyCommand final : public DeltaVerb {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "apply",
                .summary = "make a new tarball from an old one and a delta",
                .usage = "OLD.tar DELTA -o NEW.tar",
                .about =
                    "Needs no network. Checks that OLD is the tarball that cooper delta was given, and proves the\n"
                    "SHA-256 of the new one before it appears; what is damaged is named.",
                .examples = {{"the new delivery", "cooper apply app_1.tar app_1-2.cooper -o app_2.tar"}}};
    }

private:
    delivery::DeltaReport work(const std::string& old_file, const std::string& second, const std::string& out,
                               const Run& run) override {
        return delivery::apply_delta(old_file, second, out, run);
    }
};

}  // namespace

std::unique_ptr<Command> make_delta_command() {
    return std::make_unique<DeltaCommand>();
}
std::unique_ptr<Command> make_apply_command() {
    return std::make_unique<ApplyCommand>();
}

}  // namespace cooper::cli
