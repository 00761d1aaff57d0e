#include "cooper/oci/docker_archive.hpp"

#include "command.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

class VersionCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "version",
                .summary = "say which cooper this is",
                .usage = "[--json]",
                .about =
                    "Prints the version of the program and of the archive format: equal formats make equal tarballs\n"
                    "from equal images.",
                .examples = {{"the same", "cooper --version"}}};
    }

    void declare(CommandLine& line) override { output.declare(line); }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 0, 0);
        if (output.json) {
            print_json({{"version", COOPER_VERSION}, {"archive_format", oci::kArchiveFormatVersion}});
            return;
        }
        print("cooper " COOPER_VERSION " (archive format " + std::to_string(oci::kArchiveFormatVersion) + ")\n");
    }
};

}  // namespace

std::unique_ptr<Command> make_version_command() {
    return std::make_unique<VersionCommand>();
}

}  // namespace cooper::cli
