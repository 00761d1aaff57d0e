// What each trigger of a workflow may do: the table of `trust-and-delivery.md` 6.6 as data, which `plan` prints and the
// other commands obey.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/git_tags.hpp"

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

enum class Trigger : std::uint8_t { PullRequest, Tag, Schedule, Dispatch, DispatchRebuild };
std::string_view to_string(Trigger trigger) noexcept;  ///< "pull_request", "tag", "schedule", "dispatch", "rebuild"

/// Whether the build job keeps what it made for others to build on.
enum class CacheWrite : std::uint8_t { Never, IfDepsChanged, Always };
std::string_view to_string(CacheWrite write) noexcept;  ///< "never", "if-deps-changed", "always"

/// One row of the table.
struct TriggerRow {
    Trigger trigger = Trigger::PullRequest;
    bool fresh = false;  ///< build from the base images, pulled anew; no cache is read
    CacheWrite cache_write = CacheWrite::Never;
    bool publish = false;  ///< there is a publish job; it never writes a cache
    bool latest = false;   ///< "latest" may move, by the rule of decide_latest()
    bool small_matrix = false;
    std::string_view why;  ///< a sentence
};
std::span<const TriggerRow> trigger_table() noexcept;
const TriggerRow& row_of(Trigger trigger) noexcept;

/// How a build on a trigger treats the steps of earlier builds (ImageBuildOptions::no_cache, cache_read_only).
struct CacheManner {
    bool no_cache = false;   ///< nothing is read
    bool read_only = false;  ///< nothing is remembered
    bool operator==(const CacheManner&) const = default;
};
/// A row that never writes the cache leaves no step for a later build; one that does so only for changed dependencies
/// remembers steps, for what they leave to others is decided by --push and --cache-to.
CacheManner cache_manner(const TriggerRow& row) noexcept;

/// From GitHub's name of the event, or our own words. A push counts as Tag when `ref` is a version tag
/// ("refs/tags/v1.2.3"), else Error{InvalidInput} (a push to a branch has no row); a merge queue's `merge_group` as
/// PullRequest, since what it tests is on no branch yet. `pull_request_target` and `workflow_run` are refused, as they
/// run foreign code with rights: Error{AccessDenied}. Unknown words: Error{InvalidInput} with the nearest; so is a
/// rebuild that somebody asks for with another event than a dispatch.
Trigger trigger_of(std::string_view event, std::string_view ref, bool rebuild);

/// Whether a commit touches files that dependencies stand in. `unknown`: why it cannot be told (a shallow clone without
/// the parent, no git): counts as changed.
struct DepsChange {
    bool changed = true;
    std::vector<std::string> files;  ///< of those that did, below the directory
    std::string unknown;
};
/// HEAD^..HEAD (for a merge: against the first parent) against `deps`: paths below the directory, or patterns of
/// .dockerignore's language. None of them, no repository, no parent: unknown. Throws Error{InvalidInput} for a pattern
/// that is none.
DepsChange find_deps_change(const std::filesystem::path& directory, const std::vector<std::string>& deps,
                            const Environment& environment, const Run& run);

/// The row, with what was looked up, as flags that the commands take by hand. Fresh is `--force --pull --no-cache`: an
/// image that exists under a content tag is a cache too. To write the cache is `--push`, of the content tags.
struct Plan {
    TriggerRow row;
    std::string version;  ///< of the VERSION file; empty: none was asked for
    DepsChange deps;
    bool write_cache = false;                ///< decided
    std::vector<std::string> build_flags;    ///< of `cooper build`
    std::vector<std::string> publish_flags;  ///< of `cooper release`; empty when there is no publish job
    std::vector<std::string> reasons;        ///< why, one sentence each
};
Plan make_plan(Trigger trigger, const DepsChange& deps, const std::string& version);
/// {"trigger":…,"fresh":…,…}, indented, with a newline.
std::string plan_to_json(const Plan& plan);

/// Whether NAME:latest may move to a release.
struct LatestDecision {
    bool move = false;
    /// "latest"; "latest-slim" for "v1.2.3-slim", "cpu-latest" for "cpu-v1.2.3"; empty: the tag does not hold the
    /// version
    std::string tag;
    std::string reason;  ///< one clause
};
/// `version` ("v1.2.3", "1.2.3-rc1"); `tag` is the image's ("v1.2.3-slim"), `there` all tags of its repository,
/// whatever they are: a higher release of the same shape, with a v or without, keeps "latest". Auto: releases only,
/// never backwards unless `force`; Always: pre-releases too, backwards is Error{Conflict} unless `force`; Never. A tag
/// that does not hold the version never moves anything. Throws Error{InvalidInput} for a version that is none. Pure.
LatestDecision decide_latest(Latest latest, std::string_view version, std::string_view tag,
                             const std::vector<std::string>& there, bool force);

}  // namespace cooper::build
