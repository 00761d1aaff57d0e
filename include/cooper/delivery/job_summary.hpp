// The delivery as Markdown for a CI job's page.
#pragma once

#include "cooper/delivery/builds.hpp"
#include "cooper/delivery/publish.hpp"
#include "cooper/delivery/release.hpp"

#include <string>

namespace cooper::delivery {

/// A table of the images with their links, and when those end. Holds presigned links: for the job's own page, not for
/// logs. Names and subjects from outside are escaped. write_job_summary() (build_info.hpp) puts it where GitHub shows
/// it.
std::string job_summary(const Published& published, const BuildInfo& build, const std::string& place);

/// The same of links that were made anew: for the job's page, or a LINKS.md that goes with them.
std::string links_summary(const RefreshedLinks& links, const std::string& place);
/// The same with tags and gates. `place` empty: to registries alone.
std::string job_summary(const Released& released, const BuildInfo& build, const std::string& place);

}  // namespace cooper::delivery
