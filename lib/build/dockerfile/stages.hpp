// The stages of a Dockerfile (private).
#pragma once

#include "build/dockerfile/lines.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

struct StageLines {
    std::string name;       ///< in lower case; empty: it has none
    std::string image;      ///< as FROM has it, variables and all
    std::size_t first = 0;  ///< index of its FROM among the lines
    std::size_t end = 0;    ///< index behind its last line
};

/// FROM lines that are none ("FROM", "FROM a b") are taken as far as they go: builders say what is wrong with them.
std::vector<StageLines> find_stages(const DockerfileLines& lines);

/// By name in any case, the last of equal ones, else by number, as docker build --target takes it.
std::optional<std::size_t> find_stage_lines(const std::vector<StageLines>& stages, std::string_view target);

}  // namespace cooper::build
