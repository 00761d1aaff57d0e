#include "build/project/setting_keys.hpp"

#include "cooper/base/error.hpp"

#include "build/project/setting_checks.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

constexpr std::array<std::string_view, 3> kProfiles = {kDefaultTagProfile, "v0", "v1"};
constexpr std::array<std::string_view, 3> kBuilders = {"cooper", "engine", "remote"};
constexpr std::array<std::string_view, 3> kPlaces = {"engine", "registry", "store"};
constexpr std::array<std::string_view, 2> kFlags = {"true", "false"};

template <const auto& words>
void check_word(std::string_view text) {
    if (std::find(words.begin(), words.end(), text) != words.end()) {
        return;
    }
    std::string all;
    for (const std::string_view word : words) {
        all += (all.empty() ? "" : ", ") + std::string(word);
    }
    throw Error(ErrorCode::InvalidInput, "\"" + oci::printable(text) + "\" is none of " + all);
}

using Settings = ImageSettings;

constexpr std::array kKeys = {
    SettingKey{"base",
               &Settings::base,
               check_base,
               {},
               "Base image, with a tag or digest; \"scratch\" for none.",
               R"("ubuntu:24.04")"},
    SettingKey{"template",
               &Settings::template_file,
               check_file_below,
               {},
               "Jinja template of the Dockerfile; not together with \"dockerfile\".",
               R"("Dockerfile.j2")"},
    SettingKey{"dockerfile",
               &Settings::dockerfile,
               check_file_below,
               {},
               "Dockerfile as it is; not together with \"template\".",
               R"("Dockerfile")"},
    SettingKey{"lock_files",
               &Settings::lock_files,
               check_file_below,
               {},
               "Files that pin the dependencies, in order: when they change, dependencies are installed anew.",
               R"(["pyproject.toml", "uv.lock"])"},
    SettingKey{"sources",
               &Settings::sources,
               check_source_below,
               {},
               "Files and directories of sources; an empty list: all of the project.",
               R"(["src"])"},
    SettingKey{"ignore",
               &Settings::ignore,
               check_pattern,
               {},
               "What is left out of the sources, in the language of .dockerignore.",
               R"(["**/*.log", "docs"])"},
    SettingKey{"files",
               &Settings::files,
               check_file_below,
               {},
               "Files besides the sources: a path, or from, to and optional.",
               R"(["README.md", {"from": "deploy/entry.sh", "to": "entry.sh", "optional": true}])"},
    SettingKey{"context_prefix",
               &Settings::context_prefix,
               check_file_below,
               {},
               "Directory of the build context that sources and files lie in.",
               R"("code")"},
    SettingKey{"allow_secrets",
               &Settings::allow_secrets,
               check_pattern,
               {},
               "Files that only look like secrets, by path or pattern; all others are refused.",
               R"(["tests/fixtures/*.pem"])"},
    SettingKey{"variables",
               &Settings::variables,
               check_variable_name,
               {},
               "Variables of the template; merged by name with those of the defaults.",
               R"({"extra_packages": ["git"]})"},
    SettingKey{"trim_blocks",
               &Settings::trim_blocks,
               check_word<kFlags>,
               {},
               "Jinja's trim_blocks: the line break behind a block goes.",
               "true"},
    SettingKey{"lstrip_blocks",
               &Settings::lstrip_blocks,
               check_word<kFlags>,
               {},
               "Jinja's lstrip_blocks: blanks in front of a block go.",
               "true"},
    SettingKey{"build_args",
               &Settings::build_args,
               check_build_arg_name,
               {},
               "Build arguments, no secrets; merged by name with those of the defaults.",
               R"({"PYTHON": "3.12"})"},
    SettingKey{"targets",
               &Settings::targets,
               check_target,
               {},
               "Stages of the Dockerfile; an image of each is made.",
               R"(["binary"])"},
    SettingKey{"platforms",
               &Settings::platforms,
               check_platform,
               {},
               "Platforms; an image for each is made.",
               R"(["linux/amd64", "linux/arm64"])"},
    SettingKey{"registry_prefix",
               &Settings::registry_prefix,
               check_registry_prefix,
               {},
               "Registry and path in front of the image's name.",
               R"("ghcr.io/acme")"},
    SettingKey{"repository",
               &Settings::repository,
               check_repository,
               {},
               "The whole repository, instead of \"registry_prefix\" and name.",
               R"("ghcr.io/acme/runtime")"},
    SettingKey{"tags",
               &Settings::tags,
               check_custom_tag,
               {},
               "More tags for the image, or whole names.",
               R"(["dev", "docker.io/acme/runtime:dev"])"},
    SettingKey{"profile", &Settings::profile, check_word<kProfiles>, kProfiles,
               "How tags are computed: cooper, or as OpenHands' runtime (v0) and hash_utils (v1) do.", R"("cooper")"},
    SettingKey{"version",
               &Settings::version,
               check_version,
               {},
               "The project's version; not together with \"version_file\".",
               R"("1.0.0")"},
    SettingKey{"version_file",
               &Settings::version_file,
               check_file_below,
               {},
               "A file with the version in its first line.",
               R"("VERSION")"},
    SettingKey{"suffix", &Settings::suffix, check_suffix, {}, "At the end of every tag that is computed.", R"("-dev")"},
    SettingKey{"extra_dependencies",
               &Settings::extra_dependencies,
               check_dependency,
               {},
               "Dependencies that no lock file names, in order; they count in the tags.",
               R"(["pyyaml==6.0.2"])"},
    SettingKey{
        "browser", &Settings::browser, check_word<kFlags>, {}, "Profiles v0 and v1: the image has a browser.", "true"},
    SettingKey{"builder", &Settings::builder, check_word<kBuilders>, kBuilders,
               "Who builds: cooper itself (default), a Docker engine or podman, or the Runtime API (remote).",
               R"("cooper")"},
    SettingKey{"look_in", &Settings::look_in, check_word<kPlaces>, kPlaces,
               "Where images are looked for before one is built.", R"(["engine", "registry"])"},
    SettingKey{"runtime_api_url",
               &Settings::runtime_api_url,
               check_runtime_api_url,
               {},
               "The Runtime API; its key comes from $RUNTIME_API_KEY alone.",
               R"("https://runtime.example.com")"},
};

constexpr std::array kExclusive = {
    SettingPair{"template", &Settings::template_file, "dockerfile", &Settings::dockerfile},
    SettingPair{"version", &Settings::version, "version_file", &Settings::version_file},
    SettingPair{"registry_prefix", &Settings::registry_prefix, "repository", &Settings::repository},
};

}  // namespace

std::span<const SettingKey> setting_keys() {
    return kKeys;
}

const SettingKey* find_setting_key(std::string_view name) {
    const auto* const found =
        std::find_if(kKeys.begin(), kKeys.end(), [name](const SettingKey& key) { return key.name == name; });
    return found == kKeys.end() ? nullptr : found;
}

std::span<const SettingPair> exclusive_settings() {
    return kExclusive;
}

}  // namespace cooper::build
