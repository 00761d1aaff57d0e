#include "cooper/build/git_tags.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace cooper::build {

namespace {

using Catch::Matchers::Contains;
using Tags = std::vector<std::string>;

const std::string kSha = "860c1904a1ce19322e91ac35af1ab07466440c37";
const std::string kHead = "9f2b6c1d0e8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c";

GitFacts on(const std::string& ref, Tags version_tags = {}) {
    GitFacts facts = with_ref({}, ref);
    facts.sha = kSha;
    facts.event = "push";
    facts.default_branch = "main";
    facts.version_tags = std::move(version_tags);
    facts.origin = "git";
    return facts;
}

GitFacts on_pull_request() {
    GitFacts facts = on("refs/pull/7/merge");
    facts.event = "pull_request";
    facts.head_sha = kHead;
    return facts;
}

GitTagOptions with_rules(Tags rules, Tags flavor = {}) {
    GitTagOptions options;
    options.rules = std::move(rules);
    options.flavor = std::move(flavor);
    return options;
}

Tags by_rules(const GitFacts& facts, Tags rules, Tags flavor = {}) {
    return metadata_tags(facts, with_rules(std::move(rules), std::move(flavor))).tags;
}

std::string refusal_of(const std::string& rule, const GitFacts& facts = on("main")) {
    try {
        metadata_tags(facts, with_rules({rule}));
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return error.what() + std::string(" | ") + error.advice();
    }
    return "accepted";
}

bool contains(const Tags& tags, const std::string& tag) {
    return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

}  // namespace

// --- both dialects -------------------------------------------------------------------------------------------------

TEST_CASE("git tags: one release in both dialects", "[unit][build]") {
    const auto facts = on("refs/tags/1.2.3");
    CHECK(build_sh_tags(facts, {}).tags == Tags{"860c190", kSha, "1", "1.2", "latest", "1.2.3"});
    CHECK(metadata_tags(facts, {}).tags == Tags{"1.2.3", "1.2", "1", "sha-860c190", "sha-" + kSha, "latest"});
    CHECK(build_sh_tags(facts, {}).latest);
    CHECK(metadata_tags(facts, {}).latest);
}

TEST_CASE("git tags: a pull request is named after its number and its own commit", "[unit][build]") {
    const auto facts = on_pull_request();
    CHECK(build_sh_tags(facts, {}).tags == Tags{"9f2b6c1", kHead, "7-merge"});
    CHECK(metadata_tags(facts, {}).tags == Tags{"pr-7", "sha-9f2b6c1", "sha-" + kHead});
    GitTagOptions merge_commit;
    merge_commit.pr_head_sha = false;
    CHECK(metadata_tags(facts, merge_commit).tags == Tags{"pr-7", "sha-860c190", "sha-" + kSha});
}

TEST_CASE("git tags: platform and target stand behind every tag and cache, the suffix not behind extra tags",
          "[unit][build]") {
    GitTagOptions options;
    options.suffix = "X";
    options.arch = "arm64";
    options.target = "source";
    options.extra_tags = {"oh_v1"};
    const auto script = build_sh_tags(on("main"), options);
    CHECK(script.tags ==
          Tags{"860c190-X-arm64-source", kSha + "-X-arm64-source", "main-X-arm64-source", "oh_v1-arm64-source"});
    CHECK(script.cache_to == "buildcache-main-X-arm64-source");
    CHECK(script.cache_from == Tags{"buildcache-main-X-arm64-source", "buildcache-main-arm64-source"});
    CHECK(script.version == "main");
    options.rules = {"type=ref,event=branch"};
    CHECK(metadata_tags(on("main"), options).tags == Tags{"main-X-arm64-source", "oh_v1-arm64-source"});
}

TEST_CASE("git tags: caches are those of the ref and of the main line", "[unit][build]") {
    CHECK(build_sh_tags(on("main"), {}).cache_from == Tags{"buildcache-main"});
    CHECK(build_sh_tags(on("Fix/A"), {}).cache_from == Tags{"buildcache-fix-a", "buildcache-main"});
    GitFacts facts = on("Fix/A_b");
    facts.default_branch = "trunk";
    CHECK(metadata_tags(facts, {}).cache_from == Tags{"buildcache-Fix-A_b", "buildcache-trunk"});
    CHECK(metadata_tags(facts, {}).cache_to == "buildcache-Fix-A_b");
    const auto too_long = metadata_tags(on(std::string(120, 'x')), {});
    CHECK(too_long.cache_to.empty());
    CHECK(too_long.cache_from == Tags{"buildcache-main"});
}

TEST_CASE("git tags: a tag that no registry takes is computed as the original does, and refused", "[unit][build]") {
    for (const auto& branch : Tags{"-x", ".hidden", "\xE6\x97\xA5", std::string(129, 'x')}) {
        INFO(branch);
        CHECK_NOTHROW(compute_build_sh_tags(on(branch), {}));
        CHECK_NOTHROW(compute_metadata_tags(on(branch), {}));
        CHECK_THROWS_WITH(build_sh_tags(on(branch), {}), Contains("no registry accepts the tag '"));
        CHECK_THROWS_WITH(metadata_tags(on(branch), {}), Contains("no registry accepts the tag '"));
    }
    GitTagOptions options;
    options.suffix = "Ubuntu 24";
    CHECK_THROWS_WITH(build_sh_tags(on("main"), options), Contains("' '"));
    // The tag fits, its cache does not: the script's push of it would fail.
    CHECK_THROWS_WITH(build_sh_tags(on(std::string(120, 'x')), {}), Contains("cache tag"));
}

TEST_CASE("git tags: names that git does not have are refused", "[unit][build]") {
    for (const auto* const name : {"a\nb", "1.2.3\n", "a\rb", "caf\xE9"}) {
        INFO(name);
        CHECK_THROWS_WITH(compute_build_sh_tags(on(name), {}), Contains("line break or is not UTF-8"));
        CHECK_THROWS_WITH(compute_metadata_tags(on(name), {}), Contains("line break or is not UTF-8"));
    }
}

TEST_CASE("git tags: repositories become lower case and must be repositories", "[unit][build]") {
    GitTagOptions options;
    options.images = {"GHCR.io/Acme/App", "localhost:5000/app"};
    CHECK(build_sh_tags(on("main"), options).repositories == Tags{"ghcr.io/acme/app", "localhost:5000/app"});
    CHECK(metadata_tags(on("main"), options).repositories == Tags{"ghcr.io/acme/app", "localhost:5000/app"});
    options.images = {"ghcr.io/acme/app:1.2"};
    CHECK_THROWS_WITH(build_sh_tags(on("main"), options), Contains("has a tag or digest"));
    options.images = {"ghcr.io/acme/a pp"};
    CHECK_THROWS_AS(metadata_tags(on("main"), options), Error);
}

TEST_CASE("git tags: nothing known gives no tags, and says why nothing is the latest", "[unit][build]") {
    const auto script = build_sh_tags({}, {});
    CHECK(script.tags.empty());
    CHECK(script.version == "dev");
    CHECK(script.cache_from == Tags{"buildcache", "buildcache-main"});
    CHECK(script.latest_reason == "there is no branch or tag");
    const auto action = metadata_tags({}, {});
    CHECK(action.tags.empty());
    CHECK(action.version.empty());
    CHECK(action.latest_reason == "no rule gave a tag");
}

// --- build.sh ------------------------------------------------------------------------------------------------------

TEST_CASE("build.sh tags: RELEVANT_SHA is used as it is, with git's abbreviation", "[unit][build]") {
    GitFacts facts = on_pull_request();
    facts.relevant_sha = "main";
    CHECK_THROWS_WITH(build_sh_tags(facts, {}), Contains("git does not know the revision 'main'"));
    facts.short_sha = "195d49fb9c29";
    CHECK(build_sh_tags(facts, {}).tags == Tags{"195d49fb9c29", "main", "7-merge"});
    facts.short_sha.clear();
    facts.relevant_sha = "195d49fb9c";
    CHECK(build_sh_tags(facts, {}).tags == Tags{"195d49f", "195d49fb9c", "7-merge"});
    facts.relevant_sha = "195d49";
    CHECK_THROWS_AS(build_sh_tags(facts, {}), Error);
}

TEST_CASE("build.sh tags: a version with v or a suffix is a name like any other", "[unit][build]") {
    for (const std::string ref : {"v1.2.3", "1.2", "1.2.3-rc1", "1.2.3.4"}) {
        const auto tags = build_sh_tags(on("refs/tags/" + ref), {});
        CHECK(tags.tags == Tags{"860c190", kSha, ref});
        CHECK_FALSE(tags.latest);
    }
    CHECK(build_sh_tags(on("refs/tags/01.002.3"), {}).tags ==
          Tags{"860c190", kSha, "01", "01.002", "latest", "01.002.3"});
}

// --- latest --------------------------------------------------------------------------------------------------------

TEST_CASE("latest: auto never moves it backwards, in either dialect", "[unit][build]") {
    for (const auto& compute : {build_sh_tags, metadata_tags}) {
        const auto back = compute(on("refs/tags/1.2.3", {"v1.9.0", "1.2.3", "1.10.0", "2.0.0-rc1", "nightly"}), {});
        CHECK_FALSE(back.latest);
        CHECK_FALSE(contains(back.tags, "latest"));
        CHECK(contains(back.tags, "1.2"));
        CHECK(back.latest_reason == "1.2.3 is lower than the release 1.10.0");
        const auto forth = compute(on("refs/tags/1.10.1", {"v1.9.0", "1.10.0", "2.0.0-rc1"}), {});
        CHECK(forth.latest);
        CHECK(contains(forth.tags, "latest"));
        CHECK_THAT(forth.latest_reason, Contains("1.10.1") && Contains("is a release, and no version tag is higher"));
        GitTagOptions force;
        force.force_latest = true;
        const auto forced = compute(on("refs/tags/1.2.3", {"2.0.0"}), force);
        CHECK(forced.latest);
        CHECK(forced.latest_reason == "forced, though 1.2.3 is lower than the release 2.0.0");
    }
}

TEST_CASE("latest: auto leaves pre-releases and branches alone", "[unit][build]") {
    for (const auto& compute : {build_sh_tags, metadata_tags}) {
        const auto candidate = compute(on("refs/tags/2.0.0-rc1", {"1.0.0"}), {});
        CHECK_FALSE(candidate.latest);
        CHECK(candidate.latest_reason == "2.0.0-rc1 is a pre-release");
        const auto branch = compute(on("main", {"1.0.0"}), {});
        CHECK_FALSE(branch.latest);
        CHECK_THAT(branch.latest_reason, Contains("'main' is no"));
    }
    // The action would move it for any tag of this rule.
    const auto by_name = metadata_tags(on("refs/tags/v2.0.0-rc1"), with_rules({"type=ref,event=tag"}));
    CHECK_FALSE(by_name.latest);
    CHECK(metadata_tags(on("refs/tags/nightly"), with_rules({"type=ref,event=tag"})).latest);
}

TEST_CASE("latest: always moves it, but backwards only by force", "[unit][build]") {
    GitTagOptions always;
    always.latest = Latest::Always;
    for (const auto& compute : {build_sh_tags, metadata_tags}) {
        CHECK(compute(on("main"), always).latest);
        CHECK(contains(compute(on("main"), always).tags, "latest"));
        CHECK(compute(on("refs/tags/v2.0.0-rc1", {"1.0.0"}), always).latest);
        CHECK_THROWS_WITH(compute(on("refs/tags/v1.0.0-rc1", {"1.0.0"}), always),
                          Contains("'latest' would move backwards: 1.0.0-rc1 is lower than the release 1.0.0"));
        GitTagOptions force = always;
        force.force_latest = true;
        CHECK(compute(on("refs/tags/1.0.0", {"2.0.0"}), force).latest);
        try {
            compute(on("refs/tags/1.0.0", {"2.0.0"}), always);
            FAIL("moved backwards");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::InvalidInput);
            CHECK_FALSE(error.advice().empty());
        }
    }
}

TEST_CASE("latest: never means never, even for a branch or rule of that name", "[unit][build]") {
    GitTagOptions never;
    never.latest = Latest::Never;
    for (const auto& compute : {build_sh_tags, metadata_tags}) {
        for (const std::string ref : {"refs/tags/1.2.3", "refs/heads/latest"}) {
            const auto tags = compute(on(ref), never);
            CHECK_FALSE(tags.latest);
            CHECK_FALSE(contains(tags.tags, "latest"));
            CHECK(tags.latest_reason == "never was asked for");
        }
        CHECK(compute(on("refs/heads/latest"), {}).latest);
        CHECK(contains(compute(on("refs/heads/latest"), {}).tags, "latest"));
    }
    never.rules = {"type=raw,value=latest", "type=sha"};
    CHECK(metadata_tags(on("main"), never).tags == Tags{"sha-860c190"});
}

TEST_CASE("latest: a shallow clone without other version tags cannot tell, and says so", "[unit][build]") {
    for (const auto& compute : {build_sh_tags, metadata_tags}) {
        for (const Tags& seen : {Tags{}, Tags{"v1.2.3"}}) {
            GitFacts facts = on("refs/tags/1.2.3", seen);
            facts.shallow = true;
            const auto tags = compute(facts, {});
            CHECK(tags.latest);
            CHECK_THAT(tags.latest_reason, Contains("could not be looked up: a shallow clone without tags"));
        }
        GitFacts facts = on("refs/tags/1.2.3", {"1.2.2", "1.2.3"});
        facts.shallow = true;
        CHECK_THAT(compute(facts, {}).latest_reason, Contains("no version tag is higher"));
        facts.version_tags.emplace_back("1.3.0");
        CHECK_FALSE(compute(facts, {}).latest);
    }
}

TEST_CASE("latest: it has its suffix and stands where the dialect puts it", "[unit][build]") {
    GitTagOptions options;
    options.suffix = "slim";
    CHECK(build_sh_tags(on("refs/tags/1.2.3"), options).tags[4] == "latest-slim");
    CHECK(metadata_tags(on("refs/tags/1.2.3"), options).tags.back() == "latest-slim");
}

// --- metadata-action's rules ---------------------------------------------------------------------------------------

TEST_CASE("metadata rules: kinds of refs", "[unit][build]") {
    const Tags rules = {"type=ref,event=branch", "type=ref,event=tag", "type=ref,event=pr"};
    CHECK(by_rules(on("refs/heads/a/b_c"), rules) == Tags{"a-b_c"});
    CHECK(by_rules(on("refs/tags/rel/1"), rules) == Tags{"rel-1", "latest"});
    CHECK(by_rules(on("refs/pull/7/merge"), rules) == Tags{"pr-7"});
    CHECK(by_rules(on("refs/pull/7/head"), rules) == Tags{"pr-7-head"});
    CHECK(by_rules(on("refs/notes/x"), rules).empty());
    CHECK(by_rules(on("refs/pull/7/merge"), {"type=ref,event=pr,prefix="}) == Tags{"7"});
}

TEST_CASE("metadata rules: patterns of versions", "[unit][build]") {
    const auto facts = on("refs/tags/v1.2.3+b.1");
    CHECK(by_rules(facts, {"type=semver,pattern={{version}}"}) == Tags{"1.2.3", "latest"});
    CHECK(by_rules(facts, {"type=semver,pattern={{raw}}"}) == Tags{"v1.2.3-b.1", "latest"});
    CHECK(by_rules(facts, {"type=semver,pattern=v{{ major }}.{{minor}}-p{{patch}}"}) == Tags{"v1.2-p3", "latest"});
    CHECK(by_rules(facts, {"type=semver,pattern=stable"}) == Tags{"stable", "latest"});
    const auto candidate = on("refs/tags/v1.2.3-rc.1+b");
    CHECK(by_rules(candidate, {"type=semver,pattern={{major}}"}) == Tags{"1.2.3-rc.1"});
    CHECK(by_rules(candidate, {"type=semver,pattern={{ raw }}"}) == Tags{"v1.2.3-rc.1-b"});
    CHECK(by_rules(candidate, {"type=semver,pattern=x{{raw}}"}) == Tags{"1.2.3-rc.1"});
    CHECK(by_rules(on("refs/tags/1.2"), {"type=semver,pattern={{version}}"}).empty());
    CHECK(by_rules(on("main"), {"type=semver,pattern={{version}}"}).empty());
    CHECK(by_rules(on("main"), {"type=semver,pattern={{major}},value=v4.5.6"}) == Tags{"4", "latest"});
    CHECK(by_rules(on("main", {"5.0.0"}), {"type=semver,pattern={{major}},value=v4.5.6"}) == Tags{"4"});
    CHECK(by_rules(on("main"), {"type=semver,pattern={{major}},value=x"}).empty());
}

TEST_CASE("metadata rules: commits, fixed names, the edge", "[unit][build]") {
    GitTagOptions options = with_rules({"type=sha", "type=sha,prefix=,format=long", "type=sha,prefix=git-,suffix=-x"});
    options.short_sha_length = 12;
    CHECK(metadata_tags(on("main"), options).tags == Tags{"sha-860c1904a1ce", kSha, "git-860c1904a1ce-x"});
    GitFacts no_commit = on("main");
    no_commit.sha.clear();
    CHECK(by_rules(no_commit, {"type=sha"}).empty());
    CHECK(by_rules(on("main"), {"mine", "type=raw,value=a b", "type=raw,value=", "type=raw,mine"}) ==
          Tags{"mine", "a-b"});
    CHECK(by_rules(on("main"), {"type=edge"}) == Tags{"edge"});
    CHECK(by_rules(on("dev"), {"type=edge"}).empty());
    CHECK(by_rules(on("dev"), {"type=edge,branch=dev"}) == Tags{"edge"});
    CHECK(by_rules(on("refs/tags/dev"), {"type=edge,branch=dev"}).empty());
}

TEST_CASE("metadata rules: priorities order them, equal ones stay as written", "[unit][build]") {
    const Tags rules = {"type=sha",
                        "type=raw,value=b",
                        "type=edge",
                        "type=ref,event=branch",
                        "type=semver,pattern={{version}},value=1.0.0",
                        "type=raw,value=a",
                        "type=raw,value=first,priority=1001",
                        "type=raw,value=last,priority=-1"};
    const auto tags = metadata_tags(on("main"), with_rules(rules));
    CHECK(tags.tags == Tags{"first", "1.0.0", "edge", "main", "b", "a", "sha-860c190", "last"});
    CHECK(tags.version == "first");
    CHECK_FALSE(tags.latest);  // the first that gives a value decides
}

TEST_CASE("metadata rules: they can be switched off, by expressions too", "[unit][build]") {
    CHECK(by_rules(on("main"), {"type=raw,value=a,enable=false", "type=raw,value=b,enable=true"}) == Tags{"b"});
    const Tags rules = {"type=raw,value=latest,enable={{is_default_branch}}", "type=raw,value=x"};
    const auto main = metadata_tags(on("main"), with_rules(rules, {"latest=false"}));
    CHECK(main.tags == Tags{"latest", "x"});
    CHECK(main.latest);
    CHECK_FALSE(metadata_tags(on("dev"), with_rules(rules)).latest);
    CHECK(by_rules(on("refs/tags/v1"), rules) == Tags{"x"});
    GitFacts unknown = on("main");
    unknown.default_branch.clear();
    CHECK_THROWS_WITH(metadata_tags(unknown, with_rules(rules)), Contains("default branch"));
    CHECK_THAT(refusal_of("type=raw,value=a,enable=yes"), Contains("neither true nor false"));
}

TEST_CASE("metadata rules: expressions", "[unit][build]") {
    CHECK(by_rules(on("a/b"), {"type=raw,value={{branch}}-{{sha}}"}) == Tags{"a-b-860c190"});
    CHECK(by_rules(on("refs/tags/v1"), {"type=raw,value={{tag}},suffix=-{{ is_not_default_branch }}"}) ==
          Tags{"v1-true"});
    CHECK(by_rules(on("refs/tags/v1"), {"type=raw,value=x{{branch}}"}) == Tags{"x"});
    CHECK(by_rules(on("main"), {"type=sha,prefix={{branch}}-"}) == Tags{"main-860c190"});
    // Handlebars writes HTML entities before the action cleans up.
    CHECK(by_rules(on("a&b"), {"type=raw,value={{branch}}"}) == Tags{"a-amp-b"});
    CHECK(by_rules(on("a&b"), {"type=ref,event=branch"}) == Tags{"a-b"});
    for (const auto* const value : {"{{date 'YYYYMMDD'}}", "{{base_ref}}", "{{}}", "{{branch", "{{{branch}}}",
                                    "\\{{branch}}", "{{#if x}}", "{{version}}"}) {
        CHECK_THAT(refusal_of(std::string("type=raw,value=") + value),
                   Contains("is not supported") && Contains("{{sha}}"));
    }
    CHECK_THAT(refusal_of("type=semver,pattern={{prerelease}},value=1.2.3"), Contains("{{version}} {{major}}"));
}

TEST_CASE("metadata rules: as CSV, in several lines, with comments", "[unit][build]") {
    CHECK(by_rules(on("main"), {"# all\n\n  type=sha \n type=ref,event=branch\r\n", ""}) ==
          Tags{"main", "sha-860c190"});
    CHECK(by_rules(on("main"), {R"("type=raw","value=a,b ""c""")"}) == Tags{"a-b-c-"});
    CHECK(by_rules(on("main"), {"TYPE = raw , VALUE = x "}) == Tags{"x"});
    CHECK(by_rules(on("main"), {"type=raw,value=a=b"}) == Tags{"a-b"});
    CHECK_THAT(refusal_of("type=raw,value=\"a"), Contains("quote stands in the middle"));
    CHECK_THAT(refusal_of("\"type=raw,value=a"), Contains("not closed"));
    CHECK_THAT(refusal_of("\"type=raw\"x,value=a"), Contains("other than a comma"));
}

TEST_CASE("metadata rules: what is not understood is refused, with what there is", "[unit][build]") {
    CHECK_THAT(refusal_of("type=schedule"),
               Contains("'schedule' is not supported") && Contains("ref, sha, semver, raw and edge"));
    CHECK_THAT(refusal_of("type=pep440,pattern={{version}}"), Contains("not supported"));
    CHECK_THAT(refusal_of("type=match,pattern=x"), Contains("not supported"));
    CHECK_THAT(refusal_of("type=ref"), Contains("'event=' is missing"));
    CHECK_THAT(refusal_of("type=ref,event=push"), Contains("event=push is none of: branch tag pr"));
    CHECK_THAT(refusal_of("type=sha,format=medium"), Contains("format=medium is none of: short long"));
    CHECK_THAT(refusal_of("type=semver"), Contains("'pattern=' is missing"));
    CHECK_THAT(refusal_of("type=raw"), Contains("'value=' is missing"));
    CHECK_THAT(refusal_of("type=raw,value=x,valeu=y"), Contains("no attribute 'valeu'") && Contains("it has: value"));
    CHECK_THAT(refusal_of("type=semver,pattern={{version}},match=v(.*)"), Contains("no attribute 'match'"));
    CHECK_THAT(refusal_of("type=raw,value=x,priority=high"), Contains("is no number"));
    CHECK_THAT(refusal_of("type=raw,value=x,priority=1234567890"), Contains("is no number"));
    CHECK_THAT(refusal_of("type=raw,value=" + std::string(5000, 'x')), Contains("more than 256 lines"));
    CHECK_THROWS_AS(metadata_tags(on("main"), with_rules(Tags(257, "type=sha"))), Error);
}

TEST_CASE("metadata flavor: latest, prefix, suffix", "[unit][build]") {
    const Tags rules = {"type=ref,event=branch", "type=semver,pattern={{version}}", "type=sha,prefix=s-"};
    const auto release = on("refs/tags/v1.2.3");
    CHECK(by_rules(release, rules, {"prefix=p-", "suffix=-s"}) == Tags{"p-1.2.3-s", "s-860c190-s", "latest"});
    CHECK(by_rules(release, rules, {"prefix=p-,onlatest=true\nsuffix=-s,onlatest=true"}).back() == "p-latest-s");
    CHECK(by_rules(release, rules, {"prefix=p-,onlatest=false", "suffix=-s,onlatest=true"}).back() == "latest-s");
    CHECK(by_rules(release, rules, {"latest=false"}) == Tags{"1.2.3", "s-860c190"});
    CHECK(by_rules(on("main"), rules, {"latest=true"}) == Tags{"main", "s-860c190", "latest"});
    CHECK(by_rules(on("main"), rules, {"suffix=-{{sha}}"}).front() == "main-860c190");
    CHECK_THROWS_WITH(by_rules(on("refs/tags/v1.2.3", {"2.0.0"}), rules, {"latest=true"}), Contains("backwards"));
    for (const auto* const flavor : {"latest=maybe", "lates=true", "latest", "onlatest=true", "prefix=a,onlatest=1"}) {
        INFO(flavor);
        CHECK_THROWS_AS(by_rules(release, rules, {flavor}), Error);
    }
}

// --- versions ------------------------------------------------------------------------------------------------------

TEST_CASE("version file: one version, with or without the v", "[unit][build]") {
    const TempDirectory directory("version-file");
    const auto file = directory.path() / "VERSION";
    for (const std::string text : {"v0.1.0-rc", "1.2.3", "v1.2.3\n", " 1.2.3-rc.1 \r\n"}) {
        write_file(file, text);
        CHECK("[" + read_version_file(file) + "]" ==
              "[" +
                  text.substr(text.find_first_not_of(' '),
                              text.find_last_not_of(" \r\n") + 1 - text.find_first_not_of(' ')) +
                  "]");
    }
    for (const auto* const text : {"", "1.2", "v1.2.3 v1.2.4", "1.2.3\n1.2.4\n", "01.2.3", "1.2.3+b", "latest"}) {
        INFO(text);
        write_file(file, text);
        CHECK_THROWS_WITH(read_version_file(file), Contains("does not hold one version"));
    }
    write_file(file, std::string(5000, '1'));
    CHECK_THROWS_AS(read_version_file(file), Error);
    CHECK_THROWS_AS(read_version_file(directory.path() / "none"), SystemError);
}

TEST_CASE("version: it must be the pushed tag's", "[unit][build]") {
    CHECK_NOTHROW(require_match(on("refs/tags/v1.2.3"), "1.2.3"));
    CHECK_NOTHROW(require_match(on("refs/tags/1.2.3"), "v1.2.3"));
    CHECK_NOTHROW(require_match(on("refs/tags/v1.2.3-rc1"), "v1.2.3-rc1"));
    CHECK_THROWS_WITH(require_match(on("refs/tags/v1.2.4"), "v1.2.3"), Contains("'v1.2.4' is not the version v1.2.3"));
    CHECK_THROWS_WITH(require_match(on("refs/tags/vv1.2.3"), "v1.2.3"), Contains("is not the version"));
    CHECK_THROWS_WITH(require_match(on("refs/tags/v1.2.3-rc1"), "v1.2.3"), Contains("is not the version"));
    CHECK_THROWS_WITH(require_match(on("refs/heads/v1.2.3"), "v1.2.3"), Contains("the ref is 'refs/heads/v1.2.3'"));
    CHECK_THROWS_WITH(require_match({}, "v1.2.3"), Contains("no ref is known"));
}

}  // namespace cooper::build
