// What is being delivered: branch, commit, subject, repository, from flags, GitHub Actions, or git.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/run.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace cooper::delivery {

struct BuildInfo {
    std::string branch;
    std::string commit;      ///< full where known
    std::string tree;        ///< the commit's git tree; empty: not known
    std::string subject;     ///< first line of the commit message
    std::string repository;  ///< "https://github.com/o/r"; empty: unknown
    std::string commit_url;
    std::string build_url;  ///< the CI run
    std::string notes;      ///< from `.doc/BRANCH/CHANGELOG.md` or --notes
};

/// Fills what is empty in `given` from GITHUB_* (GITHUB_HEAD_REF, GITHUB_REF_NAME, GITHUB_SHA, GITHUB_SERVER_URL,
/// GITHUB_REPOSITORY, GITHUB_RUN_ID, the event's head commit message), then from git in `directory`, then notes from
/// `directory`/.doc/BRANCH/CHANGELOG.md (at most 64 KiB, no symlink followed). Throws Error{InvalidInput} naming the
/// flag when branch or commit stays unknown.
BuildInfo complete_build_info(BuildInfo given, const std::filesystem::path& directory, const Environment& environment,
                              const Run& run);

/// Appends the delivery's table with links to $GITHUB_STEP_SUMMARY (at most 1 MiB); does nothing when that is unset.
void write_job_summary(const Environment& environment, const std::string& markdown);

}  // namespace cooper::delivery
