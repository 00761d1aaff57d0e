#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/git_tags.hpp"

#include "build/tags/latest_guard.hpp"
#include "build/tags/tag_text.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::size_t kShortSha = 7;  // git's usual abbreviation, where git itself did not say

bool is_commit_name(std::string_view text) {
    return text.size() >= kShortSha && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
           });
}

std::vector<std::string> commit_tags(const GitFacts& facts) {
    const auto& sha = !facts.relevant_sha.empty() ? facts.relevant_sha
                      : !facts.head_sha.empty()   ? facts.head_sha
                                                  : facts.sha;
    if (sha.empty()) {
        return {};
    }
    if (!facts.short_sha.empty()) {
        return {facts.short_sha, sha};
    }
    if (!is_commit_name(sha)) {
        throw Error(ErrorCode::InvalidInput, "git does not know the revision '" + oci::printable(sha) + "'")
            .advise("give the full name of the commit");
    }
    return {sha.substr(0, kShortSha), sha};
}

LatestQuestion question_of(const std::string& ref_name, bool release, const GitTagOptions& options) {
    LatestQuestion question{options.latest, options.force_latest, false, {}, {}};
    const std::string name = "'" + oci::printable(ref_name) + "'";
    question.candidate = find_version(ref_name);
    if (release) {
        question.given = true;
        question.because = name + " is a release";
    } else if (to_lower(dash_runs(ref_name)) == "latest") {
        question.given = true;
        question.because = "the ref itself is called " + name;
    } else {
        question.because = ref_name.empty() ? "there is no branch or tag" : name + " is no version of the form 1.2.3";
    }
    return question;
}

/// The names of one ref: the version's shorter forms, "latest", and its own name last.
void add_ref_tags(GitTags& tags, const std::string& ref_name, const GitFacts& facts, const GitTagOptions& options) {
    const auto release = find_plain_version(ref_name);
    const auto answer = decide_latest(question_of(ref_name, release.has_value(), options), facts);
    tags.latest = answer.given;
    tags.latest_reason = answer.reason;
    if (release) {
        tags.tags.emplace_back(release->major);
        tags.tags.push_back(std::string(release->major) + "." + std::string(release->minor));
    }
    const std::string own = to_lower(dash_runs(ref_name));
    if (answer.given && own != "latest") {
        tags.tags.emplace_back("latest");
    }
    if (!ref_name.empty() && (answer.given || own != "latest")) {
        tags.tags.push_back(own);
    }
}

void add_caches(GitTags& tags, const std::string& ref_name, const GitTagOptions& options) {
    const std::string tail = platform_tail(options);
    tags.cache_to =
        "buildcache" + (ref_name.empty() ? "" : "-" + to_lower(dash_runs(ref_name))) + suffix_tail(options) + tail;
    tags.cache_from = {tags.cache_to};
    // Without the suffix, as in the script, though suffixed builds write "buildcache-main-SUFFIX".
    if (const std::string fallback = "buildcache-main" + tail; fallback != tags.cache_to) {
        tags.cache_from.push_back(fallback);
    }
}

}  // namespace

GitTags compute_build_sh_tags(const GitFacts& facts, const GitTagOptions& options) {
    check_names(facts);
    const std::string ref_name = facts.ref_name.empty() ? name_of_ref(facts.ref) : facts.ref_name;
    GitTags tags;
    for (const auto& image : options.images) {
        tags.repositories.push_back(to_lower(image));
    }
    tags.version = ref_name.empty() ? "dev" : dash_runs(ref_name);
    tags.tags = commit_tags(facts);
    add_ref_tags(tags, ref_name, facts, options);
    add_endings(tags.tags, options);
    add_caches(tags, ref_name, options);
    return tags;
}

GitTags build_sh_tags(const GitFacts& facts, const GitTagOptions& options) {
    auto tags = compute_build_sh_tags(facts, options);
    check_git_tags(tags);
    return tags;
}

}  // namespace cooper::build
