// The flags by which `build`, `context` and `render` say what an image is made of: the project file, and what stands on
// top of it. Everything works without a project file.
//
//     flags_.declare_project(line);      // a verb declares what has a meaning for it, each with its heading
//     flags_.declare_recipe(line);
//     const auto settings = flags_.resolve(environment, [&](std::string_view remark) { session.note(remark); });
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/build/project.hpp"

#include "command_line.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::cli {

struct ProjectFlags {
    std::string file;                      ///< --project cooper.json; empty: the nearest one, or none
    std::string image;                     ///< --image runtime
    std::string root;                      ///< --root DIR; empty: the project file's directory, else "."
    build::ImageSettings flags;            ///< single values; lists are below until resolve()
    std::string dockerfile;                ///< -f, --dockerfile: below the root in a project
    std::vector<std::string> set;          ///< --set NAME=VALUE
    std::vector<std::string> set_json;     ///< --set-json NAME=JSON
    std::vector<std::string> build_args;   ///< --build-arg NAME[=VALUE]
    std::vector<std::string> extra_files;  ///< --extra-file FROM[=TO]

    /// --project, --image, --root, --base-image.
    void declare_project(CommandLine& line);
    /// Content and recipe stand below one heading when they are declared one after the other.
    /// --template, --dockerfile, --set, --set-json, --trim-blocks, --lstrip-blocks, --build-arg, --target.
    void declare_recipe(CommandLine& line);
    /// --source, --lock-file, --ignore, --extra-file, --context-prefix, --allow-secret.
    void declare_content(CommandLine& line);
    /// --version, --version-file, --profile, --registry-prefix, --repository, --suffix, --tag, --extra-dependency,
    /// --no-browser.
    void declare_names(CommandLine& line);
    /// --builder, --look-in, --platform, --runtime-api-url.
    void declare_builder(CommandLine& line);
    /// --tag, and --runtime-api-url, alone and below the heading that stands: for a verb without the rest of their
    /// groups.
    void declare_tag(CommandLine& line);
    void declare_runtime_api(CommandLine& line);

    using Remark = std::function<void(std::string_view)>;
    /// Built-in defaults, the file's defaults, its image, the environment, the flags, in this order; checked. `remark`
    /// is told what the environment changed, for BASE_IMAGE and TARGET are names that others use too. Without a project
    /// file --image is the name. Throws UsageError for flags, Error for the file and the environment.
    [[nodiscard]] build::ImageSettings resolve(const Environment& environment, const Remark& remark = {}) const;
    /// What the flags alone say, checked. Throws UsageError.
    [[nodiscard]] build::ImageSettings from_flags(const Environment& environment) const;

private:
    [[nodiscard]] build::ImageSettings from_file() const;

    std::vector<std::string> lock_files_;
    std::vector<std::string> extra_dependencies_;
    std::vector<std::string> sources_;
    std::vector<std::string> ignore_;
    std::vector<std::string> allow_secrets_;
    std::vector<std::string> targets_;
    std::vector<std::string> platforms_;
    std::vector<std::string> tags_;
    std::vector<std::string> look_in_;
    bool trim_blocks_ = false;
    bool lstrip_blocks_ = false;
    bool no_browser_ = false;
};

/// NAME=VALUE, or NAME with the environment's value, as docker build takes it. Throws UsageError.
std::pair<std::string, std::string> parse_build_arg(const std::string& text, const Environment& environment);
/// A variable of --set: "true", "false" and whole numbers are what they look like, all else is text. VALUE may be
/// empty.
std::pair<std::string, build::TemplateValue> parse_variable(const std::string& text);
/// A variable of --set-json. Throws UsageError.
std::pair<std::string, build::TemplateValue> parse_json_variable(const std::string& text);

}  // namespace cooper::cli
