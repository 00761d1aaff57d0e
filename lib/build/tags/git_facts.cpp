#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/git_tags.hpp"

#include "base/json.hpp"
#include "build/git.hpp"
#include "build/tags/semver.hpp"
#include "build/tags/tag_text.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxEvent = 32 * 1024 * 1024;  // GitHub caps payloads at 25 MB
constexpr std::string_view kEventFile = "GitHub's event file";

bool is_object_name(std::string_view text) {
    return (text.size() == 40 || text.size() == 64) && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

/// "7" of "refs/pull/7/merge".
std::string number_of_pull(std::string_view ref) {
    constexpr std::string_view kPulls = "refs/pull/";
    if (!ref.starts_with(kPulls)) {
        return "";
    }
    ref.remove_prefix(kPulls.size());
    const auto number = ref.substr(0, ref.find('/'));
    return parse_uint(number) ? std::string(number) : "";
}

void read_pull_request(const json::Value& event, GitFacts& facts) {
    const auto* const pull = json::find_member(event, "pull_request");
    if (pull == nullptr || pull->is_null()) {
        return;
    }
    const auto& numbered = json::find_member(event, "number") != nullptr ? event : *pull;
    facts.pull_request = std::to_string(json::uint_member(numbered, "number", kEventFile));
    const auto& head = json::member(*pull, "head", kEventFile);
    facts.head_sha = json::string_member(head, "sha", kEventFile);
    if (!is_object_name(facts.head_sha)) {
        throw Error(ErrorCode::InvalidInput, std::string(kEventFile) + ": pull_request.head.sha '" +
                                                 oci::printable(facts.head_sha) + "' is no commit");
    }
}

void read_event(const fs::path& file, GitFacts& facts) {
    const auto text = find_file(file, kMaxEvent);
    if (!text) {
        return;  // the action only warns; runners that imitate GitHub's do without
    }
    in_context(file.string(), [&] {
        const auto event = json::parse(*text, kEventFile);
        if (!event.is_object()) {
            throw Error(ErrorCode::InvalidInput, std::string(kEventFile) + " is not a JSON object");
        }
        read_pull_request(event, facts);
        if (const auto* repository = json::find_member(event, "repository");
            repository != nullptr && repository->is_object()) {
            facts.default_branch = json::find_string(*repository, "default_branch", kEventFile).value_or("");
        }
    });
}

/// GitHub names the base branch for pull_request_target, and metadata-action then takes the pull request's ref.
void correct_ref(GitFacts& facts) {
    if (facts.event != "pull_request_target") {
        return;
    }
    if (facts.pull_request.empty()) {
        throw Error(ErrorCode::InvalidInput,
                    "the event is pull_request_target, and GitHub's event file does not say of which pull request")
            .advise("set GITHUB_EVENT_PATH to the event's file");
    }
    facts.ref_name = facts.pull_request + "/merge";
    facts.ref = "refs/pull/" + facts.ref_name;
}

void look_at_tags(const Git& git, GitFacts& facts, const Run& run) {
    const auto names = git.version_like_tags(run);
    facts.shallow = !names || git.is_shallow(run);
    for (const auto& name : names.value_or(std::vector<std::string>())) {
        if (find_version(name)) {
            facts.version_tags.push_back(name);
        }
    }
}

/// What the checkout adds to what GitHub says.
void look_at_checkout(const fs::path& directory, const Environment& environment, GitFacts& facts, const Run& run) {
    std::optional<Git> git(std::in_place, directory, environment);
    if (!git->in_repository(run)) {
        const auto workspace = environment.get("GITHUB_WORKSPACE");
        git.reset();
        if (workspace) {
            git.emplace(*workspace, environment);
        }
        if (!git || !git->in_repository(run)) {
            facts.shallow = true;
            return;
        }
    }
    const auto& named = !facts.relevant_sha.empty() ? facts.relevant_sha
                        : !facts.head_sha.empty()   ? facts.head_sha
                                                    : facts.sha;
    facts.short_sha = named.empty() ? "" : git->short_name(named, run).value_or("");
    if (facts.default_branch.empty()) {
        facts.default_branch = git->default_branch(run).value_or("");
    }
    look_at_tags(*git, facts, run);
}

GitFacts facts_of_job(const fs::path& directory, const Environment& environment, const Run& run) {
    GitFacts facts;
    facts.origin = "GitHub Actions";
    facts.sha = environment.get("GITHUB_SHA").value_or("");
    facts.ref = environment.get("GITHUB_REF").value_or("");
    facts.ref_name = environment.get("GITHUB_REF_NAME").value_or(name_of_ref(facts.ref));
    facts.event = environment.get("GITHUB_EVENT_NAME").value_or("");
    facts.relevant_sha = environment.get("RELEVANT_SHA").value_or("");
    facts.pull_request = number_of_pull(facts.ref);
    if (const auto file = environment.get("GITHUB_EVENT_PATH")) {
        read_event(*file, facts);
    }
    correct_ref(facts);
    look_at_checkout(directory, environment, facts, run);
    return facts;
}

/// The highest version, else the first by name; of two spellings of one version the one without v, which build.sh takes
/// for a release. nullopt for no tags.
std::optional<std::string> best_tag(const std::vector<std::string>& sorted) {
    std::optional<Version> highest;
    std::optional<std::string> best;
    for (const auto& name : sorted) {  // digits sort before v
        const auto version = find_version(name);
        if (version && (!highest || std::is_gt(compare_precedence(*version, *highest)))) {
            highest = version;
            best = name;
        } else if (!best) {
            best = name;
        }
    }
    return best;
}

GitFacts facts_of_repository(const fs::path& directory, const Environment& environment, const Run& run) {
    const Git git(directory, environment);
    GitFacts facts;
    if (!git.in_repository(run)) {
        facts.why_unknown = git.installed(run) ? "'" + oci::printable(directory.string()) + "' is in no git repository"
                                               : "git is not installed";
        return facts;
    }
    facts.origin = "git";
    facts.sha = git.commit("HEAD", run).value_or("");
    facts.short_sha = facts.sha.empty() ? "" : git.short_name(facts.sha, run).value_or("");
    if (const auto head = git.head_ref(run)) {
        facts.ref = *head;
    } else if (const auto tag = best_tag(git.tags_on_head(run))) {
        facts.ref = "refs/tags/" + *tag;
    }
    facts.ref_name = name_of_ref(facts.ref);
    facts.default_branch = git.default_branch(run).value_or("");
    look_at_tags(git, facts, run);
    return facts;
}

}  // namespace

GitFacts with_commit(GitFacts facts, std::string_view sha) {
    facts.sha = sha;
    facts.relevant_sha.clear();
    facts.head_sha.clear();
    facts.short_sha.clear();
    return facts;
}

GitFacts with_ref(GitFacts facts, std::string_view ref) {
    facts.ref = (ref.empty() || ref.starts_with("refs/") ? "" : "refs/heads/") + std::string(ref);
    facts.ref_name = name_of_ref(facts.ref);
    facts.pull_request = number_of_pull(facts.ref);
    return facts;
}

GitFacts find_git_facts(const fs::path& directory, const Environment& environment, const Run& run) {
    return environment.get("GITHUB_ACTIONS") == "true" ? facts_of_job(directory, environment, run)
                                                       : facts_of_repository(directory, environment, run);
}

}  // namespace cooper::build
