// Logical lines to instructions (private).
#pragma once

#include "cooper/build/dockerfile.hpp"

#include "build/dockerfile/flags.hpp"
#include "build/dockerfile/lines.hpp"

#include <string>
#include <vector>

namespace cooper::build {

/// FROM.
DockerfileStage read_stage(const DockerfileLine& line, const LineFailure& fail);

/// All others. `escape` is the file's. What is wrong is handed to `fail`, which throws.
Instruction read_instruction(const DockerfileLine& line, char escape, const LineFailure& fail);

/// The arguments as BuildKit's parser splits them for this keyword; ENV and LABEL in threes: name, value, "=" or "".
/// Throws Error{InvalidInput} for ENV and LABEL without a value.
std::vector<std::string> arguments_of(const DockerfileLine& line, char escape);

}  // namespace cooper::build
