#include "cooper/build/apply.hpp"

#include "archive_flags.hpp"
#include "command.hpp"
#include "image_argument.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace cooper::cli {

namespace {

class UnpackCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "unpack",
            .summary = "write an image's file system to a directory",
            .usage = "IMAGE DIR [--platform OS/ARCH] [--owners]",
            .about =
                "Applies the image's layers one on the other. DIR must be absent or empty; it appears whole, after "
                "all\n"
                "digests were checked, or not at all. Whatever the layers hold, nothing outside of DIR is touched.\n"
                "Files belong to you, and devices are left out, unless --owners (as root) asks for the image's own.\n"
                "IMAGE is a reference as docker writes it, or any place that cooper copy takes.",
            .examples = {
                {"look into an image of a registry", "cooper unpack debian:12 ./debian"},
                {"a root file system as a container has it", "sudo cooper unpack app.tar /srv/root --owners"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Image");
        line.toggle("--owners", "the image's owners, devices and capabilities; needs root", options_.owners);
        declare_platform(line, platform_);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 2, 2);
        const ImageArgument argument = ImageArgument::parse(positionals[0]);
        if (!argument.names.empty()) {
            throw UsageError("unpack: =NAME:TAG has no meaning here");
        }
        const std::string& directory = positionals[1];
        Session session(output, connection_);
        const OpenedImage opened = open_image(session, argument, platform_);
        options_.task = std::filesystem::path(directory).filename().string();
        const auto applied = build::unpack(opened.image, directory, options_, session.run());
        session.finish_progress();
        report(directory, opened.image, applied);
    }

private:
    void report(const std::string& directory, const oci::Image& image, const build::Applied& applied) const {
        if (output.json) {
            print_json({{"directory", directory},
                        {"image_id", image.config.image_id().text()},
                        {"manifest", image.manifest.raw.digest.text()},
                        {"platform", image.config.platform.text()},
                        {"layers", image.manifest.layers.size()},
                        {"entries", applied.entries},
                        {"whiteouts", applied.whiteouts},
                        {"bytes", applied.bytes},
                        {"left_out", applied.left_out}});
            return;
        }
        std::vector<std::pair<std::string, std::string>> rows{
            {"directory", directory},
            {"image ID", image.config.image_id().text()},
            {"platform", image.config.platform.text()},
            {"layers", std::to_string(image.manifest.layers.size())},
            {"entries", std::to_string(applied.entries)},
            {"contents", size_text(applied.bytes)},
        };
        for (const std::string& thing : applied.left_out) {
            rows.emplace_back("left out", thing);
        }
        print(aligned(rows));
    }

    std::optional<oci::Platform> platform_;
    build::ApplyOptions options_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_unpack_command() {
    return std::make_unique<UnpackCommand>();
}

}  // namespace cooper::cli
