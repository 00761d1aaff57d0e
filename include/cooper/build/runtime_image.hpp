// A runtime image, built as little as possible: its three tags, what exists of them, the Dockerfile and context that
// are left to build, the names afterwards (`tags.md` section 7).
//
//     const RuntimeImage image = RuntimeImage::from(settings, {.base_digest = digest}, run);   // tags and names
//     BuilderLookup lookup(builder);
//     const BuildDecision decision = image.decide({}, lookup, run);
//     if (decision.reuse.action != ReuseAction::Reuse) {
//         image.build(decision, builder, run);
//     }
#pragma once

#include "cooper/build/builder.hpp"
#include "cooper/build/context.hpp"
#include "cooper/build/hash_tags.hpp"
#include "cooper/build/project.hpp"
#include "cooper/build/reuse.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

/// What is known besides the settings.
struct RuntimeImageInputs {
    std::optional<Digest> base_digest;  ///< what the base names now; profile cooper needs it
    /// BASE@DIGEST can be asked for: false when the digest is only an engine's image ID.
    bool base_digest_names_it = true;
    oci::Platform platform = oci::Platform::host();
    std::string target;                     ///< one of the settings' targets; may be empty
    std::string default_registry_prefix;    ///< the Runtime API's; used when the settings name no repository
    bool several_platforms = false;         ///< custom tags get the architecture at their end
    std::filesystem::path cache_directory;  ///< as in TreeOptions
};

struct BuildDecision {
    ReuseDecision reuse;
    std::string reason;  ///< one line: "lock image … exists: only source files are new"
};

/// One image of one target and platform, named but not built. A value.
struct RuntimeImage {
    ImageSettings settings;
    HashTags tags;
    ImageNames names;  ///< `base` is pinned to its digest where that is known
    oci::Platform platform;
    std::string target;

    /// Throws Error{InvalidInput} for settings that are not enough (no base, no version, sources that a profile needs),
    /// or that make no valid name; what the profile's tags throw.
    static RuntimeImage from(const ImageSettings& settings, const RuntimeImageInputs& inputs, const Run& run);

    /// decide_reuse() by the settings' rules: an image with a plain Dockerfile has no levels between "there" and "from
    /// the beginning".
    [[nodiscard]] BuildDecision decide(const ReuseOptions& options, ImageLookup& lookup, const Run& run) const;

    /// The request for a builder: Dockerfile rendered for the decision, context, names, arguments. For a builder that
    /// takes no arguments they are in the Dockerfile.
    [[nodiscard]] BuildRequest request(const BuildDecision& decision, const BuilderAbilities& abilities,
                                       const Run& run) const;

    /// builder.build() of request(). Returns the image's name.
    std::string build(const BuildDecision& decision, Builder& builder, const Run& run) const;
};

/// The settings' version, or of version_file, or of pyproject.toml's "version =" line. Throws Error{InvalidInput} with
/// what to give.
std::string version_of(const ImageSettings& settings);

/// The settings with what they do not say themselves: of an agent server's checkout with_agent_server(), of a plain
/// Dockerfile without a base the one image that it builds on, and for a name that of the root. Throws what
/// dockerfile_text() throws.
ImageSettings completed(ImageSettings settings, const Run& run);

/// What the settings' names begin with: repository, prefix and name, the default prefix and name, or the name alone.
std::string repository_of(const ImageSettings& settings, const std::string& default_registry_prefix);

}  // namespace cooper::build
