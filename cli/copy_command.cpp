#include "command.hpp"
#include "image_argument.hpp"
#include "transfer.hpp"

namespace cooper::cli {

namespace {

class CopyCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "copy",
            .summary = "copy an image from any place to any place",
            .usage = "SOURCE DESTINATION [FLAGS]",
            .about =
                "Places are named as skopeo names them:\n"
                "  docker://NAME[:TAG|@DIGEST]  a registry; the prefix may be left out\n"
                "  docker-daemon:NAME[:TAG]     a Docker engine, or podman's service\n"
                "  docker-archive:FILE[:NAME:TAG|:@INDEX]   what docker save writes; FILE may be -\n"
                "  oci:DIR[:NAME]               an OCI image layout\n"
                "  oci-archive:FILE[:NAME]      the same in one file; FILE may be -\n"
                "  store:NAME[:TAG]             cooper's local store\n"
                "Digests stay as they are wherever the destination can hold them. What is there already is not sent "
                "again;\n"
                "in one registry, blobs are mounted. Nothing has a name there before all of it arrived.",
            .examples = {
                {"from a registry into a layout", "cooper copy docker://registry.example/app:1.2 oci:./layout:1.2"},
                {"what the engine built, to a registry",
                 "cooper copy docker-daemon:app:dev docker://registry.example/team/app:dev"},
                {"all platforms, between registries, under two tags",
                 "cooper copy --all-platforms ghcr.io/acme/app:1.2 registry.example/app:1.2 "
                 "--additional-tag latest"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Image");
        flags_.declare_platforms(line);
        line.values("--additional-tag", "TAG|NAME:TAG", "another name at the destination; repeatable", tags_);
        flags_.declare_archive(line);
        line.toggle("--checksum", "of an archive: compute the SHA-256 of the file as well", flags_.write.checksum);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 2, 2);
        flags_.check();
        const oci::PlaceName from = parse_source(positionals[0]);
        const oci::PlaceName to = parse_destination(positionals[1]);
        check_one_login(connection_, {from, to});
        for (const std::string& tag : tags_) {
            flags_.write.names.push_back(additional_name(to, tag));
        }
        Session session(output, connection_);
        flags_.write.task = to.text();
        const auto& places =
            session.places(to.kind == oci::PlaceName::Kind::Store ? Session::Store::Fill : Session::Store::Read);
        const std::vector<oci::OpenedPlace> opened{
            oci::open_place(from, flags_.platform, flags_.all_platforms, places, session.run())};
        const auto written = oci::write_place(to, opened, flags_.write, places, session.run());
        session.finish_progress();
        report_transfer(output, to, opened, written);
    }

private:
    static oci::Reference additional_name(const oci::PlaceName& to, const std::string& text) {
        if (to.reference && text.find_first_of(":/") == std::string::npos) {
            return as_usage("--additional-tag", [&] { return to.reference->with_tag(text); });
        }
        return parse_name(text, "--additional-tag");
    }

    TransferFlags flags_;
    std::vector<std::string> tags_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_copy_command() {
    return std::make_unique<CopyCommand>();
}

}  // namespace cooper::cli
