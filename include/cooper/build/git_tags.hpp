// Tags from the commit, branch, version tag or pull request: the dialects of OpenHands' containers/build.sh and of
// docker/metadata-action 6.2 (`tags.md` 8 and 9), and the SDK's build.py (10).
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/run.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// What is being built, in git's words. Empty: not known.
struct GitFacts {
    std::string sha;  ///< the full commit; for a pull request its merge commit where CI made one
    /// build.sh's $RELEVANT_SHA, any revision, used as it is; empty: head_sha, else sha.
    std::string relevant_sha;
    std::string short_sha;  ///< git's own abbreviation of relevant_sha, head_sha or sha, whichever comes first
    /// "refs/heads/main", "refs/tags/v1.2.3", "refs/pull/7/merge"; never a pull request's base branch.
    std::string ref;
    std::string ref_name;                   ///< "main", "v1.2.3", "7/merge"; empty: what `ref` says
    std::string event;                      ///< GitHub's name of the trigger: "push", "pull_request"
    std::string pull_request;               ///< its number
    std::string head_sha;                   ///< of a pull request
    std::string default_branch;             ///< "main"
    std::vector<std::string> version_tags;  ///< all tags of the repository that are versions, any order
    bool shallow = false;                   ///< history or tags may be missing
    std::string origin;                     ///< where it is from, for messages: "GitHub Actions", "git", "flags"
    std::string why_unknown;  ///< when origin is empty: "git is not installed", "… is in no git repository"
};

/// GITHUB_* (with the event file) in a GitHub Actions job, else git in `directory`: a work tree, a linked worktree, a
/// detached HEAD (a tag on it counts as the ref: the highest version, else the first by name), a shallow clone, a
/// repository without a commit (no sha). Version tags are the checkout's ($GITHUB_WORKSPACE, when `directory` is in
/// none). Without git or a repository all is empty but why_unknown. For pull_request_target, `ref` and `ref_name` are
/// the pull request's: GitHub's own variables name the base branch there, whose tags foreign code must not get.
/// Throws Error{InvalidInput} for an event file that is not what GitHub writes. Runs git as a program; any thread.
GitFacts find_git_facts(const std::filesystem::path& directory, const Environment& environment, const Run& run);

/// The facts of another commit or ref, which the caller names ("--sha", "--ref"); the rest stays. A ref without "refs/"
/// is a branch.
GitFacts with_commit(GitFacts facts, std::string_view sha);
GitFacts with_ref(GitFacts facts, std::string_view ref);

/// Who decides whether "latest" moves. Auto: the dialect, but never to a pre-release and never backwards. Always: the
/// caller; backwards is an error. Never: nothing gets it, not even from a rule or a branch of that name.
enum class Latest : std::uint8_t { Auto, Always, Never };

struct GitTags {
    std::vector<std::string> repositories;  ///< lower-cased; may be empty when none was given
    std::string version;                    ///< the one to show: build.sh's build version, metadata-action's version
    std::vector<std::string> tags;          ///< in the order in which they are applied, without repository
    std::vector<std::string> cache_from;    ///< tags of cache images to read, best first
    std::string cache_to;                   ///< tag of the one to write; empty: none
    bool latest = false;                    ///< "latest" (with its suffix) is among the tags
    std::string latest_reason;              ///< one clause: why it is, or is not
};

struct GitTagOptions {
    std::vector<std::string> images;  ///< repositories without tag; may be empty
    std::string suffix;               ///< build.sh's -t: "-SUFFIX" behind every tag but the extra ones
    /// Appended as they are (build.sh's DOCKER_IMAGE_SOURCE_TAG, DOCKER_IMAGE_TAG).
    std::vector<std::string> extra_tags;
    /// "amd64": "-amd64" behind every tag, the extra ones and the caches' too, so that the images of two platforms do
    /// not take each other's names.
    std::string arch;
    std::string target;  ///< "-TARGET" behind every tag, after the platform
    Latest latest = Latest::Auto;
    bool force_latest = false;      ///< move it backwards all the same
    unsigned short_sha_length = 7;  ///< metadata-action: DOCKER_METADATA_SHORT_SHA_LENGTH
    bool pr_head_sha = true;        ///< metadata-action: DOCKER_METADATA_PR_HEAD_SHA
    /// metadata-action's tag rules ("type=semver,pattern={{version}}"), one or several lines each; empty: branch, pull
    /// request, sha, long sha, version, major.minor, major. Types ref, sha, semver, raw, edge; attributes enable,
    /// priority, prefix, suffix and the type's own; expressions {{branch}} {{tag}} {{sha}} {{is_default_branch}}
    /// {{is_not_default_branch}}, in a semver pattern {{version}} {{major}} {{minor}} {{patch}} {{raw}}.
    std::vector<std::string> rules;
    std::vector<std::string> flavor;  ///< "latest=auto", "prefix=P,onlatest=true", "suffix=S"
};

/// `tags.md` 8. With Latest::Auto "latest" is given to x.y.z refs as the script does, but never backwards: a release
/// lower than one of facts.version_tags keeps its number and not "latest". Caches: "buildcache-REF" and
/// "buildcache-main". Throws Error{InvalidInput} for a tag that no registry would accept, a revision that git does not
/// know, and with Always where "latest" would go backwards without force_latest. Threads: pure, like all below.
GitTags build_sh_tags(const GitFacts& facts, const GitTagOptions& options);
/// `tags.md` 9; guard and errors as above, and Error{InvalidInput} for a rule that is not understood. Unlike the
/// action, Auto keeps "latest" from pre-releases under "type=ref,event=tag" too, and names nothing twice. The action
/// has no cache tags: these are "buildcache-REF" (left out where it would be too long) and that of the default branch.
GitTags metadata_tags(const GitFacts& facts, const GitTagOptions& options);

/// The same without the check: what the originals compute, legal or not, byte for byte.
GitTags compute_build_sh_tags(const GitFacts& facts, const GitTagOptions& options);
GitTags compute_metadata_tags(const GitFacts& facts, const GitTagOptions& options);
/// Throws Error{InvalidInput} naming the first repository, tag or cache tag that no registry would accept.
void check_git_tags(const GitTags& tags);

/// SDK build.py's BuildOptions (`tags.md` 10). "unknown" and empty mean the same as there.
struct SdkTagOptions {
    std::string base_image;
    std::string custom_tags;  ///< comma-separated
    std::string image = "ghcr.io/openhands/agent-server";
    /// binary, binary-minimal, source, source-minimal, base-image, base-image-minimal, builder
    std::string target = "binary";
    std::optional<std::string> arch;
    bool include_base_tag = true;
    bool include_versioned_tag = false;
    std::string git_sha = "unknown";
    std::string git_ref = "unknown";
    std::string sdk_version = "unknown";
};
struct SdkTags {
    std::string repository;  ///< the image, as given
    std::string short_sha;
    std::string long_sha;
    std::vector<std::string> custom_tags;
    std::string base_slug;
    std::optional<std::string> branch_tag;
    std::optional<std::string> release_source;
    std::vector<std::string> versioned_tags;
    std::string base_tag;
    std::vector<std::string> cache_tags;  ///< the one to write, then the fallback
    std::vector<std::string> all_tags;    ///< IMAGE:TAG
};
/// Byte for byte what the original computes, legal or not (check_sdk_tags() refuses). Throws Error{InvalidInput} for an
/// unknown target.
SdkTags sdk_tags(const SdkTagOptions& options);
/// Throws Error{InvalidInput} naming the repository or the first of all_tags and cache_tags that no registry would
/// accept.
void check_sdk_tags(const SdkTags& tags);
// The pieces, for those who need one alone.
/// A branch as a tag: "refs/heads/Feature/X_y" -> "feature-x-y"; "unknown" for nothing.
std::string sdk_sanitize_branch(std::string_view ref);
/// A tag of git as an image's: "release/v1+b" -> "release-v1-b"; "unknown" when nothing is left.
std::string sdk_sanitize_ref_tag(std::string_view name);
/// "v1.2.3" -> v1, v1.2, v1.2.3; anything else alone, sanitised; nothing for blanks.
std::vector<std::string> sdk_release_aliases(std::string_view release);

/// A VERSION file: one line, "v{major}.{minor}.{patch}[-suffix]" with or without the v; returned as it stands there.
/// Throws Error{InvalidInput} that says what is wrong, SystemError when it cannot be read.
std::string read_version_file(const std::filesystem::path& file);
/// Throws Error{InvalidInput} when the ref is a tag of another version than `version` (a leading v apart), or no tag.
void require_match(const GitFacts& facts, std::string_view version);

}  // namespace cooper::build
