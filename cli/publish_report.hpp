// What `cooper publish` says when it is done, or of what it would do.
#pragma once

#include "cooper/delivery/publish.hpp"

#include "session.hpp"

#include <vector>

namespace cooper::cli {

void print_published(const delivery::Published& published, const delivery::BuildInfo& build,
                     const delivery::Place& place, Session& session, bool json);

void print_plan(const std::vector<delivery::PlannedImage>& planned, const delivery::Place& place, bool json);

}  // namespace cooper::cli
