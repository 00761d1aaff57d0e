#include "build/runtime/tags_of_image.hpp"

#include "base/json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

namespace cooper::build {

namespace {

constexpr const char* kSdkDevelopmentTarget = "source";

template <class T>
std::vector<T> list_of(const std::optional<std::vector<T>>& given) {
    return given.value_or(std::vector<T>());
}

json::Value to_json_value(const TemplateValue& value) {
    struct Visitor {
        json::Value operator()(std::monostate) const { return nullptr; }
        json::Value operator()(bool v) const { return v; }
        json::Value operator()(std::int64_t v) const { return v; }
        json::Value operator()(double v) const { return v; }
        json::Value operator()(const std::string& v) const { return v; }
        json::Value operator()(const TemplateList& list) const {
            json::Value array = json::Value::array();
            for (const TemplateValue& element : list) {
                array.push_back(to_json_value(element));
            }
            return array;
        }
        json::Value operator()(const TemplateMap& map) const {
            json::Value object = json::Value::object();
            for (const auto& [name, element] : map) {
                object[name] = to_json_value(element);
            }
            return object;
        }
    };
    return std::visit(Visitor(), value.data);
}

/// What decides the image besides build arguments and files, as build arguments whose names nobody can give: with a
/// blank, which no ARG has.
void add_settings(const ImageSettings& settings, std::vector<std::pair<std::string, std::string>>& args) {
    for (const auto& [name, value] : settings.variables.value_or(TemplateMap())) {
        args.emplace_back("variable " + name, json::write(to_json_value(value)));
    }
    if (settings.trim_blocks.value_or(false)) {
        args.emplace_back("template trim_blocks", "true");
    }
    if (settings.lstrip_blocks.value_or(false)) {
        args.emplace_back("template lstrip_blocks", "true");
    }
    if (!settings.browser.value_or(true)) {
        args.emplace_back("without browser", "true");
    }
    if (!settings.context_prefix.value_or("").empty()) {
        args.emplace_back("context prefix", *settings.context_prefix);
    }
    for (const ExtraFile& file : list_of(settings.files)) {
        if (!file.to.empty()) {
            args.emplace_back("context place " + file.from, file.to);
        }
    }
}

std::vector<std::string> present_files(const ImageSettings& settings, const std::vector<ExtraFile>& files) {
    std::vector<std::string> present;
    for (const ExtraFile& file : files) {
        std::error_code absent;
        if (!file.optional ||
            std::filesystem::exists(std::filesystem::symlink_status(settings.root / file.from, absent))) {
            present.push_back(file.from);
        }
    }
    return present;
}

HashTags sound_tags(const ImageSettings& settings, const RuntimeImageInputs& inputs, const Run& run) {
    const ContextOptions context = context_options(settings, "");
    TagInputs tag_inputs;
    tag_inputs.version = version_of(settings);
    tag_inputs.base = *settings.base;
    tag_inputs.base_digest = inputs.base_digest;
    tag_inputs.platform = inputs.platform;
    tag_inputs.target = inputs.target;
    tag_inputs.build_args = settings.build_args.value_or(std::vector<std::pair<std::string, std::string>>());
    add_settings(settings, tag_inputs.build_args);
    if (is_agent_server(settings)) {
        const std::string text =
            dockerfile_text(settings, {*settings.base, BuildBase::Level::Scratch}, inputs.target, run);
        tag_inputs.build_args.emplace_back("built-in Dockerfile", sha256(text).text());
    }
    tag_inputs.recipes = recipe_files(settings);
    tag_inputs.lock_files = list_of(settings.lock_files);
    tag_inputs.extra_dependencies = list_of(settings.extra_dependencies);
    tag_inputs.root = settings.root;
    tag_inputs.sources = context.sources;
    tag_inputs.ignore = context.ignore;
    tag_inputs.suffix = settings.suffix.value_or("");
    tag_inputs.cache_directory = inputs.cache_directory;
    tag_inputs.extra_files = present_files(settings, context.files);
    return cooper_tags(tag_inputs, run);
}

/// The one directory that profiles v0 and v1 hash. Without symlinks, which the originals never meet here, and would
/// take for a cycle.
std::filesystem::path hashed_directory(const ImageSettings& settings, const std::string& profile) {
    const auto sources = list_of(settings.sources);
    if (sources.size() > 1) {
        throw Error(ErrorCode::InvalidInput, "profile " + profile + " hashes one source directory, and " +
                                                 std::to_string(sources.size()) + " are named")
            .advise("name one, and the others as extra files; or use profile cooper");
    }
    return std::filesystem::weakly_canonical(package_directory(settings));
}

HashTags compatible_tags(const ImageSettings& settings, const RuntimeImageInputs& inputs, const std::string& profile,
                         const Run& run) {
    const bool v0 = profile == kProfileV0;
    CompatibleInputs tag_inputs;
    tag_inputs.any_base = true;
    tag_inputs.source = hashed_directory(settings, profile);
    tag_inputs.lock.base_image = *settings.base;
    tag_inputs.lock.enable_browser = settings.browser.value_or(true);
    tag_inputs.lock.root = v0 ? tag_inputs.source : settings.root;
    if (!v0) {
        tag_inputs.lock.extra_files = list_of(settings.lock_files);
    }
    tag_inputs.version = version_of(settings);
    tag_inputs.suffix = settings.suffix.value_or(!v0 && inputs.target == kSdkDevelopmentTarget ? "-dev" : "");
    tag_inputs.cache_directory = inputs.cache_directory;
    if (!settings.variables.value_or(TemplateMap()).empty() || settings.build_args) {
        run.progress->notice(NoticeLevel::Warning, "tags of profile " + profile +
                                                       " do not know template variables and build arguments: images "
                                                       "that differ only there share their tags (profile cooper does)");
    }
    return v0 ? v0_tags(tag_inputs, run) : v1_tags(tag_inputs, run);
}

}  // namespace

std::filesystem::path package_directory(const ImageSettings& settings) {
    const auto sources = list_of(settings.sources);
    return settings.root / (sources.empty() ? "openhands" : sources[0]);
}

std::string profile_of(const ImageSettings& settings) {
    return settings.profile.value_or(std::string(kDefaultTagProfile));
}

HashTags tags_of_image(const ImageSettings& settings, const RuntimeImageInputs& inputs, const Run& run) {
    const std::string profile = profile_of(settings);
    if (profile == kDefaultTagProfile) {
        return sound_tags(settings, inputs, run);
    }
    if (profile == kProfileV0 || profile == kProfileV1) {
        return compatible_tags(settings, inputs, profile, run);
    }
    throw Error(ErrorCode::InvalidInput, "there is no tag profile '" + oci::printable(profile) + "' for builds")
        .advise("the profiles are cooper, v0 and v1");
}

}  // namespace cooper::build
