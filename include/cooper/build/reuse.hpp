// What exists already need not be built: which tag to look for, and what its presence means (`tags.md` section 7).
#pragma once

#include "cooper/base/run.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {
class RegistryClient;
}

namespace cooper::build {

/// Where images are looked up: a registry, an engine, a store. A look-up that fails throws; false means that the place
/// answered, and there is no such image.
class ImageLookup {
public:
    virtual ~ImageLookup() = default;
    /// `pull`: an image that is only remote counts, and may be fetched; false: it must be at hand. Places that are only
    /// remote ignore it.
    virtual bool exists(const std::string& image, bool pull, const Run& run) = 0;
};

/// Asks registries by HEAD. Borrows the client.
class RegistryLookup final : public ImageLookup {
public:
    explicit RegistryLookup(oci::RegistryClient& registry) : registry_(registry) {}
    bool exists(const std::string& image, bool pull, const Run& run) override;

private:
    oci::RegistryClient& registry_;
};

enum class ReuseAction : std::uint8_t { Reuse, FromLock, FromVersioned, FromScratch };
std::string_view to_string(ReuseAction action) noexcept;  ///< "reuse", "from-lock", "from-versioned", "from-scratch"

/// The three names of what would be built, most specific first, each REPOSITORY:TAG.
struct ImageNames {
    std::string source;
    std::string lock;
    std::string versioned;
    std::string base;                 ///< the base image, where building from scratch begins
    std::vector<std::string> custom;  ///< further names, applied after these (first_hit looks at them too)
};

struct ReuseOptions {
    bool force = false;  ///< build from scratch, look nothing up
    /// AgentServerBuildConfig's rule: the first of source, lock, versioned, custom that exists is the result, stale or
    /// not.
    bool first_hit = false;
    /// Leave out of `apply` the names that exist by then, as the v0 system does (it asks for each once more).
    bool keep_existing = false;
};

struct ReuseDecision {
    ReuseAction action = ReuseAction::FromScratch;
    std::string image;  ///< Reuse: what is there; else what will be there: the source name
    std::string from;   ///< what to build on; empty for Reuse
    /// Names to give to the image, most specific first. Reuse: the custom ones alone; with first_hit none.
    std::vector<std::string> apply;
};

/// By default v0's rules: an existing source image is the result; else the lock image is built on (source files only),
/// else the versioned image (dependencies and source), else the base image. What is built gets the source and lock
/// names, the versioned name when it was built from scratch, and the custom ones; `force` gives all. Throws what
/// `lookup` throws, with the image's name.
ReuseDecision decide_reuse(const ImageNames& names, const ReuseOptions& options, ImageLookup& lookup, const Run& run);

}  // namespace cooper::build
