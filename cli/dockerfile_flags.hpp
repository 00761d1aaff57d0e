// The flags of `docker build` and `docker buildx build`, for the builder that needs no engine.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/build/image_build.hpp"

#include "command_line.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cooper::cli {

/// Where a result goes besides the store (`--output`).
struct BuildOutput {
    enum class Kind { Place, RootDirectory, RootTar, Nothing };
    Kind kind = Kind::Place;
    std::string target;  ///< a place as parse_destination() takes it, or a path; "-" is standard output

    /// "docker-archive:FILE", "oci:DIR", "docker-daemon:", "docker://NAME"; buildx' "type=docker,dest=FILE",
    /// "type=oci", "type=registry", "type=image,push=true", "type=local", "type=tar", "type=cacheonly"; a directory;
    /// "-". Throws Error{InvalidInput}.
    static BuildOutput parse(std::string_view text);
};

class DockerfileFlags {
public:
    void declare(CommandLine& line);
    /// Everything that these flags say; secrets are read when a step wants them. Throws UsageError.
    [[nodiscard]] build::ImageBuildOptions options(const Environment& environment) const;
    [[nodiscard]] std::vector<BuildOutput> outputs() const;
    [[nodiscard]] bool exports_cache() const { return !cache_to_.empty(); }
    [[nodiscard]] std::optional<build::Isolation> wanted_isolation() const { return isolation_; }

    std::string file;
    bool load = false;
    bool check = false;
    std::string image_id_file;
    std::string metadata_file;
    std::string lock_file;
    std::string progress;

private:
    std::vector<std::string> secrets_;
    std::vector<std::string> ssh_;
    std::vector<std::string> contexts_;
    std::vector<std::string> labels_;
    std::vector<std::string> annotations_;
    std::vector<std::string> hosts_;
    std::vector<std::string> cache_from_;
    std::vector<std::string> cache_to_;
    std::vector<std::string> no_cache_filter_;
    std::vector<std::string> outputs_;
    std::vector<std::string> scrub_;
    std::vector<std::string> ignored_;
    std::string call_;
    std::string network_;
    std::string locked_;
    std::string compression_;
    bool cache_read_only_ = false;
    bool debug_shell_ = false;
    std::optional<build::Isolation> isolation_;
};

}  // namespace cooper::cli
