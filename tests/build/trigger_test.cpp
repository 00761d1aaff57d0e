#include "cooper/build/trigger.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <random>

namespace cooper::build {

namespace {

using Catch::Matchers::Contains;
using TagList = std::vector<std::string>;

/// Compares with a golden file; COOPER_ACCEPT=1 writes it anew.
void check_plan_golden(const std::string& name, const Plan& plan) {
    const auto path = std::filesystem::path(COOPER_GOLDEN) / "build" / ("plan-" + name + ".json");
    if (std::getenv("COOPER_ACCEPT") != nullptr) {
        write_file(path, plan_to_json(plan));
        WARN("SKIPPED: wrote " << path);
        return;
    }
    CHECK(plan_to_json(plan) == read_file(path, 1 << 20));
}

ErrorCode code_of_event(std::string_view event, std::string_view ref, bool rebuild) {
    try {
        trigger_of(event, ref, rebuild);
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("accepted: " << event);
    return {};
}

/// A release, or now and then a pre-release, from few numbers, so that equal ones meet.
std::string random_version(std::mt19937& random) {
    std::string version = random() % 2 == 0 ? "v" : "";
    version += std::to_string(random() % 3) + "." + std::to_string(random() % 11) + "." + std::to_string(random() % 3);
    return random() % 4 == 0 ? version + "-rc" + std::to_string(random() % 3) : version;
}

TagList with_shape(const TagList& versions, const std::string& before, const std::string& behind) {
    TagList tags;
    std::transform(versions.begin(), versions.end(), std::back_inserter(tags),
                   [&](const std::string& version) { return before + version + behind; });
    return tags;
}

/// Numbers of a release; nullopt for a pre-release.
std::optional<std::vector<int>> numbers_of(std::string version) {
    version.erase(0, version.front() == 'v' ? 1 : 0);
    if (version.find('-') != std::string::npos) {
        return std::nullopt;
    }
    std::vector<int> numbers;
    for (std::size_t begin = 0; begin <= version.size();) {
        const std::size_t end = std::min(version.find('.', begin), version.size());
        numbers.push_back(std::stoi(version.substr(begin, end - begin)));
        begin = end + 1;
    }
    return numbers;
}

}  // namespace

TEST_CASE("trigger: what each row reads of the cache and leaves in it", "[unit][build]") {
    const auto manner = [](Trigger trigger) { return cache_manner(row_of(trigger)); };
    CHECK(manner(Trigger::PullRequest) == CacheManner{.no_cache = true, .read_only = true});
    CHECK(manner(Trigger::Tag) == CacheManner{.no_cache = false, .read_only = false});
    CHECK(manner(Trigger::Schedule) == CacheManner{.no_cache = true, .read_only = false});
    CHECK(manner(Trigger::Dispatch) == CacheManner{.no_cache = false, .read_only = false});
    CHECK(manner(Trigger::DispatchRebuild) == CacheManner{.no_cache = true, .read_only = false});
    for (const TriggerRow& row : trigger_table()) {
        const auto flags = make_plan(row.trigger, {}, "").build_flags;
        const bool fresh = std::find(flags.begin(), flags.end(), "--no-cache") != flags.end();
        const bool writes = std::find(flags.begin(), flags.end(), "--push") != flags.end();
        CHECK(cache_manner(row).no_cache == fresh);
        CHECK_FALSE((cache_manner(row).read_only && writes));
    }
}

TEST_CASE("trigger: each row of the table is the plan that was agreed", "[unit][build][golden]") {
    const DepsChange same{false, {}, ""};
    const DepsChange changed{true, {"pyproject.toml"}, ""};
    const DepsChange unknown{true, {}, "HEAD is the first commit"};
    CHECK(trigger_table().size() == 5);
    check_plan_golden("pull_request", make_plan(Trigger::PullRequest, changed, "v1.2.3"));
    check_plan_golden("tag", make_plan(Trigger::Tag, same, "v1.2.3"));
    check_plan_golden("tag-deps", make_plan(Trigger::Tag, changed, "v1.2.3"));
    check_plan_golden("tag-unknown", make_plan(Trigger::Tag, unknown, "v1.2.3"));
    check_plan_golden("schedule", make_plan(Trigger::Schedule, same, "v1.2.3"));
    check_plan_golden("dispatch", make_plan(Trigger::Dispatch, same, "v1.2.3"));
    check_plan_golden("dispatch-deps", make_plan(Trigger::Dispatch, changed, "v1.2.3"));
    check_plan_golden("rebuild", make_plan(Trigger::DispatchRebuild, same, "v1.2.3"));
}

TEST_CASE("trigger: what holds for every row", "[unit][build]") {
    for (const TriggerRow& row : trigger_table()) {
        INFO(to_string(row.trigger));
        CHECK(&row_of(row.trigger) == &row);
        CHECK(trigger_of(to_string(row.trigger), "", false) == row.trigger);
        for (const bool deps_changed : {true, false}) {
            const Plan plan = make_plan(row.trigger, {deps_changed, {}, ""}, "");
            CHECK(plan.row.trigger == row.trigger);
            const auto says = [&](const TagList& flags, const char* flag) {
                return std::count(flags.begin(), flags.end(), flag) == 1;
            };
            CHECK(says(plan.build_flags, "--force") == row.fresh);
            CHECK(says(plan.build_flags, "--pull") == row.fresh);
            CHECK(says(plan.build_flags, "--no-cache") == row.fresh);
            CHECK(says(plan.build_flags, "--push") == plan.write_cache);
            CHECK(plan.publish_flags.empty() == !row.publish);
            CHECK(says(plan.publish_flags, "auto") == row.latest);
            CHECK_FALSE((says(plan.publish_flags, "--replace-tags") && row.latest));  // a release's tags are for good
        }
        CHECK((row.publish || !row.latest));
    }
}

TEST_CASE("trigger: events by GitHub's names and ours", "[unit][build]") {
    CHECK(trigger_of("pull_request", "refs/pull/7/merge", false) == Trigger::PullRequest);
    CHECK(trigger_of("merge_group", "refs/heads/gh-readonly-queue/main/pr-7", false) == Trigger::PullRequest);
    CHECK(trigger_of("push", "refs/tags/v1.2.3", false) == Trigger::Tag);
    CHECK(trigger_of("push", "refs/tags/v1.2.3-rc1", false) == Trigger::Tag);
    CHECK(trigger_of("push", "refs/tags/1.2.3", false) == Trigger::Tag);
    CHECK(trigger_of("schedule", "refs/heads/main", false) == Trigger::Schedule);
    CHECK(trigger_of("workflow_dispatch", "refs/heads/x", false) == Trigger::Dispatch);
    CHECK(trigger_of("workflow_dispatch", "refs/heads/x", true) == Trigger::DispatchRebuild);
    CHECK(trigger_of("dispatch", "", true) == Trigger::DispatchRebuild);
    CHECK(trigger_of("rebuild", "", true) == Trigger::DispatchRebuild);
}

TEST_CASE("trigger: events that have no row, or must not have one", "[unit][build]") {
    for (const auto* const ref : {"", "refs/heads/main", "refs/heads/v1.2.3", "refs/tags/nightly", "refs/tags/v1.2",
                                  "v1.2.3", "refs/pull/1/merge"}) {
        INFO(ref);
        CHECK(code_of_event("push", ref, false) == ErrorCode::InvalidInput);
    }
    CHECK(code_of_event("pull_request_target", "refs/heads/main", false) == ErrorCode::AccessDenied);
    CHECK(code_of_event("workflow_run", "refs/tags/v1.2.3", true) == ErrorCode::AccessDenied);
    for (const auto* const event : {"", "issue_comment", "workflow_call", "PULL_REQUEST", "pull_request\n", "Push"}) {
        INFO(event);
        CHECK(code_of_event(event, "refs/tags/v1.2.3", false) == ErrorCode::InvalidInput);
    }
    for (const auto* const event : {"pull_request", "schedule", "tag", "push"}) {
        CHECK(code_of_event(event, "refs/tags/v1.2.3", true) == ErrorCode::InvalidInput);
    }
    CHECK_THROWS_WITH(trigger_of("pull_requests", "", false), Contains("did you mean \"pull_request\"?"));
    CHECK_THROWS_WITH(trigger_of("workflow_dispach", "", false), Contains("workflow_dispatch"));
}

TEST_CASE("trigger: dependencies that nobody can compare count as changed", "[unit][build]") {
    const TempDirectory directory;
    const Environment no_git({{"PATH", directory.path().string()}});
    const auto unknown = [&](const TagList& deps, const Environment& environment) {
        const DepsChange change = find_deps_change(directory.path(), deps, environment, Run());
        CHECK(change.changed);
        CHECK(change.files.empty());
        return change.unknown;
    };
    CHECK_THAT(unknown({}, no_git), Contains("no files were named"));
    CHECK_THAT(unknown({"a"}, no_git), Contains("git is not installed") || Contains("in no git repository"));
    CHECK_THAT(unknown({"a"}, Environment::process()),
               Contains("git is not installed") || Contains("in no git repository"));
    CHECK_THROWS_AS(find_deps_change(directory.path(), {"!"}, no_git, Run()), Error);
}

TEST_CASE("latest: by the auto rule releases alone, and never backwards", "[unit][build]") {
    const TagList there = {"v1.0.0", "1.10.0", "v2.0.0-rc1",  "latest",     "nightly",
                           "",       "v3",     "v1.9.0-slim", "sha-abc1234"};
    const auto decide = [&](std::string_view version, bool force = false) {
        return decide_latest(Latest::Auto, version, version, there, force);
    };
    CHECK(decide("v1.10.1").move);
    CHECK(decide("v1.10.0").move);  // run again
    CHECK(decide("1.11.0").tag == "latest");
    CHECK_FALSE(decide("v1.9.9").move);
    CHECK_THAT(decide("v1.9.9").reason, Contains("1.9.9 is lower than the release 1.10.0"));
    CHECK_FALSE(decide("v2.0.0-rc2").move);
    CHECK_FALSE(decide("v9.0.0-rc2", true).move);
    CHECK_THAT(decide("v9.0.0-rc2").reason, Contains("pre-release"));
    CHECK(decide("v1.9.9", true).move);
    CHECK_THAT(decide("v1.9.9", true).reason, Contains("forced"));
    CHECK(decide_latest(Latest::Auto, "v0.0.1", "v0.0.1", {}, false).move);
    CHECK_THROWS_AS(decide("nightly"), Error);
    CHECK_THROWS_AS(decide("v1.2"), Error);
}

TEST_CASE("latest: always and never", "[unit][build]") {
    const TagList there = {"v1.2.0"};
    const auto decide = [&](Latest latest, std::string_view version, bool force) {
        return decide_latest(latest, version, version, there, force);
    };
    CHECK(decide(Latest::Always, "v1.3.0-rc1", false).move);
    CHECK(decide(Latest::Always, "v1.2.0", false).move);
    CHECK(decide(Latest::Always, "v1.1.0", true).move);
    for (const auto* const lower : {"v1.1.0", "v1.2.0-rc1"}) {
        try {
            decide(Latest::Always, lower, false);
            FAIL("moved backwards to " << lower);
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::Conflict);
            CHECK_THAT(error.what(), Contains("latest would move backwards"));
            CHECK_FALSE(error.advice().empty());
        }
    }
    CHECK_FALSE(decide(Latest::Never, "v9.9.9", true).move);
    CHECK_FALSE(decide(Latest::Never, "v1.0.0", false).move);
}

TEST_CASE("latest: a tag's shape is what stands around the version", "[unit][build]") {
    const auto name = [](std::string_view version, std::string_view tag) {
        return decide_latest(Latest::Auto, version, tag, {}, false).tag;
    };
    CHECK(name("v1.2.3", "v1.2.3") == "latest");
    CHECK(name("v1.2.3", "1.2.3") == "latest");
    CHECK(name("1.2.3", "v1.2.3-slim") == "latest-slim");
    CHECK(name("v1.2.3", "cpu-v1.2.3") == "cpu-latest");
    CHECK(name("v1.2.3", "cpu_1.2.3.slim") == "cpu_latest.slim");
    CHECK(name("v1.2.3-rc1", "py3.10-v1.2.3-rc1-slim") == "py3.10-latest-slim");
    CHECK(name("v1.2.3+build.5", "v1.2.3") == "latest");
    for (const auto* const other :
         {"latest", "v1.2", "v1.2.30", "v11.2.3", "v1.2.3.4", "0.1.2.3", "rev1.2.3", "v1.2.3x", "abc1234", ""}) {
        INFO(other);
        const auto decision = decide_latest(Latest::Always, "v1.2.3", other, {"v9.0.0"}, false);
        CHECK(decision.tag.empty());
        CHECK_FALSE(decision.move);
        CHECK_THAT(decision.reason, Contains("does not hold the version"));
    }
    const TagList there = {"v1.2.0-slim", "v1.9.0", "cpu-v1.9.0", "v1.9.0-slim-debug", "v1.9.0-rc1-slim"};
    CHECK(decide_latest(Latest::Auto, "v1.2.3", "v1.2.3-slim", there, false).move);
    CHECK_FALSE(decide_latest(Latest::Auto, "v1.2.3", "v1.2.3", there, false).move);
    CHECK_FALSE(decide_latest(Latest::Auto, "v1.2.3", "cpu-v1.2.3", there, false).move);
}

TEST_CASE("latest: it moves exactly when no higher release of the shape is there", "[unit][build]") {
    std::mt19937 random(11);
    const std::vector<std::pair<std::string, std::string>> shapes = {
        {"", ""}, {"", "-slim"}, {"cpu-", ""}, {"py3.10-", ".a_b"}};
    for (std::size_t round = 0; round < 500; ++round) {
        TagList versions;
        for (std::size_t i = random() % 8; i > 0; --i) {
            versions.push_back(random_version(random));
        }
        const std::string version = random_version(random);
        const auto candidate = numbers_of(version);
        const bool higher_there = std::any_of(versions.begin(), versions.end(), [&](const std::string& other) {
            const auto numbers = numbers_of(other);
            return numbers && candidate && *numbers > *candidate;
        });
        const auto& [before, behind] = shapes[round % shapes.size()];
        TagList there = with_shape(versions, before, behind);
        const auto decide = [&, &front = before, &back = behind](const std::string& text, bool force) {
            return decide_latest(Latest::Auto, text, front + text + back, there, force);
        };
        const auto decision = decide(version, false);
        CHECK(decision.move == (candidate && !higher_there));
        CHECK(decision.tag == before + "latest" + behind);
        // Neither order, nor what is no version, nor the v counts.
        std::shuffle(there.begin(), there.end(), random);
        there.insert(there.end(), {"latest", "nightly", before + behind, "v9.9.9-other", "other-v9.9.9", "v9"});
        CHECK(decide(version, false).move == decision.move);
        const std::string respelt = version.front() == 'v' ? version.substr(1) : "v" + version;
        CHECK(decide(respelt, false).move == decision.move);
        CHECK(decide(version, true).move == candidate.has_value());
        // Once it is there, the same release says the same again.
        there.push_back(before + version + behind);
        CHECK(decide(version, false).move == decision.move);
    }
}

}  // namespace cooper::build
