// The flags by which `build`, `context` and `render` say what an image is made of: the project file, and what stands on
// top of it. Everything works without a project file.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/build/project.hpp"

#include "command_line.hpp"

#include <string>
#include <vector>

namespace cooper::cli {

struct ProjectFlags {
    std::string file;   ///< --file cooper.json; empty: the nearest one, or none
    std::string image;  ///< --image runtime
    std::string root;   ///< --root DIR; empty: the project file's directory, else "."
    build::ImageSettings flags;
    std::vector<std::string> set;          ///< --set NAME=VALUE
    std::vector<std::string> set_json;     ///< --set-json NAME=JSON
    std::vector<std::string> build_args;   ///< --build-arg NAME[=VALUE]
    std::vector<std::string> extra_files;  ///< --extra-file FROM[=TO]

    void declare(CommandLine& line);
    /// Built-in defaults, the file's defaults, its image, the environment, the flags, in this order; checked. Throws
    /// UsageError for flags, Error for the file.
    [[nodiscard]] build::ImageSettings resolve(const Environment& environment) const;
};

/// NAME=VALUE, or NAME with the environment's value, as docker build takes it. Throws UsageError.
std::pair<std::string, std::string> parse_build_arg(const std::string& text, const Environment& environment);
/// A variable of --set: "true", "false" and whole numbers are what they look like, all else is text. VALUE may be
/// empty.
std::pair<std::string, build::TemplateValue> parse_variable(const std::string& text);
/// A variable of --set-json. Throws UsageError.
std::pair<std::string, build::TemplateValue> parse_json_variable(const std::string& text);

}  // namespace cooper::cli
