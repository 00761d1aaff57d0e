#include "cooper/delivery/keys.hpp"
#include "cooper/oci/archive_writer.hpp"

#include "archive_flags.hpp"
#include "command.hpp"
#include "image_argument.hpp"
#include "lock_flag.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::cli {

namespace {

class PullCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "pull",
                .summary = "write an image to a docker-archive file",
                .usage = "IMAGE[=NAME:TAG]... OUT.tar [FLAGS]",
                .about =
                    "Pulls images into one tarball that docker, podman, skopeo and ctr load. The file appears whole, "
                    "after\n"
                    "every digest agreed, or not at all. IMAGE is a reference as docker writes it, or any place that "
                    "cooper\n"
                    "copy takes. =NAME:TAG renames the image in the archive; repeat it for several names. Blobs of a\n"
                    "registry are kept in the local store and not fetched again.",
                .examples = {{"the usual", "cooper pull debian:12 debian.tar"},
                             {"one platform, under a name of our own",
                              "cooper pull --platform linux/arm64 ghcr.io/acme/app:1.2=app:latest app.tar"},
                             {"for a loader that wants plain layers; its checksum for the release notes",
                              "cooper pull --layers uncompressed --checksum debian:12 debian.tar"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Archive");
        archive_.declare(line);
        line.toggle("--checksum", "compute the SHA-256 of the file as well", checksum_);
        lock_.declare(line);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        const auto [arguments, path] = split(positionals);
        check_one_login(connection_, arguments);
        lock_.check(path);
        Session session(output, connection_);
        std::vector<oci::ArchiveImage> images;
        std::vector<oci::Image> pulled;
        for (const ImageArgument& argument : arguments) {
            OpenedImage opened = open_image(session, argument, archive_.platform, Session::Store::Fill);
            pulled.push_back(opened.image);
            if (oci::needs_conversion(opened.image, archive_.layers)) {
                opened.image = oci::convert_layers(opened.image, archive_.layers, session.spool(), session.run());
            }
            images.push_back({std::move(opened.image), repo_tags(opened.names)});
        }
        const auto plan = oci::ArchivePlan::make(images, archive_.format);
        const oci::ArchiveWriteOptions options{.connections = archive_.jobs,
                                               .checksum = checksum_ || lock_.given(),
                                               .deep = archive_.deep,
                                               .task = std::filesystem::path(path).filename().string()};
        const auto written = oci::write_archive(plan, path, options, session.run());
        remember(session, arguments, pulled);
        if (lock_.given()) {
            write_lock(session, arguments, pulled, images, {plan, path, *written.sha256});
        }
        session.finish_progress();
        report(images, path, written);
    }

private:
    /// What came from a registry has its name in the store, so that it stays there. A full disk is no reason to fail:
    /// the archive is written.
    static void remember(Session& session, const std::vector<ImageArgument>& arguments,
                         const std::vector<oci::Image>& pulled) {
        const oci::PlaceAccess& places = session.places(Session::Store::Fill);
        for (std::size_t i = 0; i < arguments.size() && places.store != nullptr; ++i) {
            if (arguments[i].in_registry()) {
                const oci::Reference& reference = *arguments[i].place.reference;
                const auto tag = reference.effective_tag();
                const std::string name = (tag ? reference.with_tag(*tag) : reference).text();
                try {
                    places.store->name(oci::graph_of(pulled[i]), name, session.run());
                } catch (const Error& error) {
                    session.warn(name + " has no name in the store: " + error.what());
                }
            }
        }
    }

    struct Tarball {
        const oci::ArchivePlan& plan;
        const std::string& path;
        const Digest& sha256;
    };

    void write_lock(Session& session, const std::vector<ImageArgument>& arguments,
                    const std::vector<oci::Image>& pulled, const std::vector<oci::ArchiveImage>& images,
                    const Tarball& tarball) const {
        const oci::Store* store = session.places(Session::Store::Fill).store;
        auto makers = remembered_makers(pulled, store);
        std::vector<delivery::LockOrigin> origins;
        for (std::size_t i = 0; i < arguments.size(); ++i) {
            origins.push_back(lock_origin(arguments[i].place, pulled[i].manifest.raw.digest, store));
            delivery::note_conversion(pulled[i], images[i].image, archive_.layers, makers);
        }
        lock_.write({.plan = tarball.plan,
                     .images = images,
                     .origins = std::move(origins),
                     .format = archive_.format,
                     .makers = std::move(makers),
                     .source = {},
                     .name = delivery::safe_file_name(tarball.path),
                     .sha256 = tarball.sha256,
                     .tool_version = COOPER_VERSION});
    }

    /// The last is the file, unless =NAME:TAG stands behind it (for a single image).
    std::pair<std::vector<ImageArgument>, std::string> split(std::vector<std::string> positionals) const {
        std::vector<oci::Reference> trailing;
        while (!positionals.empty() && positionals.back().starts_with("=")) {
            trailing.push_back(parse_name(std::string_view(positionals.back()).substr(1), positionals.back()));
            positionals.pop_back();
        }
        std::reverse(trailing.begin(), trailing.end());
        expect_positionals(positionals, 2, trailing.empty() ? 1000 : 2);
        const std::string path = positionals.back();
        positionals.pop_back();
        if (path == "-") {
            throw UsageError(
                "the archive goes to a file: what is sent to standard output cannot be taken back when a "
                "digest turns out wrong");
        }
        std::vector<ImageArgument> arguments;
        for (const std::string& text : positionals) {
            arguments.push_back(ImageArgument::parse(text));
        }
        arguments[0].names.insert(arguments[0].names.end(), trailing.begin(), trailing.end());
        return {std::move(arguments), path};
    }

    void report(const std::vector<oci::ArchiveImage>& images, const std::string& path,
                const oci::ArchiveWritten& written) const {
        const std::string sha256(written.sha256 ? written.sha256->hex() : "");
        if (output.json) {
            Json document{{"file", path}, {"size", written.size}};
            document["sha256"] = sha256.empty() ? Json() : Json(sha256);
            document["diff_ids_checked"] = written.diff_ids_checked;
            document["images"] = Json::array();
            for (const auto& [image, tags] : images) {
                document["images"].push_back({{"image_id", image.config.image_id().text()},
                                              {"manifest", image.manifest.raw.digest.text()},
                                              {"platform", image.config.platform.text()},
                                              {"repo_tags", tags}});
            }
            print_json(document);
            return;
        }
        std::vector<std::pair<std::string, std::string>> rows{
            {"file", path}, {"size", size_text(written.size)}, {"sha256", sha256}};
        for (const auto& [image, tags] : images) {
            for (const std::string& tag : tags) {
                rows.emplace_back("image", tag);
            }
            rows.emplace_back("image ID", image.config.image_id().text());
            rows.emplace_back("platform", image.config.platform.text());
        }
        rows.emplace_back("checked", written.diff_ids_checked ? "digests and diff IDs"
                                                              : "digests; diff IDs were not (--deep checks them)");
        print(aligned(rows));
    }

    ArchiveFlags archive_;
    LockFlag lock_;
    ConnectionFlags connection_;
    bool checksum_ = false;
};

}  // namespace

std::unique_ptr<Command> make_pull_command() {
    return std::make_unique<PullCommand>();
}

}  // namespace cooper::cli
