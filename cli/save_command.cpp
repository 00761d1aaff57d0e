#include "cooper/delivery/keys.hpp"

#include "command.hpp"
#include "image_argument.hpp"
#include "lock_flag.hpp"
#include "transfer.hpp"

namespace cooper::cli {

namespace {

class SaveCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "save",
            .summary = "write images from any place to an archive",
            .usage = "IMAGE[=NAME:TAG]... -o FILE|- [FLAGS]",
            .about =
                "Like docker save, from any place: a reference is a registry, docker-daemon:NAME:TAG the engine. The\n"
                "archive is one that docker, podman, skopeo and ctr load. --all-platforms writes an OCI archive, "
                "since\n"
                "docker's format holds one platform per name; --oci asks for it with one platform. The file appears\n"
                "whole or not at all; on standard output (-o -) a failure shows in the exit code and a cut archive.",
            .examples = {{"two images of the engine, to a machine without a registry",
                          "cooper save docker-daemon:app:dev docker-daemon:api:dev -o - | ssh host docker load"},
                         {"every platform of an image, digests kept",
                          "cooper save --all-platforms registry.example/app:1.2 -o app.oci.tar"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Archive");
        line.value("-o, --output", "FILE", "the archive to write, or - for standard output; required", file_);
        line.toggle("--oci", "an OCI archive: exact manifests, layers of any compression", oci_);
        line.toggle("--checksum", "compute the SHA-256 of the file as well", flags_.write.checksum);
        lock_.declare(line);
        flags_.declare_platforms(line);
        flags_.declare_archive(line);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1000);
        flags_.check();
        if (file_.empty()) {
            throw UsageError("save: where to?", "-o FILE, or -o - for standard output");
        }
        if (output.json && file_ == "-") {
            throw UsageError("standard output cannot be both the archive and --json");
        }
        std::vector<ImageArgument> arguments;
        for (const std::string& text : positionals) {
            arguments.push_back(ImageArgument::parse(text));
        }
        check_one_login(connection_, arguments);
        oci::PlaceName to;
        to.kind = oci_ || flags_.all_platforms ? oci::PlaceName::Kind::OciArchive : oci::PlaceName::Kind::DockerArchive;
        to.path = file_;
        check_lock(to);

        Session session(output, connection_);
        flags_.write.task = file_;
        std::vector<oci::OpenedPlace> opened;
        std::vector<oci::PlaceName> places;  // of the images, one each
        for (const ImageArgument& argument : arguments) {
            for (auto& each : oci::open_places(argument.place, flags_.platform, flags_.all_platforms, session.places(),
                                               session.run())) {
                if (!argument.names.empty()) {
                    each.names = argument.names;
                }
                opened.push_back(std::move(each));
                places.push_back(argument.place);
            }
        }
        const auto written = oci::write_place(to, opened, flags_.write, session.places(), session.run());
        if (lock_.given()) {
            write_lock(session, places, *written.archive, *written.sha256);
        }
        session.finish_progress();
        report_transfer(output, to, opened, written);
    }

private:
    void check_lock(const oci::PlaceName& to) {
        if (lock_.given() && to.kind != oci::PlaceName::Kind::DockerArchive) {
            throw UsageError("--lock: a lock is of a docker-archive, not of an OCI archive");
        }
        lock_.check(file_);
        flags_.write.checksum = flags_.write.checksum || lock_.given();
    }

    void write_lock(Session& session, const std::vector<oci::PlaceName>& places, const oci::WrittenArchive& archive,
                    const Digest& sha256) const {
        const oci::Store* store = session.places().store;
        auto makers = remembered_makers(archive.originals, store);
        std::vector<delivery::LockOrigin> origins;
        for (std::size_t i = 0; i < places.size(); ++i) {
            const oci::Image& original = archive.originals[i];
            origins.push_back(lock_origin(places[i], original.manifest.raw.digest, store));
            delivery::note_conversion(original, archive.images[i].image, flags_.write.layers, makers);
        }
        lock_.write({.plan = archive.plan,
                     .images = archive.images,
                     .origins = std::move(origins),
                     .format = flags_.write.format,
                     .makers = std::move(makers),
                     .source = {},
                     .name = delivery::safe_file_name(file_),
                     .sha256 = sha256,
                     .tool_version = COOPER_VERSION});
    }

    std::string file_;
    bool oci_ = false;
    LockFlag lock_;
    TransferFlags flags_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_save_command() {
    return std::make_unique<SaveCommand>();
}

}  // namespace cooper::cli
