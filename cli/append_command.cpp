#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/edit.hpp"
#include "cooper/oci/archive_writer.hpp"
#include "cooper/oci/overlay_blobs.hpp"

#include "archive_flags.hpp"
#include "command.hpp"
#include "image_argument.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace cooper::cli {

namespace {

std::pair<std::string, std::string> parse_pair(std::string_view text, std::string_view flag) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
        throw UsageError(std::string(flag) + ": \"" + std::string(text) + "\" is not KEY=VALUE");
    }
    return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

/// A JSON array of strings, or one word.
std::vector<std::string> parse_words(std::string_view text) {
    if (!text.starts_with('[')) {
        if (text.find_first_of(" \t") != std::string_view::npos) {
            throw Error(ErrorCode::InvalidInput,
                        "\"" + std::string(text) + "\" has spaces: write it as JSON, [\"a\", \"b\"]");
        }
        return {std::string(text)};
    }
    const Json array = Json::parse(text, nullptr, false);
    const bool all_strings =
        array.is_array() && std::all_of(array.begin(), array.end(), [](const Json& word) { return word.is_string(); });
    if (!all_strings) {
        throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is no JSON array of strings");
    }
    return array.get<std::vector<std::string>>();
}

/// "epoch", seconds since 1970, or RFC 3339.
TimePoint parse_time(std::string_view text) {
    constexpr std::uint64_t kLatest = 253'402'300'799;  // 9999-12-31: RFC 3339 has no later year
    if (text == "epoch") {
        return TimePoint{};
    }
    if (const auto seconds = parse_uint(text); seconds && *seconds <= kLatest) {
        return TimePoint(std::chrono::seconds(*seconds));
    }
    if (const auto time = parse_rfc3339(text)) {
        return *time;
    }
    throw Error(ErrorCode::InvalidInput,
                "\"" + std::string(text) + "\" is no time (2024-01-16T09:15:42Z, seconds since 1970, or epoch)");
}

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
            .usage = "BASE --layer DIR[:TARGET]... -o OUT.tar [FLAGS]",
            .about =
                "Each --layer becomes a layer on top of BASE, in order; the result is a docker-archive. The same "
                "input\n"
                "gives the same bytes: entries are sorted, owners and modes plain, times from the files and never "
                "later\n"
                "than SOURCE_DATE_EPOCH. BASE is scratch, a reference as docker writes it, or docker-archive:FILE.",
            .examples = {
                {"a site on scratch, no registry needed",
                 "cooper append scratch --layer ./site:/srv --tag site:1 -o site.tar"},
                {"an application on a base",
                 "cooper append debian:12 --layer build:/app --entrypoint '[\"/app/run\"]' --tag app:1 -o app.tar"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Image");
        line.values("--layer", "DIR[:/TARGET]", "a directory's content at TARGET (default: /); repeatable", layers_);
        line.values("--tag", "NAME:TAG", "the image's name in the archive; repeatable", tags_);
        line.value("-o, --output", "FILE", "the docker-archive to write; required", file_);
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
        declare_platform(line, platform_);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        if (file_.empty()) {
            throw UsageError("append: where to?", "-o OUT.tar");
        }
        std::vector<LayerArgument> layers;
        for (const std::string& text : layers_) {
            layers.push_back(parse_layer(text));
        }
        std::vector<oci::Reference> names;
        for (const std::string& tag : tags_) {
            names.push_back(parse_name(tag, "--tag"));
        }
        complete_edit();

        Session session(output, connection_);
        const auto epoch = source_date_epoch(session.environment());
        if (!edit_.created) {
            edit_.created = epoch.value_or(TimePoint{});
        }
        const TempDirectory spool("cooper-append");
        const oci::Image base = open_base(session, positionals[0], spool.path());
        const auto built = build_layers(session, base, layers, epoch, spool.path());
        const oci::Image image = build::append(base, built, edit_);
        const auto converted = oci::convert_layers(image, oci::LayerForm::Keep, spool.path(), session.run());
        const auto plan = oci::ArchivePlan::make({{converted, repo_tags(names)}});
        const auto written =
            oci::write_archive(plan, file_, {.task = std::filesystem::path(file_).filename().string()}, session.run());
        session.finish_progress();
        report(converted, built, names, written);
    }

private:
    void complete_edit() {
        for (const std::string& text : env_) {
            edit_.env.push_back(parse_pair(text, "--env"));
        }
        for (const std::string& text : labels_) {
            edit_.labels.push_back(parse_pair(text, "--label"));
        }
    }

    static std::optional<TimePoint> source_date_epoch(const Environment& environment) {
        const auto text = environment.get("SOURCE_DATE_EPOCH");
        if (!text) {
            return std::nullopt;
        }
        if (!parse_uint(*text)) {
            throw UsageError("SOURCE_DATE_EPOCH: \"" + *text + "\" is no number of seconds since 1970");
        }
        return as_usage("SOURCE_DATE_EPOCH", [&] { return parse_time(*text); });
    }

    /// A registry's blobs are fetched once although they are read twice: for the base's tree and for the archive.
    oci::Image open_base(Session& session, const std::string& text, const std::filesystem::path& spool) const {
        if (text == "scratch") {
            return build::scratch_image(platform_.value_or(oci::Platform::host()));
        }
        const ImageArgument argument = ImageArgument::parse(text);
        if (!argument.names.empty()) {
            throw UsageError("append: the base has no use for =NAME:TAG", "--tag NAME:TAG");
        }
        oci::Image base = open_image(session, argument, platform_).image;
        if (argument.in_registry()) {
            base.blobs = oci::kept_blobs(base.blobs, spool);
        }
        return base;
    }

    [[nodiscard]] std::vector<build::BuiltLayer> build_layers(Session& session, const oci::Image& base,
                                                              const std::vector<LayerArgument>& layers,
                                                              const std::optional<TimePoint>& epoch,
                                                              const std::filesystem::path& spool) const {
        std::vector<build::BuiltLayer> built;
        build::BaseTree tree = build::BaseTree::read(base, session.run());
        for (const LayerArgument& layer : layers) {
            build::LayerOptions options;
            options.directory = layer.directory;
            options.target = layer.target;
            options.preserve_modes = preserve_modes_;
            options.preserve_owners = preserve_owners_;
            if (epoch) {
                options.epoch = epoch->time_since_epoch().count();
            }
            built.push_back(build::build_layer(options, tree, spool, session.run()));
        }
        return built;
    }

    void report(const oci::Image& image, const std::vector<build::BuiltLayer>& built,
                const std::vector<oci::Reference>& names, const oci::ArchiveWritten& written) const {
        if (output.json) {
            Json layers = Json::array();
            for (const auto& layer : built) {
                layers.push_back({{"digest", layer.descriptor.digest.text()},
                                  {"size", layer.descriptor.size},
                                  {"diff_id", layer.diff_id.text()},
                                  {"files", layer.files}});
            }
            print_json({{"file", file_},
                        {"size", written.size},
                        {"image_id", image.config.image_id().text()},
                        {"manifest", image.manifest.raw.digest.text()},
                        {"platform", image.config.platform.text()},
                        {"repo_tags", repo_tags(names)},
                        {"new_layers", std::move(layers)}});
            return;
        }
        std::vector<std::pair<std::string, std::string>> rows{{"file", file_}, {"size", size_text(written.size)}};
        for (const auto& name : names) {
            rows.emplace_back("image", name.text());
        }
        rows.insert(rows.end(), {{"image ID", image.config.image_id().text()},
                                 {"manifest", image.manifest.raw.digest.text()},
                                 {"platform", image.config.platform.text()}});
        for (const auto& layer : built) {
            rows.emplace_back("layer", layer.descriptor.digest.text() + ", " + std::to_string(layer.files) +
                                           " files, " + size_text(layer.descriptor.size));
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
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_append_command() {
    return std::make_unique<AppendCommand>();
}

}  // namespace cooper::cli
