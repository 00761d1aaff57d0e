// `cooper build CONTEXT`: a Dockerfile, built as docker build does it, without an engine.
#pragma once

#include "cooper/build/project.hpp"

#include "build_places.hpp"
#include "connection_flags.hpp"
#include "dockerfile_flags.hpp"
#include "output.hpp"

#include <string>
#include <utility>
#include <vector>

namespace cooper::cli {

struct DockerfileBuild {
    std::string context;
    std::string dockerfile;
    std::vector<std::string> tags;
    std::vector<std::string> build_args;  ///< NAME=VALUE, or NAME of a variable
    std::vector<std::string> targets;
    std::vector<std::string> platforms;
    BuildManner manner;
    const DockerfileFlags& flags;
    const OutputFlags& output;
    const ConnectionFlags& connection;
};

/// Builds, names, writes the outputs, and prints what came out.
void build_dockerfile(const DockerfileBuild& build);

}  // namespace cooper::cli
