// What `cooper release` says when it is done.
#pragma once

#include "cooper/delivery/release.hpp"

#include "session.hpp"

namespace cooper::cli {

/// `place` null: the release went to registries alone.
void print_released(const delivery::Released& released, const delivery::BuildInfo& build, const delivery::Place* place,
                    Session& session, bool json);

void print_release_plan(const delivery::ReleasePlan& plan, const delivery::Place* place, bool json);

}  // namespace cooper::cli
