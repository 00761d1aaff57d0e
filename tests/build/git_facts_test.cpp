#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/process.hpp"
#include "cooper/build/git_tags.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdio>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Tags = std::vector<std::string>;
using Variables = std::map<std::string, std::string, std::less<>>;

const std::string kHead = "9f2b6c1d0e8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c";

bool has_git() {
    static const bool kThere = [] {
        try {
            return run_process({{"git", "version"}, "", {}, "", std::chrono::seconds(30), 4096}, Run()).exit_status ==
                   0;
        } catch (const Error&) {
            return false;
        }
    }();
    return kThere;
}

bool git_is_missing() {
    if (!has_git()) {
        std::printf("SKIPPED: no git program\n");
    }
    return !has_git();
}

/// One repository, or a clone of one, driven by the real git; its objects have the same names in each run.
class Repository {
public:
    explicit Repository(fs::path path) : path_(std::move(path)) { fs::create_directories(path_); }
    std::string git(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), "git");
        ProcessRequest request;
        request.arguments = std::move(arguments);
        request.working_directory = path_.string();
        Variables variables = Environment::process().all();
        for (const auto* const who : {"AUTHOR", "COMMITTER"}) {
            variables[std::string("GIT_") + who + "_NAME"] = "A Name";
            variables[std::string("GIT_") + who + "_EMAIL"] = "a@example.test";
            variables[std::string("GIT_") + who + "_DATE"] = "2024-05-06T07:08:09Z";
        }
        variables["GIT_CONFIG_NOSYSTEM"] = "1";
        variables["GIT_CONFIG_GLOBAL"] = "/dev/null";
        request.environment = variables;
        const auto result = run_process(request, Run());
        INFO(result.error_output);
        REQUIRE(result.exit_status == 0);
        return result.output.substr(0, result.output.find_last_not_of('\n') + 1);
    }
    const Repository& init() const {
        git({"init", "-q", "-b", "main"});
        return *this;
    }
    std::string commit(const std::string& message = "work") const {
        git({"commit", "-q", "--allow-empty", "-m", message});
        return git({"rev-parse", "HEAD"});
    }
    [[nodiscard]] const fs::path& path() const noexcept { return path_; }

private:
    fs::path path_;
};

Environment environment_with(const Variables& more) {
    Variables variables = more;
    variables.emplace("PATH", Environment::process().get("PATH").value_or(""));
    return Environment(variables);
}

GitFacts facts_of(const fs::path& directory, const Variables& more = {}) {
    return find_git_facts(directory, environment_with(more), Run());
}

Tags sorted(Tags tags) {
    std::sort(tags.begin(), tags.end());
    return tags;
}

}  // namespace

TEST_CASE("git facts: a branch, with tags and what origin calls its main line", "[unit][build]") {
    if (git_is_missing()) {
        return;
    }
    const TempDirectory scratch("git-facts");
    const Repository origin(scratch.path() / "origin");
    const std::string sha = origin.init().commit();
    for (const auto* const tag : {"1.0.0", "v1.2.3", "v1.2.3-rc1", "01.2.3", "v1", "nightly", "v2/x", "2024-05-06"}) {
        origin.git({"tag", tag});
    }
    origin.git({"tag", "-a", "v3.0.0", "-m", "annotated"});
    const Repository clone(scratch.path() / "clone");
    clone.git({"clone", "-q", origin.path().string(), "."});
    clone.git({"checkout", "-q", "-b", "feature/Foo_Bar"});
    const auto facts = facts_of(clone.path());
    CHECK(facts.origin == "git");
    CHECK(facts.sha == sha);
    CHECK(facts.short_sha == sha.substr(0, 7));
    CHECK(facts.ref == "refs/heads/feature/Foo_Bar");  // the tags on its commit do not matter
    CHECK(facts.ref_name == "feature/Foo_Bar");
    CHECK(facts.default_branch == "main");
    CHECK(sorted(facts.version_tags) == Tags{"01.2.3", "1.0.0", "v1.2.3", "v1.2.3-rc1", "v3.0.0"});
    CHECK_FALSE(facts.shallow);
    CHECK(facts.event.empty());
    CHECK(facts.head_sha.empty());
    CHECK(facts.why_unknown.empty());
}

TEST_CASE("git facts: git's own abbreviation, in a directory below the root too", "[unit][build]") {
    if (git_is_missing()) {
        return;
    }
    const TempDirectory scratch("git-facts");
    const Repository repository(scratch.path());
    const std::string sha = repository.init().commit();
    repository.git({"config", "core.abbrev", "12"});
    fs::create_directories(scratch.path() / "a/b");
    CHECK(facts_of(scratch.path() / "a/b").short_sha == sha.substr(0, 12));
}

TEST_CASE("git facts: on a detached HEAD the highest version on it is the ref", "[unit][build]") {
    if (git_is_missing()) {
        return;
    }
    const TempDirectory scratch("git-facts");
    const Repository repository(scratch.path());
    repository.init().commit("first");
    repository.git({"tag", "v9.0.0"});
    const std::string sha = repository.commit("second");
    repository.git({"checkout", "-q", "--detach"});
    CHECK(facts_of(scratch.path()).ref.empty());
    CHECK(facts_of(scratch.path()).ref_name.empty());
    CHECK(facts_of(scratch.path()).sha == sha);
    repository.git({"tag", "zeta"});
    repository.git({"tag", "nightly"});
    CHECK(facts_of(scratch.path()).ref == "refs/tags/nightly");
    for (const auto* const tag : {"v1.9.0", "v1.10.0-rc1", "alpha"}) {
        repository.git({"tag", tag});
    }
    CHECK(facts_of(scratch.path()).ref == "refs/tags/v1.10.0-rc1");
    repository.git({"tag", "v1.10.0"});
    CHECK(facts_of(scratch.path()).ref == "refs/tags/v1.10.0");
    repository.git({"tag", "1.10.0"});  // build.sh sees a release only without v
    CHECK(facts_of(scratch.path()).ref == "refs/tags/1.10.0");
    CHECK(facts_of(scratch.path()).ref_name == "1.10.0");
    const auto tags = build_sh_tags(facts_of(scratch.path()), {});
    CHECK(tags.latest_reason == "1.10.0 is lower than the release 9.0.0");
}

TEST_CASE("git facts: a linked worktree speaks for itself", "[unit][build]") {
    if (git_is_missing()) {
        return;
    }
    const TempDirectory scratch("git-facts");
    const Repository main(scratch.path() / "main");
    const std::string first = main.init().commit("first");
    main.git({"tag", "v1.0.0"});
    main.git({"worktree", "add", "-q", "-b", "side", (scratch.path() / "side").string()});
    const Repository side(scratch.path() / "side");
    const std::string second = side.commit("second");
    CHECK(facts_of(side.path()).ref == "refs/heads/side");
    CHECK(facts_of(side.path()).sha == second);
    CHECK(facts_of(side.path()).version_tags == Tags{"v1.0.0"});
    CHECK(facts_of(main.path()).ref == "refs/heads/main");
    CHECK(facts_of(main.path()).sha == first);
}

TEST_CASE("git facts: a shallow clone is known as one, and latest says that it could not look", "[unit][build]") {
    if (git_is_missing()) {
        return;
    }
    const TempDirectory scratch("git-facts");
    const Repository origin(scratch.path() / "origin");
    origin.init().commit("first");
    origin.git({"tag", "2.0.0"});
    origin.commit("second");
    origin.git({"tag", "1.2.3"});
    const Repository clone(scratch.path() / "clone");
    clone.git({"clone", "-q", "--depth=1", "--branch=1.2.3", "file://" + origin.path().string(), "."});
    const auto facts = facts_of(clone.path());
    CHECK(facts.shallow);
    CHECK(facts.ref == "refs/tags/1.2.3");
    CHECK(facts.version_tags == Tags{"1.2.3"});
    CHECK_THAT(build_sh_tags(facts, {}).latest_reason, Contains("a shallow clone without tags"));
    clone.git({"fetch", "-q", "--tags", "--depth=1"});
    CHECK(build_sh_tags(facts_of(clone.path()), {}).latest_reason == "1.2.3 is lower than the release 2.0.0");
}

TEST_CASE("git facts: before the first commit there is a branch and no commit", "[unit][build]") {
    if (git_is_missing()) {
        return;
    }
    const TempDirectory scratch("git-facts");
    const Repository repository(scratch.path());
    repository.init();
    const auto facts = facts_of(scratch.path());
    CHECK(facts.origin == "git");
    CHECK(facts.sha.empty());
    CHECK(facts.short_sha.empty());
    CHECK(facts.ref == "refs/heads/main");
    CHECK(build_sh_tags(facts, {}).tags == Tags{"main"});
}

TEST_CASE("git facts: a tag called like the branch does not confuse them", "[unit][build]") {
    if (git_is_missing()) {
        return;
    }
    const TempDirectory scratch("git-facts");
    const Repository repository(scratch.path());
    const std::string first = repository.init().commit("first");
    repository.git({"tag", "main"});
    repository.git({"tag", "HEAD"});
    const std::string second = repository.commit("second");
    const auto facts = facts_of(scratch.path());
    CHECK(facts.ref == "refs/heads/main");
    CHECK(facts.sha == second);
    CHECK(first != second);
}

TEST_CASE("git facts: without a repository, a directory or git, it says what is missing", "[unit][build]") {
    const TempDirectory scratch("git-facts");
    if (has_git()) {
        const auto facts = facts_of(scratch.path());
        CHECK(facts.origin.empty());
        CHECK(facts.ref.empty());
        CHECK(facts.why_unknown == "'" + scratch.path().string() + "' is in no git repository");
        CHECK_THAT(facts_of(scratch.path() / "none").why_unknown, Contains("is in no git repository"));
    }
    const auto facts = find_git_facts(scratch.path(), Environment({{"PATH", scratch.path().string()}}), Run());
    CHECK(facts.origin.empty());
    CHECK(facts.why_unknown == "git is not installed");
}

TEST_CASE("git facts: the caller's GIT_DIR does not answer for the directory", "[unit][build]") {
    if (git_is_missing()) {
        return;
    }
    const TempDirectory scratch("git-facts");
    const Repository one(scratch.path() / "one");
    const Repository other(scratch.path() / "other");
    const std::string sha = one.init().commit("one");
    other.init().commit("other");
    CHECK(facts_of(one.path(), {{"GIT_DIR", (other.path() / ".git").string()}}).sha == sha);
}

// --- GitHub Actions ------------------------------------------------------------------------------------------------

namespace {

/// A job's environment; its event is `event`.
class Job {
public:
    explicit Job(const std::string& event = "{}") : directory_("git-facts-job") {
        write_file(directory_.path() / "event.json", event);
        variables = {{"GITHUB_ACTIONS", "true"},
                     {"GITHUB_SHA", "860c1904a1ce19322e91ac35af1ab07466440c37"},
                     {"GITHUB_EVENT_PATH", (directory_.path() / "event.json").string()}};
    }
    [[nodiscard]] GitFacts facts() const { return facts_of(directory_.path(), variables); }
    [[nodiscard]] const fs::path& directory() const { return directory_.path(); }
    Variables variables;

private:
    TempDirectory directory_;
};

std::string pull_request_event(const std::string& number = "7", const std::string& head = kHead) {
    return R"({"number":)" + number + R"(,"pull_request":{"head":{"sha":")" + head +
           R"("}},"repository":{"default_branch":"trunk"}})";
}

}  // namespace

TEST_CASE("git facts in a job: a push", "[unit][build]") {
    Job job(R"({"repository":{"default_branch":"trunk"},"pull_request":null})");
    job.variables["GITHUB_REF"] = "refs/heads/a/b";
    job.variables["GITHUB_REF_NAME"] = "a/b";
    job.variables["GITHUB_EVENT_NAME"] = "push";
    const auto facts = job.facts();
    CHECK(facts.origin == "GitHub Actions");
    CHECK(facts.sha == "860c1904a1ce19322e91ac35af1ab07466440c37");
    CHECK(facts.ref == "refs/heads/a/b");
    CHECK(facts.ref_name == "a/b");
    CHECK(facts.event == "push");
    CHECK(facts.default_branch == "trunk");
    CHECK(facts.pull_request.empty());
    CHECK(facts.shallow);  // there is no checkout to look for versions in
    job.variables.erase("GITHUB_REF_NAME");
    CHECK(job.facts().ref_name == "a/b");
}

TEST_CASE("git facts in a job: a pull request", "[unit][build]") {
    Job job(pull_request_event());
    job.variables["GITHUB_REF"] = "refs/pull/7/merge";
    job.variables["GITHUB_REF_NAME"] = "7/merge";
    job.variables["GITHUB_EVENT_NAME"] = "pull_request";
    const auto facts = job.facts();
    CHECK(facts.pull_request == "7");
    CHECK(facts.head_sha == kHead);
    CHECK(facts.sha == "860c1904a1ce19322e91ac35af1ab07466440c37");
    CHECK(facts.ref == "refs/pull/7/merge");
    CHECK(build_sh_tags(facts, {}).tags == Tags{"9f2b6c1", kHead, "7-merge"});
    job.variables.erase("GITHUB_EVENT_PATH");
    CHECK(job.facts().pull_request == "7");
    CHECK(job.facts().head_sha.empty());
}

TEST_CASE("git facts in a job: foreign code of pull_request_target does not get the base branch's names",
          "[unit][build]") {
    Job job(pull_request_event("16"));
    job.variables["GITHUB_REF"] = "refs/heads/main";
    job.variables["GITHUB_REF_NAME"] = "main";
    job.variables["GITHUB_EVENT_NAME"] = "pull_request_target";
    const auto facts = job.facts();
    CHECK(facts.ref == "refs/pull/16/merge");
    CHECK(facts.ref_name == "16/merge");
    CHECK(build_sh_tags(facts, {}).tags == Tags{"9f2b6c1", kHead, "16-merge"});
    CHECK(build_sh_tags(facts, {}).cache_to == "buildcache-16-merge");
    CHECK(metadata_tags(facts, {}).tags.front() == "pr-16");
    job.variables["GITHUB_EVENT_PATH"] = (job.directory() / "none.json").string();
    CHECK_THROWS_WITH(job.facts(), Contains("does not say of which pull request"));
}

TEST_CASE("git facts in a job: RELEVANT_SHA is taken along, and git abbreviates it", "[unit][build]") {
    if (git_is_missing()) {
        return;
    }
    Job job;
    const Repository checkout(job.directory() / "checkout");
    const std::string sha = checkout.init().commit();
    checkout.git({"tag", "v1.0.0"});
    job.variables["GITHUB_WORKSPACE"] = checkout.path().string();
    job.variables["GITHUB_REF"] = "refs/heads/main";
    CHECK(job.facts().short_sha == "860c190");  // a full name need not be here
    CHECK(job.facts().version_tags == Tags{"v1.0.0"});
    CHECK_FALSE(job.facts().shallow);
    job.variables["RELEVANT_SHA"] = "main";
    CHECK(job.facts().relevant_sha == "main");
    CHECK(job.facts().short_sha == sha.substr(0, 7));
    CHECK(build_sh_tags(job.facts(), {}).tags == Tags{sha.substr(0, 7), "main", "main"});
    for (const auto* const revision : {"nosuchrev", "--all", "-x", "main; echo"}) {
        job.variables["RELEVANT_SHA"] = revision;
        CHECK(job.facts().short_sha.empty());
        CHECK_THROWS_WITH(build_sh_tags(job.facts(), {}), Contains("git does not know the revision"));
    }
}

TEST_CASE("git facts in a job: an event file that GitHub does not write is refused", "[unit][build]") {
    const std::string deep(1000, '[');
    for (const std::string& event :
         {std::string("{"), std::string("[]"), std::string("{\"pull_request\":[]}"),
          std::string("{\"pull_request\":{\"head\":{\"sha\":\"x\"}}}"), pull_request_event("-7"),
          pull_request_event("\"7\""), pull_request_event("7", "main"), pull_request_event("7", kHead + "0"),
          std::string(R"({"repository":{"default_branch":7}})"), deep}) {
        INFO(event.substr(0, 100));
        const Job job(event);
        try {
            (void)job.facts();
            FAIL("accepted");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::InvalidInput);
            CHECK_THAT(error.what(), Contains("event.json"));
        }
    }
}

TEST_CASE("git facts: a commit or ref that the caller names", "[unit][build]") {
    GitFacts facts;
    facts.sha = facts.head_sha = facts.relevant_sha = facts.short_sha = "x";
    facts = with_commit(facts, kHead);
    CHECK(build_sh_tags(facts, {}).tags == Tags{"9f2b6c1", kHead});
    CHECK(with_ref(facts, "a/b").ref == "refs/heads/a/b");
    CHECK(with_ref(facts, "refs/tags/v1").ref_name == "v1");
    CHECK(with_ref(facts, "refs/pull/12/merge").pull_request == "12");
    CHECK(with_ref(facts, "").ref.empty());
}

}  // namespace cooper::build
