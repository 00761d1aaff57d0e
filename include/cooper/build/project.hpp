// The project file, cooper.json: what images a repository has, and how each is made. Comments (// and /* */) and
// trailing commas are allowed; a key that nobody knows is an error that names the nearest known one.
//
//     Project project = read_project("cooper.json");
//     ImageSettings runtime = project.image("runtime");            // the file's defaults with the image's on top
//     runtime.overlay(settings_from(environment, "cooper"));       // $BASE_IMAGE, $TARGET, $CUSTOM_TAGS
//     runtime.base = "ubuntu:24.04";                               // and what flags say
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/build/matrix.hpp"
#include "cooper/build/template.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

inline constexpr std::string_view kProjectFile = "cooper.json";
inline constexpr std::string_view kDefaultTagProfile = "cooper";
inline constexpr std::size_t kMaxProjectFile = 4U << 20;

/// A file or directory that goes into the build context besides the sources.
struct ExtraFile {
    std::string from;       ///< below the root
    std::string to;         ///< in the context, without its prefix; empty: the same path, with the prefix
    bool optional = false;  ///< may be missing
    bool operator==(const ExtraFile&) const = default;
};

/// What is said of one image, by one layer of settings; nullopt: this layer says nothing, and the one below counts.
/// The key of the project file is the member's name. Paths are below the root with '/' between components.
struct ImageSettings {
    std::string name;            ///< "runtime"; names the image where no repository does. No key: the image's own key
    std::filesystem::path root;  ///< where all paths begin: the project file's directory. No key
    std::optional<std::string> base;             ///< base image as given: "ubuntu:22.04"
    std::optional<std::string> version;          ///< of the project; "1.2.3"
    std::optional<std::string> version_file;     ///< else the first line of this file
    std::optional<std::string> profile;          ///< of the tags: "cooper" (default), "v0", "v1"
    std::optional<std::string> registry_prefix;  ///< "ghcr.io/acme": the repository is PREFIX/NAME
    std::optional<std::string> repository;       ///< the whole repository, instead of prefix and name
    std::optional<std::string> suffix;           ///< at the end of every content tag
    std::optional<std::string> template_file;    ///< key "template": a Jinja template of the Dockerfile
    std::optional<std::string> dockerfile;       ///< a Dockerfile as it is. Not together with a template
    std::optional<TemplateMap> variables;        ///< of the template; merged by name with the layer below
    std::optional<bool> trim_blocks;
    std::optional<bool> lstrip_blocks;
    std::optional<std::vector<std::string>> lock_files;
    std::optional<std::vector<std::string>> extra_dependencies;  ///< as given to a package manager
    std::optional<std::vector<std::string>> sources;             ///< files and directories; empty list: all of root
    std::optional<std::vector<std::string>> ignore;              ///< in .dockerignore's language
    std::optional<std::vector<ExtraFile>> files;  ///< "README.md" or {"from": …, "to": …, "optional": true}
    std::optional<std::string> context_prefix;    ///< sources and files lie below it in the context: "code"
    std::optional<std::vector<std::string>> allow_secrets;  ///< paths or patterns of files that only look like secrets
    std::optional<std::vector<std::string>> targets;        ///< stages of the Dockerfile; an image of each is made
    std::optional<std::vector<std::string>> platforms;      ///< "linux/amd64"; an image for each
    std::optional<std::vector<std::string>> tags;           ///< custom tags ("python"), or whole names ("acme/app:dev")
    std::optional<std::vector<std::pair<std::string, std::string>>> build_args;  ///< merged by name
    std::optional<bool> browser;                                                 ///< v0, v1: enable_browser
    std::optional<std::string> builder;                                          ///< "cooper", "engine" or "remote"
    std::optional<std::vector<std::string>> look_in;  ///< where images are looked up: "engine", "registry", "store"
    std::optional<std::string> runtime_api_url;       ///< never its key

    /// What `upper` says counts, the rest stays. Lists are replaced; variables and build_args are merged by name. Of
    /// settings that say the same in two ways (template and dockerfile, version and version_file, repository and
    /// registry_prefix) upper's one replaces the other one below.
    void overlay(const ImageSettings& upper);
};

struct Project {
    std::filesystem::path file;
    ImageSettings defaults;
    std::vector<ImageSettings> images;  ///< as they stand in the file, without the defaults
    /// For `cooper matrix`; its files are not read yet: read_matrix_files() with the project's directory.
    std::optional<MatrixSpec> matrix;

    /// The named image on top of the defaults, root filled in. An empty name: the only image; Error{InvalidInput} when
    /// there are several. Throws Error{NotFound} with the nearest name.
    [[nodiscard]] ImageSettings image(std::string_view name) const;
};

/// Throws Error{InvalidInput} "cooper.json:12: …" for what is no project: JSON, types, unknown keys ("did you mean
/// …?"), values outside their set, paths that leave the root, keys that exclude each other; Error{Unsupported} for a
/// format that a later cooper wrote.
Project parse_project(std::string_view text, const std::filesystem::path& file);
/// parse_project() of a file of at most kMaxProjectFile bytes. Throws SystemError besides.
Project read_project(const std::filesystem::path& file);
/// cooper.json in `directory` or the nearest directory above that has one, up to the root of the git work tree, or of
/// the file system where there is none; nullopt: there is none. A file above that belongs neither to the owner of
/// `directory` nor to the caller nor to root is passed over: whoever may write to /tmp must not steer builds below it.
std::optional<std::filesystem::path> find_project(const std::filesystem::path& directory);

/// What the environment says: BASE_IMAGE, TARGET, CUSTOM_TAGS (comma-separated, blanks trimmed, empty ones dropped),
/// RUNTIME_API_URL, and for the profile "v0" OH_RUNTIME_RUNTIME_IMAGE_REPO (repository). Throws Error{InvalidInput}
/// "$BASE_IMAGE: …".
ImageSettings settings_from(const Environment& environment, std::string_view profile);
/// "base: ubuntu:24.04, from $BASE_IMAGE" for all that settings_from() changes between the layer below and the one
/// above, which hides it: a person may not have meant it.
std::vector<std::string> environment_remarks(const ImageSettings& below, const ImageSettings& above,
                                             const Environment& environment, std::string_view profile);

/// Throws Error{InvalidInput} when `text` cannot be a value of this key, or an element of it where it is a list:
/// check_setting("platforms", "linux/amd64").
void check_setting(std::string_view key, std::string_view text);
/// What is wrong with settings that layers made together ("template" and "dockerfile", a profile that nobody knows, an
/// impossible platform). Throws Error{InvalidInput}.
void check_settings(const ImageSettings& settings);

/// A variable of templates, written in the language of the project file: JSON with comments. `what` names it in errors.
/// Throws Error{InvalidInput}.
TemplateValue parse_template_value(std::string_view json, const std::string& what);

/// A commented project file to begin with. `files` are the names in the project's directory, of directories with a
/// '/' at the end; lock files, sources and templates that are there are filled in.
std::string initial_project(std::string_view image, const std::vector<std::string>& files);
/// A JSON Schema (draft-07) of project files, for editors.
std::string project_schema();

}  // namespace cooper::build
