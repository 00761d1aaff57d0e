// What `build` works with: the builder, the places where images are looked up, and what the base image's name means.
#pragma once

#include "cooper/build/lookups.hpp"
#include "cooper/build/runtime_image.hpp"

#include "runtime_api_flags.hpp"
#include "session.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::cli {

/// One image of a target for a platform.
struct BuildVariant {
    std::string target;
    oci::Platform platform;
    bool several_platforms = false;
};

/// All targets for all platforms that the settings name; without any, the last stage for this machine. Throws
/// UsageError where images would share their tags: profiles v0 and v1 know neither targets nor platforms.
std::vector<BuildVariant> build_variants(const build::ImageSettings& settings);

/// How images are built, besides what they are made of.
struct BuildManner {
    bool push = false;
    bool dry_run = false;          ///< nothing is moved to where it would be needed
    bool pull = false;             ///< what the base's name means is asked of its registry, whatever an engine has
    bool no_cache = false;         ///< every step is run again
    bool cache_read_only = false;  ///< no step is remembered
};

/// Borrows the session.
class BuildPlaces {
public:
    /// `own`: cooper itself as the builder; null: an engine or the Runtime API, as the settings say. Throws UsageError
    /// for a place that is not known, and for what they need and was not given, or cannot do.
    BuildPlaces(Session& session, const build::ImageSettings& settings, const RuntimeApiFlags& api,
                const BuildManner& manner, std::unique_ptr<build::Builder> own);

    /// The engine is looked for when it is first needed: a dry run that asks registries alone needs none.
    [[nodiscard]] build::Builder& builder();
    [[nodiscard]] build::BuilderAbilities abilities() const {
        return builder_ ? builder_->abilities() : build::BuilderAbilities();
    }
    [[nodiscard]] build::ImageLookup& lookup() { return lookup_; }
    /// What is known of the variant besides the settings. Asks for the base's digest where the tags need it.
    [[nodiscard]] build::RuntimeImageInputs inputs(const BuildVariant& variant);
    /// Where the image is that was found: "engine", "registry", "store", "Runtime API"; empty: nothing was.
    [[nodiscard]] std::string found_in(const build::BuildDecision& decision) const;
    /// Gives an image that exists the decision's names; returns those that it has now.
    std::vector<std::string> give_names(const build::BuildDecision& decision, const std::string& found_in);
    /// Copies the decision's image from the engine or store to the registries of its names.
    void push(const build::BuildDecision& decision, const std::string& found_in);

private:
    void use_runtime_api(const RuntimeApiFlags& api);
    void add_place(const std::string& name, bool required);
    void choose_places();
    [[nodiscard]] bool looks_in(std::string_view place) const;
    bool find_base_in_registry(const oci::Reference& base, bool required);
    [[nodiscard]] std::optional<oci::EngineImage> ask_engine(const oci::Reference& base);
    bool find_base_in_engine(const oci::Reference& base);
    bool find_base_in_store(const oci::Reference& base);
    void resolve_base();
    void load_from_store(const std::string& image, const Run& run);

    Session& session_;
    const build::ImageSettings& settings_;
    BuildManner manner_;
    bool remote_ = false;
    bool own_;  // cooper builds
    std::unique_ptr<build::RemoteBuilder> api_;
    std::unique_ptr<build::Builder> builder_;
    std::unique_ptr<build::Builder> engine_;  // to look images up in, when another one builds
    build::PlacesLookup lookup_;
    std::vector<std::string> places_;
    std::string registry_prefix_;
    bool base_resolved_ = false;
    std::optional<Digest> base_digest_;
    bool base_digest_names_it_ = true;
};

}  // namespace cooper::cli
