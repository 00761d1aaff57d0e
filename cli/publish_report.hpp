// What `cooper publish` says when it is done, or of what it would do.
#pragma once

#include "cooper/delivery/publish.hpp"

#include "session.hpp"

#include <vector>

namespace cooper::cli {

/// The document of --json, and the text for people.
Json published_json(const delivery::Published& published, const delivery::BuildInfo& build,
                    const delivery::Place& place);
std::string published_text(const delivery::Published& published, const delivery::Place& place, const Run& run);
/// What later steps of a workflow may use, by name: place, changelog, tarballs (JSON, one line) and expires. No links:
/// whoever has one has the file, and outputs are not masked.
std::vector<std::pair<std::string, std::string>> published_outputs(const delivery::Published& published,
                                                                   const delivery::Place& place);
/// Links that end earlier than asked.
void warn_of_links(const delivery::Published& published, Session& session);

void print_published(const delivery::Published& published, const delivery::BuildInfo& build,
                     const delivery::Place& place, Session& session, bool json);

Json plan_json(const std::vector<delivery::PlannedImage>& planned, const delivery::Place& place);
std::string plan_text(const std::vector<delivery::PlannedImage>& planned, const delivery::Place& place);
void print_plan(const std::vector<delivery::PlannedImage>& planned, const delivery::Place& place, bool json);

}  // namespace cooper::cli
