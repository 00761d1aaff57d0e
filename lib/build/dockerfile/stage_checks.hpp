// What BuildKit's checks say about the instructions of stages (private).
#pragma once

#include "cooper/build/dockerfile_stages.hpp"

namespace cooper::build {

/// Adds to `plan.warnings` what the stages that are needed show without their variables' values.
void add_stage_warnings(const Dockerfile& dockerfile, StagePlan& plan);

}  // namespace cooper::build
