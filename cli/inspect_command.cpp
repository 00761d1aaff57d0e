#include "cooper/build/layer.hpp"

#include "archive_flags.hpp"
#include "command.hpp"
#include "image_argument.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

class InspectCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "inspect",
            .summary = "show what an image is made of",
            .usage = "IMAGE [--raw|--config|--json] [FLAGS]",
            .about =
                "Shows digest, platform, image ID and layers of an image without fetching the layers; --deep fetches\n"
                "and checks them. IMAGE is a reference as docker writes it, or any place that cooper copy takes.",
            .examples = {{"a summary", "cooper inspect debian:12"},
                         {"the exact bytes of the manifest or index", "cooper inspect --raw debian:12 | sha256sum"},
                         {"the environment of the ARM image",
                          "cooper inspect --config --platform linux/arm64 debian:12 | jq .config.Env"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("What to show");
        line.toggle("--raw", "the manifest or index as the registry has it, byte for byte", raw_);
        line.toggle("--config", "the image config, byte for byte", config_);
        line.toggle("--deep", "fetch all layers and check digests and diff IDs", deep_);
        declare_platform(line, platform_);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        if (raw_ && config_) {
            throw UsageError("--raw and --config exclude each other");
        }
        const ImageArgument argument = ImageArgument::parse(positionals[0]);
        if (!argument.names.empty()) {
            throw UsageError("inspect: =NAME:TAG has no meaning here");
        }
        Session session(output, connection_);
        if (raw_ && argument.in_registry() && !deep_ && !platform_) {
            // As it is, an index included: no platform is chosen.
            const auto manifest = session.registry().manifest(*argument.place.reference, session.run());
            session.finish_progress();
            print_exact(manifest.raw.bytes);
            return;
        }
        const OpenedImage opened = open_image(session, argument, platform_);
        if (deep_) {
            build::BaseTree::read(opened.image, session.run());
        }
        session.finish_progress();
        show(opened);
    }

private:
    void show(const OpenedImage& opened) const {
        if (raw_) {
            print_exact(opened.image.manifest.raw.bytes);
        } else if (config_) {
            print_exact(opened.image.config.raw);
        } else if (output.json) {
            print_json(json_of(opened));
        } else {
            print(text_of(opened));
        }
    }

    static std::uint64_t total_size(const oci::Image& image) {
        std::uint64_t size = 0;
        for (const auto& layer : image.manifest.layers) {
            size += layer.size;
        }
        return size;
    }

    /// What the index lists that is an image: "linux/amd64", "linux/arm64".
    static std::vector<std::string> platforms_of(const oci::Index& index) {
        std::vector<std::string> platforms;
        for (const oci::Descriptor& entry : index.manifests) {
            if (entry.platform && entry.platform->os != "unknown") {
                platforms.push_back(entry.platform->text());
            }
        }
        return platforms;
    }

    [[nodiscard]] Json json_of(const OpenedImage& opened) const {
        const auto& [manifest, config, blobs] = opened.image;
        Json layers = Json::array();
        for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
            layers.push_back({{"digest", manifest.layers[i].digest.text()},
                              {"size", manifest.layers[i].size},
                              {"media_type", manifest.layers[i].media_type},
                              {"diff_id", config.diff_ids[i].text()}});
        }
        return {{"image", opened.source},
                {"names", repo_tags(opened.names)},
                {"digest", manifest.raw.digest.text()},
                {"media_type", manifest.raw.media_type},
                {"platform", config.platform.text()},
                {"index", opened.index ? Json{{"digest", opened.index->raw.digest.text()},
                                              {"platforms", platforms_of(*opened.index)}}
                                       : Json()},
                {"image_id", config.image_id().text()},
                {"created", config.created ? Json(format_rfc3339(*config.created)) : Json()},
                {"layers_size", total_size(opened.image)},
                {"layers", std::move(layers)},
                {"layers_checked", deep_},
                {"config", Json::parse(config.raw)}};
    }

    [[nodiscard]] std::string text_of(const OpenedImage& opened) const {
        const auto& [manifest, config, blobs] = opened.image;
        std::vector<std::pair<std::string, std::string>> rows;
        for (const auto& name : opened.names) {
            rows.emplace_back("image", name.text());
        }
        rows.insert(rows.end(),
                    {{"digest", manifest.raw.digest.text()},
                     {"media type", manifest.raw.media_type},
                     {"platform", config.platform.text()},
                     {"of index", opened.index ? opened.index->raw.digest.text() : ""},
                     {"platforms", opened.index ? joined(platforms_of(*opened.index)) : ""},
                     {"image ID", config.image_id().text()},
                     {"created", config.created ? format_changelog(*config.created) : ""},
                     {"layers", std::to_string(manifest.layers.size()) + ", " + size_text(total_size(opened.image))},
                     {"checked", deep_ ? "manifest, config, all layers and diff IDs"
                                       : "manifest and config; layers were not fetched (--deep does)"}});
        std::string out = aligned(rows) + "\n";
        for (const auto& layer : manifest.layers) {
            std::string size = std::to_string(layer.size);
            size.insert(0, size.size() < 14 ? 14 - size.size() : 0, ' ');
            out += layer.digest.text() + size + "  " + printable(layer.media_type) + "\n";
        }
        return out;
    }

    bool raw_ = false;
    bool config_ = false;
    bool deep_ = false;
    std::optional<oci::Platform> platform_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_inspect_command() {
    return std::make_unique<InspectCommand>();
}

}  // namespace cooper::cli
