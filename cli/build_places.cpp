#include "build_places.hpp"

#include <algorithm>
#include <array>

namespace cooper::cli {

namespace {

constexpr std::string_view kRuntimeApi = "Runtime API";
constexpr std::string_view kEnginePlace = "engine";
constexpr std::string_view kRegistryPlace = "registry";
constexpr std::string_view kStorePlace = "store";

/// A name as Docker Hub's own images have it: nobody pushes there, and nobody means it when a registry is not named.
bool names_a_registry(const std::string& repository) {
    const auto reference = oci::Reference::parse(repository + ":x");
    return reference.domain() != "docker.io" || !reference.path().starts_with("library/");
}

oci::PlaceName place_of(oci::PlaceName::Kind kind, const std::string& image) {
    oci::PlaceName place;
    place.kind = kind;
    place.reference = oci::Reference::parse(image);
    return place;
}

oci::WriteOptions write_task(const std::string& image) {
    oci::WriteOptions options;
    options.task = image;
    return options;
}

bool is_absence(const Error& error) {
    return error.code() == ErrorCode::NotFound || error.code() == ErrorCode::AccessDenied ||
           error.code() == ErrorCode::Unavailable;
}

}  // namespace

std::vector<BuildVariant> build_variants(const build::ImageSettings& settings) {
    const auto targets = settings.targets.value_or(std::vector<std::string>{""});
    std::vector<oci::Platform> platforms;
    for (const std::string& text : settings.platforms.value_or(std::vector<std::string>())) {
        platforms.push_back(as_usage("platform", [&] { return oci::Platform::parse(text); }));
    }
    if (platforms.empty()) {
        platforms.push_back(oci::Platform::host());
    }
    const std::string profile = settings.profile.value_or(std::string(build::kDefaultTagProfile));
    const bool many = targets.size() > 1 || platforms.size() > 1;
    if (many && profile != build::kDefaultTagProfile) {
        throw UsageError("tags of profile " + profile +
                             " do not know targets and platforms: the images would take each other's names",
                         "choose one with --target and --platform, or use --profile cooper");
    }
    std::vector<BuildVariant> variants;
    for (const std::string& target : targets) {
        for (const oci::Platform& platform : platforms) {
            variants.push_back({target, platform, platforms.size() > 1});
        }
    }
    return variants;
}

BuildPlaces::BuildPlaces(Session& session, const build::ImageSettings& settings, const RuntimeApiFlags& api,
                         const BuildManner& manner, std::unique_ptr<build::Builder> own)
    : session_(session), settings_(settings), manner_(manner), own_(own != nullptr), builder_(std::move(own)) {
    remote_ = settings.builder == "remote";
    if (remote_) {
        use_runtime_api(api);
    }
    if (manner.push && !names_a_registry(build::repository_of(settings, registry_prefix_))) {
        throw UsageError("--push: the image's name says no registry", "--registry-prefix registry.example/team");
    }
    choose_places();
}

void BuildPlaces::use_runtime_api(const RuntimeApiFlags& api) {
    const std::string url = settings_.runtime_api_url.value_or("");
    if (url.empty()) {
        throw UsageError("--builder remote: where is the Runtime API?",
                         "--runtime-api-url URL, RUNTIME_API_URL, or a key \"runtime_api_url\" in the project file");
    }
    if (manner_.push) {
        throw UsageError("--push: the Runtime API pushes what it builds by itself");
    }
    if (manner_.pull || manner_.no_cache) {
        throw UsageError(std::string(manner_.pull ? "--pull" : "--no-cache") +
                             ": the Runtime API cannot be asked for that, it has a cache of its own",
                         "--builder engine");
    }
    const auto options = as_usage("Runtime API", [&] { return api.options(url, session_.environment()); });
    api_ = std::make_unique<build::RemoteBuilder>(session_.http(), options);
    builder_ = std::make_unique<build::RuntimeApiBuilder>(*api_, url, session_.spool());
    if (!settings_.repository && !settings_.registry_prefix) {
        registry_prefix_ = api_->registry_prefix(session_.run());
    }
}

build::Builder& BuildPlaces::builder() {
    if (!builder_) {
        builder_ = std::make_unique<build::EngineBuilder>(session_.engine(), &session_.registry_credentials());
    }
    return *builder_;
}

void BuildPlaces::choose_places() {
    if (remote_) {
        add_place(std::string(kRuntimeApi), true);
    }
    if (settings_.look_in) {
        for (const std::string& place : *settings_.look_in) {
            add_place(place, true);
        }
    } else if (!remote_) {
        add_place(std::string(own_ ? kStorePlace : kEnginePlace), true);
        if (names_a_registry(build::repository_of(settings_, registry_prefix_))) {
            add_place(std::string(kRegistryPlace), false);
        }
    }
}

void BuildPlaces::add_place(const std::string& name, bool required) {
    std::unique_ptr<build::ImageLookup> place;
    if (name == kRuntimeApi || (name == kEnginePlace && !remote_ && !own_)) {
        place = std::make_unique<build::BuilderLookup>(builder());
    } else if (name == kEnginePlace) {
        engine_ = std::make_unique<build::EngineBuilder>(session_.engine(), nullptr);
        place = std::make_unique<build::BuilderLookup>(*engine_);
    } else if (name == kRegistryPlace) {
        place = std::make_unique<build::RegistryLookup>(session_.registry());
    } else if (name == kStorePlace) {
        oci::Store* store = session_.places().store;
        if (store == nullptr) {
            session_.note("there is no local store to look images up in");
            return;
        }
        build::StoreLookup::Load load;
        if (!remote_ && !own_ && !manner_.dry_run) {
            load = [this](const std::string& image, const Run& run) { load_from_store(image, run); };
        }
        place = std::make_unique<build::StoreLookup>(*store, std::move(load));
    } else {
        throw UsageError("--look-in: \"" + name + "\" is none of engine, registry and store");
    }
    lookup_.add(name, std::move(place), required);
    places_.push_back(name);
}

/// The engine must have what it is to build on.
void BuildPlaces::load_from_store(const std::string& image, const Run& run) {
    const auto opened =
        oci::open_place(place_of(oci::PlaceName::Kind::Store, image), std::nullopt, false, session_.places(), run);
    oci::write_place(place_of(oci::PlaceName::Kind::DockerDaemon, image), {opened}, write_task(image),
                     session_.places(), run);
}

bool BuildPlaces::looks_in(std::string_view place) const {
    return std::find(places_.begin(), places_.end(), place) != places_.end();
}

// --- the base image ------------------------------------------------------------------------------------------------

bool BuildPlaces::find_base_in_registry(const oci::Reference& base, bool required) {
    try {
        base_digest_ = in_context("while asking what the base image " + base.familiar() + " is now",
                                  [&] { return session_.registry().manifest(base, session_.run()).raw.digest; });
        base_digest_names_it_ = true;
        return true;
    } catch (const Error& error) {
        if (required || !is_absence(error)) {
            throw;
        }
        return false;
    }
}

std::optional<oci::EngineImage> BuildPlaces::ask_engine(const oci::Reference& base) {
    try {
        return session_.engine().find(base.familiar(), session_.run());
    } catch (const Error& error) {
        if (looks_in(kEnginePlace) || !is_absence(error)) {
            throw;
        }
        return std::nullopt;  // there is none, and nobody asked for one
    }
}

bool BuildPlaces::find_base_in_engine(const oci::Reference& base) {
    const auto found = ask_engine(base);
    if (!found) {
        return false;
    }
    for (const std::string& text : found->repo_digests) {
        const auto known = oci::Reference::parse(text);
        if (known.repository() == base.repository() && known.digest()) {
            base_digest_ = known.digest();
            base_digest_names_it_ = true;
            return true;
        }
    }
    base_digest_ = Digest::try_parse(found->id);
    base_digest_names_it_ = false;
    return base_digest_.has_value();
}

bool BuildPlaces::find_base_in_store(const oci::Reference& base) {
    oci::Store* const store = session_.places().store;
    const std::string name = base.with_tag(*base.effective_tag()).text();
    if (store == nullptr || !build::StoreLookup(*store).exists(name, false, session_.run())) {
        return false;
    }
    base_digest_ = oci::open_place(place_of(oci::PlaceName::Kind::Store, name), std::nullopt, true, session_.places(),
                                   session_.run())
                       .graph.root()
                       .digest;
    base_digest_names_it_ = true;
    return true;
}

/// Where images are looked up, the base's name has its meaning: in the registry, else as the builder has it, which is
/// what it would build on. With --pull in the registry alone: pinned to what the engine has, nothing new would come.
void BuildPlaces::resolve_base() {
    const auto base = as_usage("base image", [&] { return oci::Reference::parse(*settings_.base); });
    if (base.digest()) {
        base_digest_ = base.digest();
        return;
    }
    const bool registry_only = remote_ || manner_.pull;
    const bool registry_first = registry_only || looks_in(kRegistryPlace);
    if (registry_first && find_base_in_registry(base, registry_only)) {
        return;
    }
    if (own_ ? find_base_in_store(base) : find_base_in_engine(base)) {
        if (registry_first) {
            session_.note("base image " + base.familiar() + ": as the " + (own_ ? "store" : "engine") +
                          " has it, no registry gave it");
        }
        return;
    }
    find_base_in_registry(base, true);
}

build::RuntimeImageInputs BuildPlaces::inputs(const BuildVariant& variant) {
    const std::string profile = settings_.profile.value_or(std::string(build::kDefaultTagProfile));
    if (!base_resolved_ && profile == build::kDefaultTagProfile && settings_.base && *settings_.base != "scratch") {
        resolve_base();
    }
    base_resolved_ = true;
    build::RuntimeImageInputs inputs;
    inputs.base_digest = base_digest_;
    inputs.base_digest_names_it = base_digest_names_it_;
    inputs.platform = variant.platform;
    inputs.target = variant.target;
    inputs.several_platforms = variant.several_platforms;
    inputs.default_registry_prefix = registry_prefix_;
    return inputs;
}

// --- names ---------------------------------------------------------------------------------------------------------

std::string BuildPlaces::found_in(const build::BuildDecision& decision) const {
    const auto& reuse = decision.reuse;
    switch (reuse.action) {
        case build::ReuseAction::Reuse:
            return lookup_.found_in(reuse.image);
        case build::ReuseAction::FromLock:
        case build::ReuseAction::FromVersioned:
            return lookup_.found_in(reuse.from);
        case build::ReuseAction::FromScratch:
            break;
    }
    return "";
}

std::vector<std::string> BuildPlaces::give_names(const build::BuildDecision& decision, const std::string& found_in) {
    const auto& names = decision.reuse.apply;
    if (names.empty()) {
        return {};
    }
    if (found_in == kRuntimeApi) {
        session_.warn("the Runtime API gives names only to what it builds: " + decision.reuse.image +
                      " exists, and does not get " + joined(names));
        return {};
    }
    if (found_in == kEnginePlace) {
        for (const std::string& name : names) {
            session_.engine().tag(decision.reuse.image, oci::Reference::parse(name), session_.run());
        }
        return names;
    }
    const auto kind = found_in == kStorePlace ? oci::PlaceName::Kind::Store : oci::PlaceName::Kind::Registry;
    const auto image =
        oci::open_place(place_of(kind, decision.reuse.image), std::nullopt, true, session_.places(), session_.run());
    for (const std::string& name : names) {
        oci::write_place(place_of(kind, name), {image}, write_task(name), session_.places(), session_.run());
    }
    return names;
}

void BuildPlaces::push(const build::BuildDecision& decision, const std::string& found_in) {
    const bool reused = decision.reuse.action == build::ReuseAction::Reuse;
    const std::string_view built_in = own_ ? kStorePlace : kEnginePlace;
    if (reused && found_in != built_in) {
        return;  // it came from a registry, or is to stay where it is
    }
    std::vector<std::string> names = decision.reuse.apply;
    if (reused) {
        names.insert(names.begin(), decision.reuse.image);
    }
    const auto kind = own_ ? oci::PlaceName::Kind::Store : oci::PlaceName::Kind::DockerDaemon;
    const auto image =
        oci::open_place(place_of(kind, decision.reuse.image), std::nullopt, false, session_.places(), session_.run());
    // The source name is what others look for first: it is the last to appear.
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
        oci::write_place(place_of(oci::PlaceName::Kind::Registry, *name), {image}, write_task(*name), session_.places(),
                         session_.run());
    }
}

}  // namespace cooper::cli
