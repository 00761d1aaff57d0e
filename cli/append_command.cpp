#include "cooper/build/edit.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/oci/copy.hpp"
#include "cooper/oci/overlay_blobs.hpp"

#include "archive_flags.hpp"
#include "command.hpp"
#include "compression_flags.hpp"
#include "edit_values.hpp"
#include "image_argument.hpp"
#include "lock_flag.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace cooper::cli {

namespace {

struct LayerArgument {
    std::string directory;
    std::string target = "/";
};

LayerArgument parse_layer(const std::string& text) {
    const std::size_t colon = text.rfind(":/");
    LayerArgument layer =
        colon == std::string::npos ? LayerArgument{text} : LayerArgument{text.substr(0, colon), text.substr(colon + 1)};
    std::error_code ignored;
    if (!std::filesystem::is_directory(layer.directory, ignored)) {
        throw UsageError("--layer: " + layer.directory + " is not a directory", "--layer DIR:/TARGET");
    }
    return layer;
}

class AppendCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "append",
            .summary = "make an image from directories, on a base image or on scratch",
            .usage = "BASE [DESTINATION] --layer DIR[:TARGET]... [-o OUT.tar] [FLAGS]",
            .about =
                "Each --layer becomes a layer on top of BASE, in order. The result goes to DESTINATION, any place "
                "that\n"
                "cooper copy knows, or with -o into a docker-archive. The same input gives the same bytes: entries "
                "are\n"
                "sorted, owners and modes plain, times from the files and never later than SOURCE_DATE_EPOCH. BASE is\n"
                "scratch or any place. The local store keeps layers and base: a directory in which nothing changed is\n"
                "looked at, not read, and its layer not made again.",
            .examples = {
                {"a site on scratch, no registry needed",
                 "cooper append scratch --layer ./site:/srv --tag site:1 -o site.tar"},
                {"an application on a base",
                 "cooper append debian:12 --layer build:/app --entrypoint '[\"/app/run\"]' --tag app:1 -o app.tar"},
                {"the same, straight into a registry",
                 "cooper append debian:12 docker://registry.example/app:1 --layer build:/app --compression zstd"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Image");
        line.values("--layer", "DIR[:/TARGET]", "a directory's content at TARGET (default: /); repeatable", layers_);
        line.values("--tag", "NAME:TAG", "a name of the image at its destination; repeatable", tags_);
        line.value("-o, --output", "FILE", "write a docker-archive; instead of DESTINATION", file_);
        lock_.declare(line);
        line.values("--env", "KEY=VALUE", "set a variable; repeatable", env_);
        line.parsed("--entrypoint", "JSON|WORD", "'[\"/app\",\"serve\"]' or /app; resets --cmd of the base",
                    edit_.entrypoint, parse_words);
        line.parsed("--cmd", "JSON|WORD", "default: the base's", edit_.cmd, parse_words);
        line.parsed("--workdir", "PATH", "default: the base's", edit_.workdir,
                    [](auto text) { return std::string(text); });
        line.parsed("--user", "USER", "default: the base's", edit_.user, [](auto text) { return std::string(text); });
        line.values("--label", "KEY=VALUE", "set a label; repeatable", labels_);
        line.parsed("--created", "TIME", "RFC 3339, seconds, or epoch; default: SOURCE_DATE_EPOCH, else epoch",
                    edit_.created, parse_time);
        line.toggle("--keep-modes", "permission bits as they are; default: 0644 and 0755", preserve_modes_);
        line.toggle("--keep-owners", "user and group IDs as they are; default: 0:0", preserve_owners_);
        compression_.declare(line);
        declare_platform(line, platform_);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 2);
        const auto to = destination(positionals);
        compression_.check_for(to);
        std::vector<LayerArgument> layers;
        for (const std::string& text : layers_) {
            layers.push_back(parse_layer(text));
        }
        oci::WriteOptions write;
        for (const std::string& tag : tags_) {
            write.names.push_back(parse_name(tag, "--tag"));
        }
        write.task = to.kind == oci::PlaceName::Kind::DockerArchive ? std::filesystem::path(to.path).filename().string()
                                                                    : to.text();
        complete_edit();
        const auto options = layer_options();
        check_lock(to);
        write.checksum = lock_.given();

        Session session(output, connection_);
        const auto epoch = source_date_epoch(session.environment());
        if (!edit_.created) {
            edit_.created = epoch.value_or(TimePoint{});
        }
        const auto base = open_base(session, positionals[0], to);
        const auto built = build_layers(session, base.image, layers, options, epoch);
        const auto image = build::append(base.image, built, edit_);
        const oci::OpenedPlace made{oci::graph_of(image), {}, base.source, base.repositories};
        const auto written = oci::write_place(to, {made}, write, session.places(Session::Store::Fill), session.run());
        if (lock_.given()) {
            write_lock(session, to, base, built, *written.archive, *written.sha256);
        }
        session.finish_progress();
        if (!to.is_stream()) {
            report(to, image, built, write.names, written);
        }
    }

private:
    void complete_edit() {
        edit_.env = parse_pairs(env_, "--env");
        edit_.labels = parse_pairs(labels_, "--label");
    }

    [[nodiscard]] oci::PlaceName destination(const std::vector<std::string>& positionals) const {
        const bool named = positionals.size() == 2;
        if (named == !file_.empty()) {
            throw UsageError(named ? "append: -o and DESTINATION exclude each other" : "append: where to?",
                             "-o OUT.tar, or a DESTINATION such as docker://registry.example/app:1");
        }
        if (named) {
            return parse_destination(positionals[1]);
        }
        oci::PlaceName archive;
        archive.kind = oci::PlaceName::Kind::DockerArchive;
        archive.path = file_;
        return archive;
    }

    void check_lock(const oci::PlaceName& to) const {
        if (lock_.given() && to.kind != oci::PlaceName::Kind::DockerArchive) {
            throw UsageError("--lock: a lock is of a docker-archive, not of " + to.text(), "-o OUT.tar");
        }
        lock_.check(to.path);
    }

    /// The base is what its layers are asked for by name, should they be missing one day.
    static std::optional<delivery::LockedBase> locked_base(const OpenedImage& base) {
        if (base.image.manifest.layers.empty()) {
            return std::nullopt;
        }
        return delivery::LockedBase{base.repositories.empty()
                                        ? (base.names.empty() ? std::string() : base.names[0].text())
                                        : base.repositories[0].text(),
                                    base.image.manifest.raw.digest.text(), base.image.manifest.layers.size()};
    }

    void write_lock(Session& session, const oci::PlaceName& to, const OpenedImage& base,
                    const std::vector<build::BuiltLayer>& built, const oci::WrittenArchive& archive,
                    const Digest& sha256) const {
        auto makers = remembered_makers({base.image}, session.places(Session::Store::Fill).store);
        for (const build::BuiltLayer& layer : built) {
            makers.insert_or_assign(layer.descriptor.digest, delivery::LayerMaker{layer.compressor, std::nullopt});
        }
        delivery::note_conversion(archive.originals[0], archive.images[0].image, oci::LayerForm::Keep, makers);
        lock_.write({.plan = archive.plan,
                     .images = archive.images,
                     .origins = {{{}, {}, locked_base(base)}},
                     .format = oci::ArchiveFormat::Hybrid,
                     .makers = std::move(makers),
                     .source = {},
                     .name = delivery::safe_file_name(to.path),
                     .sha256 = sha256,
                     .tool_version = COOPER_VERSION});
    }

    [[nodiscard]] build::LayerOptions layer_options() const {
        build::LayerOptions options;
        options.preserve_modes = preserve_modes_;
        options.preserve_owners = preserve_owners_;
        options.compression = compression_.layers();
        return options;
    }

    /// Without a store a registry's blobs are kept for this run: they may be read twice, for the base's tree and for
    /// the destination.
    OpenedImage open_base(Session& session, const std::string& text, const oci::PlaceName& to) const {
        if (text == "scratch") {
            return {build::scratch_image(platform_.value_or(oci::Platform::host())), {}, text, {}};
        }
        const ImageArgument argument = ImageArgument::parse(text);
        if (!argument.names.empty()) {
            throw UsageError("append: the base has no use for =NAME:TAG", "--tag NAME:TAG");
        }
        check_one_login(connection_, {argument.place, to});
        auto base = open_image(session, argument, platform_, Session::Store::Fill);
        if (argument.in_registry() && session.places(Session::Store::Fill).store == nullptr) {
            base.image.blobs = oci::kept_blobs(base.image.blobs, session.spool());
        }
        return base;
    }

    static build::LayerMemory layer_memory(const oci::Store* store) {
        if (store == nullptr) {
            return {};
        }
        return {layer_memory_directory(*store), [store](const Digest& blob) { return store->find(blob); },
                [store](const Digest& blob, const std::filesystem::path& file) { store->adopt(blob, file); }};
    }

    static std::vector<build::BuiltLayer> build_layers(Session& session, const oci::Image& base,
                                                       const std::vector<LayerArgument>& layers,
                                                       build::LayerOptions options,
                                                       const std::optional<TimePoint>& epoch) {
        if (epoch) {
            options.epoch = epoch->time_since_epoch().count();
        }
        build::LayerBuilder builder(base, session.spool(), layer_memory(session.places(Session::Store::Fill).store));
        std::vector<build::BuiltLayer> built;
        for (const LayerArgument& layer : layers) {
            options.directory = layer.directory;
            options.target = layer.target;
            built.push_back(builder.add(options, session.run()));
        }
        return built;
    }

    static Json layers_json(const std::vector<build::BuiltLayer>& built) {
        Json layers = Json::array();
        for (const auto& layer : built) {
            layers.push_back({{"digest", layer.descriptor.digest.text()},
                              {"size", layer.descriptor.size},
                              {"media_type", layer.descriptor.media_type},
                              {"diff_id", layer.diff_id.text()},
                              {"tar_size", layer.tar_size},
                              {"files", layer.files},
                              {"compressor", layer.compressor},
                              {"reused", layer.reused}});
        }
        return layers;
    }

    void report(const oci::PlaceName& to, const oci::Image& image, const std::vector<build::BuiltLayer>& built,
                const std::vector<oci::Reference>& names, const oci::WrittenPlace& written) const {
        if (output.json) {
            Json document{{"image_id", image.config.image_id().text()},
                          {"manifest", written.manifest.text()},
                          {"platform", image.config.platform.text()},
                          {"repo_tags", repo_tags(names)},
                          {"bytes_sent", written.bytes_sent},
                          {"bytes_reused", written.bytes_reused},
                          {"new_layers", layers_json(built)}};
            if (file_.empty()) {
                document["to"] = to.text();
            } else {
                document["file"] = file_;
                document["size"] = written.size;
            }
            print_json(document);
            return;
        }
        std::vector<std::pair<std::string, std::string>> rows;
        if (file_.empty()) {
            rows = {{"to", to.text()}};
        } else {
            rows = {{"file", file_}, {"size", size_text(written.size)}};
        }
        for (const auto& name : names) {
            rows.emplace_back("image", name.text());
        }
        rows.insert(rows.end(), {{"image ID", image.config.image_id().text()},
                                 {"manifest", written.manifest.text()},
                                 {"platform", image.config.platform.text()}});
        for (const auto& layer : built) {
            rows.emplace_back("layer", layer.descriptor.digest.text() + ", " + std::to_string(layer.files) +
                                           " files, " + size_text(layer.descriptor.size) +
                                           (layer.reused ? ", unchanged" : ""));
        }
        print(aligned(rows));
    }

    std::vector<std::string> layers_;
    std::vector<std::string> tags_;
    std::vector<std::string> env_;
    std::vector<std::string> labels_;
    std::string file_;
    bool preserve_modes_ = false;
    bool preserve_owners_ = false;
    std::optional<oci::Platform> platform_;
    build::ConfigEdit edit_;
    CompressionFlags compression_;
    LockFlag lock_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_append_command() {
    return std::make_unique<AppendCommand>();
}

}  // namespace cooper::cli
