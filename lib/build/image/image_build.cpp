#include "cooper/build/image_build.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/index_edit.hpp"

#include "build/image/blob_maker.hpp"
#include "build/image/image_writer.hpp"
#include "build/image/platform_build.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <set>
#include <thread>

namespace cooper::build {

namespace {

constexpr std::string_view kEpoch = "SOURCE_DATE_EPOCH";

struct Epoch {
    std::int64_t seconds = kDefaultBuildEpoch;
    bool given = false;
};

/// The build-arg, else the caller's, else the Dockerfile's own default before its first FROM.
Epoch epoch_of(const Dockerfile& dockerfile, const ImageBuildOptions& options) {
    std::optional<std::string> text;
    for (const Instruction& global : dockerfile.global) {
        const auto* const arg = std::get_if<ArgInstruction>(&global.kind);
        for (const auto& each : arg == nullptr ? std::vector<ArgInstruction::Declaration>() : arg->declarations) {
            if (each.name == kEpoch && each.value) {
                text = each.value;
            }
        }
    }
    if (options.epoch) {
        text = std::to_string(*options.epoch);
    }
    for (const auto& [name, value] : options.build_args) {
        if (name == kEpoch) {
            text = value;
        }
    }
    if (!text || text->empty()) {
        return {};
    }
    const auto seconds = parse_uint(*text);
    if (!seconds || *seconds > 253402300799ULL) {  // 9999-12-31, the last that RFC 3339 can say
        throw Error(ErrorCode::InvalidInput,
                    "SOURCE_DATE_EPOCH is '" + oci::printable(*text) + "', not seconds since 1970");
    }
    return {static_cast<std::int64_t>(*seconds), true};
}

void tell_warnings(const Dockerfile& dockerfile, const std::vector<DockerfileWarning>& warnings, StepLog& log) {
    for (const DockerfileWarning& warning : warnings) {
        log.warn(warning, dockerfile.file);
    }
    if (!warnings.empty() && dockerfile.warnings_are_errors) {
        throw Error(ErrorCode::InvalidInput, dockerfile.file + ": warnings are errors here (check=error=true)");
    }
}

/// Those that a stage may use without declaring them, and those that are cooper's own.
bool is_predefined(const std::string& name) {
    static const std::set<std::string, std::less<>> kNames = {
        "HTTP_PROXY",    "HTTPS_PROXY", "FTP_PROXY",     "NO_PROXY",       "ALL_PROXY", "SOURCE_DATE_EPOCH",
        "BUILDPLATFORM", "BUILDOS",     "BUILDARCH",     "BUILDVARIANT",   "TARGETOS",  "TARGETPLATFORM",
        "TARGETARCH",    "TARGETSTAGE", "TARGETVARIANT", "TARGETOSVERSION"};
    std::string upper = name;
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    return kNames.contains(upper) || name.starts_with("BUILDKIT_");
}

void tell_unused_args(const ImageBuildOptions& options, const StagePlan& plan, const RecordBook& book, const Run& run) {
    std::string names;
    for (const auto& [name, value] : options.build_args) {
        if (!is_predefined(name) && !book.has_used(name) && !plan.global_args.contains(name)) {
            names += (names.empty() ? "" : ", ") + oci::printable(name);
        }
    }
    if (!names.empty()) {
        run.progress->notice(NoticeLevel::Warning, "build arguments that nothing declares: " + names);
    }
}

std::map<std::string, ContextTree, std::less<>> open_named_trees(const ImageBuildOptions& options,
                                                                 const ImageBuildServices& services, const Run& run) {
    std::map<std::string, ContextTree, std::less<>> trees;
    for (const auto& [name, place] : options.contexts) {
        trees.erase(name);
        if (!is_image_context(place)) {
            trees.emplace(name, in_context("--build-context " + oci::printable(name),
                                           [&] { return open_named_context(place, services.sources, run); }));
        }
    }
    return trees;
}

std::vector<StepRecord> steps_of(const std::vector<LayerState>& layers) {
    std::vector<StepRecord> steps;
    for (const LayerState& layer : layers) {
        if (layer.step) {
            steps.push_back(*layer.step);
        }
    }
    return steps;
}

bool wants(const std::vector<CachePlace>& places, bool max) {
    return std::any_of(places.begin(), places.end(), [&](const CachePlace& place) { return place.max == max; });
}

/// One build: its platforms one after the other, the stages of each side by side.
class Build {
public:
    Build(const ContextTree& context, const ImageBuildOptions& options, const ImageBuildServices& services,
          BuildObserver& observer, const Run& run)
        : dockerfile_(Dockerfile::parse(context.dockerfile, context.dockerfile_name)),
          context_(context),
          options_(options),
          services_(services),
          run_(run),
          log_(observer, *run.clock),
          slots_(options.parallel == 0 ? std::max(2U, std::thread::hardware_concurrency()) : options.parallel),
          named_(open_named_trees(options, services, run)),
          images_(options, services, book_),
          epoch_(epoch_of(dockerfile_, options)),
          blobs_(options, services, run),
          work_{dockerfile_, context_, options_, services_, named_,         images_,
                book_,       log_,     slots_,   blobs_,    epoch_.seconds, epoch_.given} {}

    BuiltGraph build() {
        tell_warnings(dockerfile_, dockerfile_.warnings, log_);
        std::vector<oci::Platform> platforms = options_.platforms;
        if (platforms.empty()) {
            platforms.push_back(oci::Platform::host());
        }
        if (!options_.no_cache && !options_.lint_only) {
            for (const CachePlace& place : options_.cache_from) {
                services_.cache.import(place, services_.places, run_);
            }
        }
        BuiltGraph built{{}, {}, RecordBook().take(), 0, 0};
        for (const oci::Platform& platform : platforms) {
            build_for(platform, built);
        }
        if (options_.lint_only) {
            return built;
        }
        images_.keep_names(run_);
        finish(built);
        return built;
    }

private:
    void build_for(const oci::Platform& platform, BuiltGraph& built) {
        StageOptions stage_options;
        stage_options.target = options_.target;
        stage_options.build_args = options_.build_args;
        stage_options.target_platform = platform.normalised();
        PlatformBuild stages(work_, stage_options, run_);
        tell_warnings(dockerfile_, stages.plan().warnings, log_);
        if (options_.lint_only) {
            return;
        }
        StageResult result = stages.build();
        ImageState& image = result.image;
        for (const auto& [key, value] : options_.labels) {
            image.config.labels[key] = value;
        }
        if (options_.cache_only) {
            return;
        }
        blobs_.finish(image.layers);
        auto annotations = options_.annotations;
        add_records(stages, image, annotations);
        built.images.push_back(write_image(image, epoch_.seconds, annotations, services_));
        built.record.results.push_back({platform.text(), built.images.back().manifest.raw.digest});
        tell_unused_args(options_, stages.plan(), book_, run_);
    }

    /// What this platform gives to caches.
    void add_records(PlatformBuild& stages, const ImageState& image,
                     std::vector<std::pair<std::string, std::string>>& annotations) {
        const std::vector<StepRecord> own = steps_of(image.layers);
        least_.insert(least_.end(), own.begin(), own.end());
        for (const CachePlace& place : options_.cache_to) {
            if (place.type == CachePlace::Type::Inline) {
                annotations.push_back(BuildCache::inline_annotation(own));
            }
        }
        if (wants(options_.cache_to, true)) {
            std::vector<LayerState> all = stages.all_layers();
            blobs_.finish(all);
            const std::vector<StepRecord> steps = steps_of(all);
            most_.insert(most_.end(), steps.begin(), steps.end());
        }
    }

    void finish(BuiltGraph& built) {
        for (const CachePlace& place : options_.cache_to) {
            if (place.type != CachePlace::Type::Inline) {
                services_.cache.export_to(place, place.max ? most_ : least_, services_.places, run_);
            }
        }
        std::vector<oci::Graph> graphs;
        for (const oci::Image& image : built.images) {
            graphs.push_back(oci::graph_of(image));
        }
        if (!graphs.empty()) {
            built.graph = graphs.size() == 1 ? graphs[0] : make_index(graphs, {}, IfListed::Refuse, run_);
        }
        BuildRecord record = book_.take();
        record.dockerfile = sha256(dockerfile_.text);
        record.target = options_.target;
        record.epoch = epoch_.seconds;
        record.scrub = options_.scrub;
        record.args = options_.build_args;
        for (const BuildSecret& secret : options_.secrets) {
            record.secrets.push_back(secret.id);
        }
        record.results = std::move(built.record.results);
        built.record = std::move(record);
        for (const oci::Image& image : built.images) {
            remember_record(services_.store.path(), image.manifest.raw.digest, built.record);
        }
        built.steps = log_.steps();
        built.cached = log_.cached();
    }

    Dockerfile dockerfile_;
    const ContextTree& context_;
    const ImageBuildOptions& options_;
    const ImageBuildServices& services_;
    Run run_;
    StepLog log_;
    StepSlots slots_;
    std::map<std::string, ContextTree, std::less<>> named_;
    RecordBook book_;
    BaseImages images_;
    Epoch epoch_;
    BlobMaker blobs_;
    BuildWork work_;
    std::vector<StepRecord> least_;  // the steps of the results
    std::vector<StepRecord> most_;   // of all stages
};

}  // namespace

BuiltGraph build_image(const ContextTree& context, const ImageBuildOptions& options, const ImageBuildServices& services,
                       BuildObserver& observer, const Run& run) {
    return Build(context, options, services, observer, run).build();
}

}  // namespace cooper::build
