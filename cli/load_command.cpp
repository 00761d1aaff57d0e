#include "command.hpp"
#include "image_argument.hpp"
#include "transfer.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

class LoadCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "load",
            .summary = "bring images into a Docker engine",
            .usage = "FILE|-|IMAGE... [FLAGS]",
            .about =
                "Like docker load, from any place and with proof: every blob is verified on its way, and afterwards "
                "the\n"
                "engine is asked whether it holds the very images. FILE is an archive (all its images are loaded), - "
                "the\n"
                "same on standard input, or any place that cooper copy takes. Works with podman's service too.",
            .examples = {
                {"a tarball", "cooper load app.tar"},
                {"from a registry, with no pull by the engine", "cooper load registry.example/app:1.2 --tag app:dev"},
                {"into another engine", "cooper load app.tar --host tcp://build.example:2376"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Image");
        line.values("--tag", "NAME:TAG", "the name in the engine instead of its own; repeatable, for one image", tags_);
        declare_platform(line, flags_.platform);
        flags_.declare_archive(line);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1000);
        std::vector<oci::PlaceName> sources;
        for (const std::string& text : positionals) {
            sources.push_back(parse_source(text));
        }
        for (const std::string& tag : tags_) {
            flags_.write.names.push_back(parse_name(tag, "--tag"));
        }
        check_one_login(connection_, sources);

        Session session(output, connection_);
        std::vector<oci::OpenedPlace> opened;
        for (const oci::PlaceName& source : sources) {
            for (auto& each : oci::open_places(source, flags_.platform, false, session.places(), session.run())) {
                opened.push_back(std::move(each));
            }
        }
        oci::PlaceName engine;
        engine.kind = oci::PlaceName::Kind::DockerDaemon;
        flags_.write.task = "load";
        const auto written = oci::write_place(engine, opened, flags_.write, session.places(), session.run());
        session.finish_progress();
        report(opened, written);
    }

private:
    void report(const std::vector<oci::OpenedPlace>& opened, const oci::WrittenPlace& written) const {
        Json images = Json::array();
        std::string text;
        for (const oci::OpenedPlace& each : opened) {
            const std::string id = each.graph.blobs.at(0).digest.text();
            const auto& names = flags_.write.names.empty() ? each.names : flags_.write.names;
            images.push_back({{"image_id", id}, {"names", repo_tags(names)}});
            text += id;
            for (const oci::Reference& name : names) {
                text += " " + name.familiar();
            }
            text += "\n";
        }
        if (output.json) {
            print_json({{"bytes_sent", written.bytes_sent}, {"images", std::move(images)}});
        } else {
            print(text);
        }
    }

    std::vector<std::string> tags_;
    TransferFlags flags_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_load_command() {
    return std::make_unique<LoadCommand>();
}

}  // namespace cooper::cli
