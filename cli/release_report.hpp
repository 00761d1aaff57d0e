// What `cooper release` says when it is done.
#pragma once

#include "cooper/delivery/release.hpp"

#include "session.hpp"

namespace cooper::cli {

/// `place` null: the release went to registries alone.
void print_released(const delivery::Released& released, const delivery::BuildInfo& build, const delivery::Place* place,
                    Session& session, bool json);

/// published_outputs() with release, tags (JSON, one line) and changed. `place` null: the last two alone.
std::vector<std::pair<std::string, std::string>> released_outputs(const delivery::Released& released,
                                                                  const delivery::Place* place);
void print_release_plan(const delivery::ReleasePlan& plan, const delivery::Place* place, bool json);

}  // namespace cooper::cli
