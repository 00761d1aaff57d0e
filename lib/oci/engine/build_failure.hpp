// Why a build failed, told so that somebody can do something about it.
#pragma once

#include "cooper/oci/engine.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// What to try when an engine says `words` about a build; empty: nothing is known.
std::string advice_for_build(std::string_view words);

/// `step` may be empty, `words` are the engine's and fit for a message, `output` what the step printed last.
EngineBuildError build_error(const std::string& engine, const std::string& step, const std::string& words,
                             std::vector<std::string> output);

}  // namespace cooper::oci
