#include "dockerfile_build.hpp"

#include "cooper/base/stream.hpp"
#include "cooper/build/apply.hpp"
#include "cooper/build/flatten.hpp"

#include "build_services.hpp"
#include "image_argument.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::cli {

namespace {

build::ImageBuildOptions options_of(const DockerfileBuild& build, const Environment& environment) {
    build::ImageBuildOptions options = build.flags.options(environment);
    if (build.targets.size() > 1) {
        throw UsageError("--target: one stage of a Dockerfile is built at a time");
    }
    options.target = build.targets.empty() ? "" : build.targets[0];
    for (const std::string& text : build.build_args) {
        const auto equals = text.find('=');
        if (equals == 0) {
            throw UsageError("--build-arg: \"" + text + "\" has no name");
        }
        if (equals != std::string::npos) {
            options.build_args.emplace_back(text.substr(0, equals), text.substr(equals + 1));
        } else if (const auto value = environment.all().find(text); value != environment.all().end()) {
            options.build_args.emplace_back(*value);  // docker leaves it out when the environment has none
        }
    }
    for (const std::string& text : build.platforms) {
        options.platforms.push_back(as_usage("--platform", [&] { return oci::Platform::parse(text); }));
    }
    options.pull = build.manner.pull;
    options.no_cache = build.manner.no_cache;
    options.lint_only = options.lint_only || build.manner.dry_run;  // what it would do stands in the Dockerfile
    options.cache_read_only = options.cache_read_only || build.manner.cache_read_only;
    return options;
}

std::vector<oci::Reference> names_of(const std::vector<std::string>& tags) {
    std::vector<oci::Reference> names;
    for (const std::string& tag : tags) {
        const auto reference = as_usage("--tag", [&] { return oci::Reference::parse(tag); });
        if (reference.digest()) {
            throw UsageError("--tag: \"" + tag + "\" has a digest, which nobody chooses");
        }
        names.push_back(reference.with_tag(*reference.effective_tag()));
    }
    return names;
}

const oci::Image& only_image(const build::BuiltGraph& built, const std::string& output) {
    if (built.images.size() != 1) {
        throw UsageError("--output " + output + ": one image can go there, not " + std::to_string(built.images.size()),
                         "choose one with --platform");
    }
    return built.images[0];
}

/// One build from its flags to its report. In the order of its members.
class Work {
public:
    explicit Work(const DockerfileBuild& build)
        : build_(build),
          environment_(Environment::process()),
          options_(options_of(build, environment_)),
          names_(names_of(build.tags)),
          outputs_(outputs_of()),
          home_(BuildHome::open(build.connection.store, environment_)),
          confinement_(confine()),
          session_(build.output, build.connection),
          services_(session_, home_, confinement_) {
        const bool nothing = std::all_of(outputs_.begin(), outputs_.end(), [](const BuildOutput& output) {
            return output.kind == BuildOutput::Kind::Nothing;
        });
        options_.cache_only = nothing && names_.empty() && !wants_image();
        if (options_.cache_only && outputs_.empty() && !options_.lint_only) {
            session_.warn("no --tag and no --output: the result stays in the cache alone");
        }
    }

    void run() {
        const auto context =
            build::open_context({build_.context, build_.dockerfile}, services_.services().sources, session_.run());
        if (!options_.lint_only) {
            session_.note("isolation: " + std::string(to_string(confinement_.isolation)) +
                          (confinement_.explanation.empty() ? "" : " (" + confinement_.explanation + ")"));
        }
        StepDisplay display(session_.run(), build_.output.quiet || build_.flags.progress == "quiet");
        const build::BuiltGraph built =
            build::build_image(context, options_, services_.services(), display, session_.run());
        if (options_.lint_only) {
            session_.finish_progress();
            return;
        }
        if (options_.cache_only) {
            session_.finish_progress();
            return report_steps(built);
        }
        for (const oci::Reference& name : names_) {
            services_.store().name(built.graph, name.text(), session_.run());
        }
        for (const BuildOutput& output : outputs_) {
            write(output, built);
        }
        write_files(built);
        session_.finish_progress();
        report(built);
    }

private:
    [[nodiscard]] build::Confinement confine() const {
        if (options_.lint_only) {
            return {};
        }
        return build::confine_process({build_.flags.wanted_isolation(), home_.builds()});
    }

    /// With --push and --load, and names filled in where a place has none of its own.
    [[nodiscard]] std::vector<BuildOutput> outputs_of() const {
        std::vector<BuildOutput> given = build_.flags.outputs();
        if (build_.manner.push) {
            given.push_back({BuildOutput::Kind::Place, "docker://"});
        }
        if (build_.flags.load) {
            given.push_back({BuildOutput::Kind::Place, "docker-daemon:"});
        }
        std::vector<BuildOutput> all;
        for (const BuildOutput& output : given) {
            const bool nameless = output.target == "docker://" || output.target == "docker-daemon:";
            if (output.kind != BuildOutput::Kind::Place || !nameless) {
                if (output.target != "store:") {
                    all.push_back(output);
                }
                continue;
            }
            if (names_.empty()) {
                throw UsageError(output.target + " needs a name", "-t NAME:TAG");
            }
            for (const oci::Reference& name : names_) {
                all.push_back({BuildOutput::Kind::Place, output.target + name.text()});
            }
        }
        return all;
    }

    void write(const BuildOutput& output, const build::BuiltGraph& built) {
        switch (output.kind) {
            case BuildOutput::Kind::Nothing:
                return;
            case BuildOutput::Kind::RootDirectory: {
                build::ApplyOptions apply;
                apply.owners = confinement_.owners && confinement_.devices;
                static_cast<void>(
                    build::unpack(only_image(built, output.target), output.target, apply, session_.run()));
                return;
            }
            case BuildOutput::Kind::RootTar:
                return write_root_tar(output.target, only_image(built, output.target));
            case BuildOutput::Kind::Place:
                break;
        }
        const oci::PlaceName place = parse_destination(output.target);
        oci::WriteOptions options;
        const bool archive = place.kind != oci::PlaceName::Kind::Registry &&
                             place.kind != oci::PlaceName::Kind::DockerDaemon &&
                             place.kind != oci::PlaceName::Kind::Store;
        if (archive && !place.reference && place.which.empty()) {
            options.names = names_;
        }
        options.task = output.target;
        const oci::OpenedPlace opened{built.graph, names_, output.target, {}, std::nullopt};
        static_cast<void>(oci::write_place(place, {opened}, options, services_.services().places, session_.run()));
    }

    void write_root_tar(const std::string& path, const oci::Image& image) {
        build::FlattenOptions flat;
        flat.spool = session_.spool();
        flat.compression.kind = Compression::None;
        const oci::Image one = build::flatten(image, flat, session_.run());
        const auto tar = one.blobs->open(one.manifest.layers.at(0), 0, session_.run());
        if (path == "-") {
            Sink& out = services_.services().places.output();
            copy(*tar, out, session_.run().stop);
            out.finish();
        } else {
            AtomicFile out(path);
            copy(*tar, out, session_.run().stop);
            out.commit();
        }
    }

    void write_files(const build::BuiltGraph& built) const {
        const std::string id = image_id(built);
        if (!build_.flags.image_id_file.empty()) {
            write_file(build_.flags.image_id_file, id);
        }
        if (!build_.flags.lock_file.empty()) {
            write_file(build_.flags.lock_file, built.record.json());
        }
        if (!build_.flags.metadata_file.empty()) {
            Json document = {{"containerimage.digest", built.graph.root().digest.text()}};
            if (built.images.size() == 1) {
                document["containerimage.config.digest"] = built.images[0].config.image_id().text();
            }
            if (!names_.empty()) {
                document["image.name"] = joined(repo_tags(names_), ",");
            }
            write_file(build_.flags.metadata_file, document.dump(2) + "\n");
        }
    }

    /// Of one image its config's digest, as docker has it; of several the index's.
    [[nodiscard]] static std::string image_id(const build::BuiltGraph& built) {
        return built.images.size() == 1 ? built.images[0].config.image_id().text() : built.graph.root().digest.text();
    }

    /// Something is asked for that only an image has.
    [[nodiscard]] bool wants_image() const {
        return !build_.flags.image_id_file.empty() || !build_.flags.metadata_file.empty() ||
               !build_.flags.lock_file.empty() || !options_.cache_to.empty();
    }

    void report_steps(const build::BuiltGraph& built) const {
        if (build_.output.json) {
            print_json({{"steps", built.steps}, {"cached", built.cached}});
        } else if (!build_.output.quiet) {
            print(aligned({{"steps", std::to_string(built.steps) + ", cached " + std::to_string(built.cached)}}));
        }
    }

    void report(const build::BuiltGraph& built) const {
        const bool stream = std::any_of(outputs_.begin(), outputs_.end(), [](const BuildOutput& output) {
            return output.target == "-" || output.target.ends_with(":-");
        });
        if (stream) {
            return;  // standard output is the image
        }
        std::vector<std::string> places;
        for (const BuildOutput& output : outputs_) {
            places.push_back(output.target);
        }
        if (build_.output.json) {
            Json images = Json::array();
            for (const oci::Image& image : built.images) {
                images.push_back({{"platform", image.config.platform.text()},
                                  {"manifest", image.manifest.raw.digest.text()},
                                  {"image_id", image.config.image_id().text()},
                                  {"layers", image.manifest.layers.size()}});
            }
            print_json({{"manifest", built.graph.root().digest.text()},
                        {"image_id", image_id(built)},
                        {"names", repo_tags(names_)},
                        {"images", std::move(images)},
                        {"outputs", places},
                        {"steps", built.steps},
                        {"cached", built.cached},
                        {"isolation", to_string(confinement_.isolation)}});
            return;
        }
        if (build_.output.quiet) {
            print(image_id(built) + "\n");
            return;
        }
        print(aligned({{"image", image_id(built)},
                       {"manifest", built.graph.root().digest.text()},
                       {"names", joined(repo_tags(names_))},
                       {"written", joined(places)},
                       {"steps", std::to_string(built.steps) + ", cached " + std::to_string(built.cached)}}));
    }

    const DockerfileBuild& build_;
    Environment environment_;
    build::ImageBuildOptions options_;
    std::vector<oci::Reference> names_;
    std::vector<BuildOutput> outputs_;
    BuildHome home_;
    build::Confinement confinement_;  // before the session, which has threads
    Session session_;
    BuildServices services_;
};

}  // namespace

void build_dockerfile(const DockerfileBuild& build) {
    Work(build).run();
}

}  // namespace cooper::cli
