// A Dockerfile becomes an image: stages side by side, each step from the cache or in a sandbox, the same bytes each
// time.
//
// `dockerfile.md`; the parts are dockerfile.hpp, dockerfile_stages.hpp, copy_files.hpp, sandbox.hpp, snapshots.hpp and
// build_cache.hpp. What comes out is a graph like any other: oci::write_place() takes it anywhere.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/build_cache.hpp"
#include "cooper/build/build_record.hpp"
#include "cooper/build/build_source.hpp"
#include "cooper/build/builder.hpp"
#include "cooper/build/sandbox.hpp"
#include "cooper/build/snapshots.hpp"
#include "cooper/oci/copy.hpp"
#include "cooper/oci/platform.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

/// Files dated later than this are dated to it, and so are images, unless SOURCE_DATE_EPOCH says another time: the 2nd
/// of January 1980, since zip archives (Python's wheels among them) hold nothing earlier in any time zone.
inline constexpr std::int64_t kDefaultBuildEpoch = 315619200;

/// A secret of `RUN --mount=type=secret`; its value is asked for when a step wants it.
struct BuildSecret {
    std::string id;
    std::function<std::string()> value;  ///< at most 500 KiB
};

struct ImageBuildOptions {
    std::string target;
    std::vector<std::pair<std::string, std::string>> build_args;
    std::vector<oci::Platform> platforms;                          ///< empty: this machine's; several give an index
    std::vector<std::pair<std::string, std::string>> labels;       ///< on top, as `docker build --label`
    std::vector<std::pair<std::string, std::string>> annotations;  ///< of manifests
    std::vector<BuildSecret> secrets;
    std::map<std::string, std::filesystem::path, std::less<>> ssh;  ///< id -> agent socket
    /// NAME -> place: a directory, tar or git reference, or "docker-image://REF", "oci-layout://DIR[:REF]",
    /// "store:NAME".
    std::vector<std::pair<std::string, std::string>> contexts;
    std::vector<std::pair<std::string, std::string>> extra_hosts;
    std::string network;                ///< "", "default", "host", "none": of every RUN that does not say
    std::optional<std::int64_t> epoch;  ///< SOURCE_DATE_EPOCH of the caller; a build-arg of that name counts more
    std::vector<std::string> scrub;     ///< CaptureOptions
    bool pull = false;
    bool no_cache = false;                     ///< nothing is read from the cache
    std::vector<std::string> no_cache_stages;  ///< --no-cache-filter
    bool cache_read_only = false;              ///< nothing is remembered (cache mounts are)
    bool cache_only = false;                   ///< steps are run and remembered, no image is written
    bool lint_only = false;                    ///< --check: parse and plan, build nothing
    std::vector<CachePlace> cache_from;
    std::vector<CachePlace> cache_to;
    LayerCompression compression;
    std::optional<BuildRecord> locked;  ///< everything must be in it, or pinned by itself
    bool debug_shell = false;           ///< a shell in the failed step's file system
    unsigned parallel = 0;              ///< steps at once; 0: as many as there are cores
};

/// What a build says while it works; from any thread, one call at a time.
class BuildObserver {
public:
    virtual ~BuildObserver() = default;
    struct Step {
        std::size_t number = 0;  ///< counts from 1 in the order of their beginning, over all stages
        std::string title;       ///< "[build 2/5] RUN make"
    };
    virtual void begin(const Step& /*step*/) {}
    virtual void output(const Step& /*step*/, std::string_view /*line*/, std::chrono::milliseconds /*since_begin*/) {}
    enum class End { Done, Cached, Failed, Stopped };
    virtual void end(const Step& /*step*/, End /*how*/, std::chrono::milliseconds /*took*/) {}
    virtual void warning(const DockerfileWarning& /*warning*/, std::string_view /*file*/) {}
};

/// What a build stands on. Borrowed, and must outlive the images.
struct ImageBuildServices {
    oci::Store& store;
    Snapshots& snapshots;
    BuildCache& cache;
    CacheMounts& mounts;
    Confinement confinement;
    oci::PlaceAccess places;  ///< with the store
    SourceAccess sources;
    std::filesystem::path spool;
    std::filesystem::path hash_memory;
};

struct BuiltGraph {
    oci::Graph graph;                ///< one image, or an index of them
    std::vector<oci::Image> images;  ///< in the order of the platforms
    BuildRecord record;
    std::uint64_t steps = 0;
    std::uint64_t cached = 0;
};

/// Blobs are in the store when it returns. Throws DockerfileError; BuildFailed for a step that failed, with its place
/// in the Dockerfile, its exit status and its last lines; Error{Unsupported} for a RUN where the confinement has none,
/// or a foreign architecture without binfmt; Cancelled. A failure leaves nothing but cached steps.
BuiltGraph build_image(const ContextTree& context, const ImageBuildOptions& options, const ImageBuildServices& services,
                       BuildObserver& observer, const Run& run);

/// The third builder: no engine, no daemon. Names are given in the store. Borrows.
class CooperBuilder final : public Builder {
public:
    CooperBuilder(const ImageBuildServices& services, ImageBuildOptions defaults, BuildObserver& observer)
        : services_(services), defaults_(std::move(defaults)), observer_(observer) {}
    [[nodiscard]] std::string description() const override;
    [[nodiscard]] BuilderAbilities abilities() const override { return {}; }
    std::string build(const BuildRequest& request, const Run& run) override;
    bool image_exists(const std::string& name, const Run& run) override;

private:
    const ImageBuildServices& services_;
    ImageBuildOptions defaults_;
    BuildObserver& observer_;
};

}  // namespace cooper::build
