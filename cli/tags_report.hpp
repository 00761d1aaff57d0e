// What `cooper tags` answers, in its three forms: lines, JSON, outputs of a GitHub Actions step.
#pragma once

#include "cooper/build/git_tags.hpp"
#include "cooper/build/hash_tags.hpp"
#include "cooper/build/reuse.hpp"

#include "output.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

namespace cooper::cli {

/// Filled by one of the functions below; each adds to all three forms.
struct TagsReport {
    std::string lines;
    Json json = Json::object();
    std::vector<std::pair<std::string, std::string>> outputs;
};

/// The three tags, as IMAGE:TAG for each image when there are images.
TagsReport report_of(const build::HashTags& tags, const std::vector<std::string>& images);
TagsReport report_of(const build::GitTags& tags);
TagsReport report_of(const build::SdkTags& tags);
/// What to do, instead of the tags in the lines and beside them in the other forms.
void add_decision(TagsReport& report, const build::ReuseDecision& decision);
/// Why the tags are not those of `before`.
TagsReport report_of(const build::TagRecord& before, const build::TagRecord& after,
                     const std::vector<build::TagChange>& changes);

}  // namespace cooper::cli
