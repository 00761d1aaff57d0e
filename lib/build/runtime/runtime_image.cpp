#include "cooper/build/runtime_image.hpp"

#include "cooper/base/text.hpp"
#include "cooper/build/git_tags.hpp"
#include "cooper/oci/reference.hpp"

#include "build/runtime/tags_of_image.hpp"
#include "build/tags/tag_levels.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <set>

namespace cooper::build {

namespace {

using Arguments = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kRuntimeRepository = "ghcr.io/openhands/runtime";  // profile v0's, since 2025-10-23
constexpr const char* kBaseArgument = "BASE_IMAGE";

Error invalid_image(const std::string& message) {
    return {ErrorCode::InvalidInput, message};
}

/// v0: a base that is a runtime image already gives its own repository.
std::string runtime_image_repository(const ImageSettings& settings, const std::string& configured) {
    if (settings.base->find(configured) == std::string::npos) {
        return configured;
    }
    const auto reference = oci::Reference::parse(*settings.base);
    const std::string familiar = reference.with_tag("x").familiar();
    return familiar.substr(0, familiar.size() - 2);
}

std::string custom_name(const std::string& tag, const std::string& repository, const std::string& architecture) {
    const bool whole = tag.find_first_of("/:") != std::string::npos;
    std::string name = (whole ? tag : repository + ":" + tag) + (architecture.empty() ? "" : "-" + architecture);
    const auto reference =
        in_context("the custom tag '" + oci::printable(tag) + "'", [&] { return oci::Reference::parse(name); });
    if (!reference.tag() || reference.digest()) {
        throw invalid_image("the custom tag '" + oci::printable(tag) + "' is neither a tag nor REPOSITORY:TAG");
    }
    return name;
}

/// Answers for the names that an image without levels may be found by: lock and versioned images are no use to it.
class WithoutLevels final : public ImageLookup {
public:
    WithoutLevels(ImageLookup& lookup, const ImageNames& names) : lookup_(lookup), names_(names) {}
    bool exists(const std::string& image, bool pull, const Run& run) override {
        return image != names_.lock && image != names_.versioned && lookup_.exists(image, pull, run);
    }

private:
    ImageLookup& lookup_;
    const ImageNames& names_;
};

std::string reason_of(const ReuseDecision& reuse, const ReuseOptions& options, bool levels) {
    switch (reuse.action) {
        case ReuseAction::Reuse:
            return reuse.image + " exists: nothing is built";
        case ReuseAction::FromLock:
            return reuse.from + " exists: only source files are built on it";
        case ReuseAction::FromVersioned:
            return reuse.from + " exists: dependencies and source files are built on it";
        case ReuseAction::FromScratch:
            break;
    }
    if (options.force) {
        return "forced: everything is built on " + reuse.from + ", whatever exists";
    }
    return (levels ? "no source, lock or versioned image exists"
                   : "no source image exists, and a plain Dockerfile "
                     "builds all or nothing") +
           std::string(": everything is built on ") + reuse.from;
}

BuildBase::Level level_of(ReuseAction action) {
    switch (action) {
        case ReuseAction::FromLock:
            return BuildBase::Level::Lock;
        case ReuseAction::FromVersioned:
            return BuildBase::Level::Versioned;
        case ReuseAction::Reuse:
        case ReuseAction::FromScratch:
            break;
    }
    return BuildBase::Level::Scratch;
}

/// A Dockerfile that says itself what it builds on must mean the base that the tags name.
void settle_base(const RuntimeImage& image, const std::string& text, const std::string& base, Arguments& args) {
    const bool given =
        std::any_of(args.begin(), args.end(), [](const auto& arg) { return arg.first == kBaseArgument; });
    if (given || has_levels(image.settings)) {
        return;
    }
    const auto named = [&](const std::vector<std::string>& images, const std::string& wanted) {
        return std::find(images.begin(), images.end(), wanted) != images.end();
    };
    auto with_base = args;
    with_base.emplace_back(kBaseArgument, base);
    const auto images = images_of_dockerfile(text, args);
    const auto images_with_base = images_of_dockerfile(text, with_base);
    if (images != images_with_base || (named(images_with_base, base) && !named(images, base))) {
        args = std::move(with_base);
        return;
    }
    if (!named(images, base) && !named(images, *image.settings.base) && *image.settings.base != "scratch") {
        throw invalid_image("the Dockerfile does not build on the base image " + oci::printable(*image.settings.base) +
                            ", which the tags would name")
            .advise("begin it with \"ARG BASE_IMAGE\" and \"FROM ${BASE_IMAGE}\", or name the base that it builds on");
    }
}

/// As builders do with arguments that nothing reads: a template need not declare on a lock image what it does from the
/// beginning.
void drop_undeclared(const std::string& text, Arguments& args, const Run& run) {
    const auto declared = arguments_of_dockerfile(text);
    std::erase_if(args, [&](const auto& arg) {
        const bool known = std::binary_search(declared.begin(), declared.end(), arg.first);
        if (!known) {
            run.progress->notice(NoticeLevel::Warning, "no ARG of the Dockerfile declares the build argument " +
                                                           oci::printable(arg.first) + ": it is left out");
        }
        return !known;
    });
    for (const auto& [name, value] : args) {
        if (looks_secret(name, value)) {
            run.progress->notice(NoticeLevel::Warning, "the value of the build argument " + oci::printable(name) +
                                                           " goes into the Dockerfile that is sent, and into the "
                                                           "image's history");
        }
    }
}

/// A builder that takes no platform builds for its own.
void check_only_platform(const ImageSettings& settings, const oci::Platform& platform, const Run& run) {
    if (!settings.platforms) {
        return;
    }
    if (settings.platforms->size() > 1) {
        throw Error(ErrorCode::Unsupported, "this builder cannot be asked for a platform, and several are wanted")
            .advise("name the one that it builds for with --platform, or use --builder engine");
    }
    run.progress->notice(NoticeLevel::Info, "the tags name " + platform.text() +
                                                "; the builder cannot be asked for a platform and builds for its own");
}

/// As far as an image can have it for its name.
std::string name_of_directory(const std::filesystem::path& root) {
    std::error_code ignored;
    std::string name = to_lower(std::filesystem::weakly_canonical(root, ignored).filename().string());
    std::replace_if(
        name.begin(), name.end(), [](char c) { return !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')); }, '-');
    name.erase(std::unique(name.begin(), name.end(), [](char a, char b) { return a == '-' && b == '-'; }), name.end());
    const auto begin = name.find_first_not_of('-');
    return begin == std::string::npos ? "image" : name.substr(begin, name.find_last_not_of('-') + 1 - begin);
}

}  // namespace

std::string version_of(const ImageSettings& settings) {
    if (settings.version) {
        return *settings.version;
    }
    if (settings.version_file) {
        std::string version = read_version_file(settings.root / *settings.version_file);
        return version.starts_with('v') ? version.substr(1) : version;
    }
    const bool v0 = profile_of(settings) == kProfileV0;
    const auto package = v0 ? package_directory(settings) : settings.root;
    if (auto version = find_project_version(v0 ? package.parent_path() : settings.root, package)) {
        return *version;
    }
    if (v0) {
        return "unknown";
    }
    throw invalid_image("the image's version is not known")
        .advise(
            "--version 1.2.3, --version-file VERSION, a key \"version\" in the project file, or a line "
            "'version = \"…\"' in pyproject.toml");
}

ImageSettings completed(ImageSettings settings, const Run& run) {
    settings = with_agent_server(std::move(settings));
    if (settings.name.empty()) {
        settings.name = name_of_directory(settings.root);
    }
    if (settings.base || has_levels(settings)) {
        return settings;
    }
    const std::string target = settings.targets && !settings.targets->empty() ? settings.targets->front() : "";
    const auto images =
        images_of_dockerfile(dockerfile_text(settings, {}, target, run), settings.build_args.value_or(Arguments()));
    if (images.size() == 1) {
        settings.base = images.front();
    }
    return settings;
}

std::string repository_of(const ImageSettings& settings, const std::string& default_registry_prefix) {
    const std::string configured = settings.repository.value_or("");
    if (profile_of(settings) == kProfileV0 && settings.base && !settings.registry_prefix) {
        if (configured.empty() && !default_registry_prefix.empty()) {
            return runtime_repository(default_registry_prefix);
        }
        return runtime_image_repository(settings, configured.empty() ? kRuntimeRepository : configured);
    }
    if (!configured.empty()) {
        return configured;
    }
    std::string prefix = settings.registry_prefix.value_or(default_registry_prefix);
    while (prefix.ends_with('/')) {
        prefix.pop_back();
    }
    return prefix.empty() ? settings.name : prefix + "/" + settings.name;
}

RuntimeImage RuntimeImage::from(const ImageSettings& settings, const RuntimeImageInputs& inputs, const Run& run) {
    check_settings(settings);
    if (!settings.base || settings.base->empty()) {
        throw invalid_image("the base image is not known")
            .advise("--base-image ubuntu:22.04, BASE_IMAGE, or a key \"base\" in the project file");
    }
    RuntimeImage image;
    image.settings = settings;
    image.platform = inputs.platform;
    image.target = inputs.target;
    image.tags = tags_of_image(settings, inputs, run);
    const std::string repository = repository_of(settings, inputs.default_registry_prefix);
    const auto name = [&](const std::string& tag) { return repository + ":" + tag; };
    image.names = {name(image.tags.source), name(image.tags.lock), name(image.tags.versioned), *settings.base, {}};
    in_context("the repository '" + oci::printable(repository) + "'",
               [&] { return oci::Reference::parse(image.names.source); });
    if (inputs.base_digest && inputs.base_digest_names_it) {
        image.names.base = oci::Reference::parse(*settings.base).with_digest(*inputs.base_digest).familiar();
    }
    for (const std::string& tag : settings.tags.value_or(std::vector<std::string>())) {
        image.names.custom.push_back(
            custom_name(tag, repository, inputs.several_platforms ? inputs.platform.architecture : ""));
    }
    return image;
}

BuildDecision RuntimeImage::decide(const ReuseOptions& options, ImageLookup& lookup, const Run& run) const {
    const bool levels = has_levels(settings);
    WithoutLevels source_only(lookup, names);
    BuildDecision decision;
    decision.reuse = decide_reuse(names, options, levels || options.first_hit ? lookup : source_only, run);
    decision.reason = reason_of(decision.reuse, options, levels);
    return decision;
}

BuildRequest RuntimeImage::request(const BuildDecision& decision, const BuilderAbilities& abilities,
                                   const Run& run) const {
    std::string text = dockerfile_text(settings, {decision.reuse.from, level_of(decision.reuse.action)}, target, run);
    BuildRequest request;
    request.args = settings.build_args.value_or(Arguments());
    settle_base(*this, text, decision.reuse.from, request.args);
    request.target = target;
    request.base_images = images_of_dockerfile(text, request.args);
    request.names = decision.reuse.apply;
    if (abilities.platforms) {
        request.platform = platform;
    } else {
        check_only_platform(settings, platform, run);
    }
    if (!abilities.args_and_target) {
        drop_undeclared(text, request.args, run);
        text = standalone_dockerfile(text, target, request.args);
        request.args.clear();
        request.target.clear();
    }
    request.context =
        std::make_shared<BuildContext>(BuildContext::make(context_options(settings, std::move(text)), run));
    return request;
}

std::string RuntimeImage::build(const BuildDecision& decision, Builder& builder, const Run& run) const {
    return builder.build(request(decision, builder.abilities(), run), run);
}

}  // namespace cooper::build
