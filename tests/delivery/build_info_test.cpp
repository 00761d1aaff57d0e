#include "cooper/delivery/build_info.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/process.hpp"
#include "cooper/base/text.hpp"

#include "build/git.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

using namespace cooper;
using namespace cooper::delivery;

namespace fs = std::filesystem;

namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

const std::string kSha = "abc1234def5678abc1234def5678abc1234def56";
const std::string kOther = "0123456789012345678901234567890123456789";

/// PATH alone, so that git is found and nothing else of this machine is.
Environment environment_of(Variables variables) {
    variables["PATH"] = Environment::process().get("PATH").value_or("/usr/bin:/bin");
    return Environment(std::move(variables));
}

/// A work tree with one commit on branch "topic/x".
class WorkTree {
public:
    WorkTree() {
        git({"init", "--quiet", "--initial-branch", "topic/x"});
        git({"remote", "add", "origin", "https://user:token@github.com/acme/openhands.git"});
        write_file(path() / "file", "1");
        git({"add", "file"});
        git({"-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "--quiet", "--message",
             "First line\n\nBody"});
    }
    [[nodiscard]] const fs::path& path() const { return directory_.path(); }
    std::string git(std::vector<std::string> arguments) const {
        arguments.insert(arguments.begin(), "git");
        ProcessRequest request;
        request.arguments = std::move(arguments);
        request.working_directory = path().string();
        request.environment = environment_of({{"GIT_CONFIG_NOSYSTEM", "1"}, {"GIT_CONFIG_GLOBAL", "/dev/null"}}).all();
        const ProcessResult result = run_process(request, Run{});
        REQUIRE(result.exit_status == 0);
        return std::string(trim(result.output));
    }

private:
    TempDirectory directory_{"cooper-test"};
};

Variables github(const fs::path& event = {}) {
    Variables variables = {{"GITHUB_ACTIONS", "true"},
                           {"GITHUB_REF_NAME", "main"},
                           {"GITHUB_SHA", kSha},
                           {"GITHUB_SERVER_URL", "https://github.example"},
                           {"GITHUB_REPOSITORY", "acme/openhands"},
                           {"GITHUB_RUN_ID", "17"}};
    if (!event.empty()) {
        variables["GITHUB_EVENT_PATH"] = event.string();
    }
    return variables;
}

}  // namespace

TEST_CASE("build info: GitHub Actions tells branch, commit, repository and run", "[unit][delivery]") {
    const TempDirectory directory;
    const BuildInfo info = complete_build_info({}, directory.path(), environment_of(github()), Run{});
    CHECK(info.branch == "main");
    CHECK(info.commit == kSha);
    CHECK(info.repository == "https://github.example/acme/openhands");
    CHECK(info.commit_url == "https://github.example/acme/openhands/commit/" + kSha);
    CHECK(info.build_url == "https://github.example/acme/openhands/actions/runs/17");
    CHECK(info.subject.empty());
    CHECK(info.notes.empty());
}

TEST_CASE("build info: the event of a push tells the subject, if it is of this commit", "[unit][delivery]") {
    const TempDirectory directory;
    const fs::path event = directory.path() / "event.json";
    write_file(event, R"({"head_commit":{"id":")" + kSha + R"(","message":"Subject ::error::\r\n\r\nBody"}})");
    CHECK(complete_build_info({}, directory.path(), environment_of(github(event)), Run{}).subject ==
          "Subject ::error::");
    BuildInfo given;
    given.commit = kOther;
    CHECK(complete_build_info(given, directory.path(), environment_of(github(event)), Run{}).subject.empty());
}

TEST_CASE("build info: a pull request is its own branch and commit, not the merge", "[unit][delivery]") {
    const TempDirectory directory;
    const fs::path event = directory.path() / "event.json";
    write_file(event, R"({"pull_request":{"head":{"sha":")" + kOther + R"("}}})");
    Variables variables = github(event);
    variables["GITHUB_HEAD_REF"] = "topic/y";
    variables["GITHUB_REF_NAME"] = "12/merge";
    const BuildInfo info = complete_build_info({}, directory.path(), environment_of(variables), Run{});
    CHECK(info.branch == "topic/y");
    CHECK(info.commit == kOther);
}

TEST_CASE("build info: an event that cannot be read does no harm", "[unit][delivery]") {
    const TempDirectory directory;
    const fs::path event = directory.path() / "event.json";
    for (const std::string text :
         {"", "[]", "{", R"({"head_commit":null})", R"({"head_commit":[1]})", R"({"head_commit":{"id":1}})", "\xff"}) {
        write_file(event, text);
        INFO(text);
        CHECK(complete_build_info({}, directory.path(), environment_of(github(event)), Run{}).commit == kSha);
    }
    CHECK(complete_build_info({}, directory.path(), environment_of(github(directory.path() / "none")), Run{}).commit ==
          kSha);
}

TEST_CASE("build info: flags win over all", "[unit][delivery]") {
    const WorkTree tree;
    BuildInfo given;
    given.branch = "mine";
    given.commit = "FFFFFFF";
    given.subject = "s\nt";
    given.repository = "https://r";
    given.build_url = "https://b";
    given.commit_url = "https://c";
    given.notes = "n";
    const BuildInfo info = complete_build_info(given, tree.path(), environment_of(github()), Run{});
    CHECK(info.branch == "mine");
    CHECK(info.commit == "fffffff");
    CHECK(info.subject == "s");
    CHECK(info.repository == "https://r");
    CHECK(info.build_url == "https://b");
    CHECK(info.commit_url == "https://c");
    CHECK(info.notes == "n");
}

TEST_CASE("build info: outside of CI git tells, and credentials in its remote do not get out", "[unit][delivery]") {
    const WorkTree tree;
    const std::string head = tree.git({"rev-parse", "HEAD"});
    const BuildInfo info = complete_build_info({}, tree.path(), environment_of({}), Run{});
    CHECK(info.branch == "topic/x");
    CHECK(info.commit == head);
    CHECK(info.subject == "First line");
    CHECK(info.repository == "https://github.com/acme/openhands");
    CHECK(info.commit_url == "https://github.com/acme/openhands/commit/" + head);
    BuildInfo given;
    given.commit = head.substr(0, 9);
    CHECK(complete_build_info(given, tree.path(), environment_of({}), Run{}).commit == head);
}

TEST_CASE("build info: a tag that is named like a short SHA is not taken for the commit", "[unit][delivery]") {
    const WorkTree tree;
    tree.git({"tag", "1234567"});
    BuildInfo given;
    given.commit = "1234567";
    CHECK(complete_build_info(given, tree.path(), environment_of({}), Run{}).commit == "1234567");
}

TEST_CASE("build info: a linked work tree is as good as the first", "[unit][delivery]") {
    const WorkTree tree;
    const TempDirectory other;
    const fs::path linked = other.path() / "linked";
    tree.git({"worktree", "add", "--quiet", "-b", "topic/z", linked.string()});
    CHECK(complete_build_info({}, linked, environment_of({}), Run{}).branch == "topic/z");
}

TEST_CASE("build info: with a detached HEAD the branch is asked for by its flag", "[unit][delivery]") {
    const WorkTree tree;
    tree.git({"checkout", "--quiet", "--detach"});
    try {
        complete_build_info({}, tree.path(), environment_of({}), Run{});
        FAIL("took a branch from nowhere");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        CHECK_THAT(error.what(), Catch::Contains("--branch"));
    }
    BuildInfo given;
    given.branch = "main";
    CHECK(complete_build_info(given, tree.path(), environment_of({}), Run{}).subject == "First line");
}

TEST_CASE("build info: without git and CI the commit is asked for by its flag", "[unit][delivery]") {
    const TempDirectory directory;
    BuildInfo given;
    given.branch = "main";
    CHECK_THROWS_WITH(complete_build_info(given, directory.path(), Environment(Variables{{"PATH", "/nowhere"}}), Run{}),
                      Catch::Contains("--commit"));
}

TEST_CASE("build info: nothing that the repository's configuration names is run", "[unit][delivery]") {
    const WorkTree tree;
    const fs::path witness = tree.path() / "witness";
    const fs::path program = tree.path() / "program";
    write_file(program, "#!/bin/sh\ntouch '" + witness.string() + "'\n");
    fs::permissions(program, fs::perms::owner_all);
    for (const std::string key : {"core.fsmonitor", "core.pager", "core.sshCommand", "gpg.program", "core.editor",
                                  "diff.external", "pager.rev-list"}) {
        tree.git({"config", key, program.string()});
    }
    tree.git({"config", "log.showSignature", "true"});
    tree.git({"config", "core.hooksPath", tree.path().string()});
    CHECK(complete_build_info({}, tree.path(), environment_of({}), Run{}).subject == "First line");
    CHECK_FALSE(fs::exists(witness));
}

TEST_CASE("build info: a GIT_DIR of the caller does not answer for another repository", "[unit][delivery]") {
    const WorkTree tree;
    const WorkTree other;
    other.git({"checkout", "--quiet", "-b", "elsewhere"});
    const auto info =
        complete_build_info({}, tree.path(), environment_of({{"GIT_DIR", (other.path() / ".git").string()}}), Run{});
    CHECK(info.branch == "topic/x");
}

TEST_CASE("build info: notes come from the branch's file below the directory", "[unit][delivery]") {
    const TempDirectory directory;
    Variables variables = github();
    variables["GITHUB_REF_NAME"] = "jps/x";
    const fs::path file = directory.path() / ".doc/jps/x/CHANGELOG.md";
    fs::create_directories(file.parent_path());
    write_file(file, "Note.\n");
    CHECK(complete_build_info({}, directory.path(), environment_of(variables), Run{}).notes == "Note.\n");
    write_file(file, std::string(64 * 1024, 'x'));
    CHECK(complete_build_info({}, directory.path(), environment_of(variables), Run{}).notes.size() == 64 * 1024);
    write_file(file, std::string(64 * 1024 + 1, 'x'));
    CHECK_THROWS_WITH(complete_build_info({}, directory.path(), environment_of(variables), Run{}),
                      Catch::Contains("65536"));
    BuildInfo given;
    given.notes = std::string(64 * 1024 + 1, 'x');
    CHECK_THROWS_WITH(complete_build_info(given, directory.path(), environment_of(variables), Run{}),
                      Catch::Contains("65536"));
}

TEST_CASE("build info: notes behind a symlink are not read", "[unit][delivery]") {
    const TempDirectory directory;
    fs::create_directories(directory.path() / ".doc/main");
    write_file(directory.path() / "secret", "secret");
    fs::create_symlink(directory.path() / "secret", directory.path() / ".doc/main/CHANGELOG.md");
    CHECK_THROWS_AS(complete_build_info({}, directory.path(), environment_of(github()), Run{}), Error);
}

TEST_CASE("build info: a branch that would leave the directory is refused before it becomes a path",
          "[unit][delivery]") {
    const TempDirectory directory;
    Variables variables = github();
    variables["GITHUB_REF_NAME"] = "../../etc";
    CHECK_THROWS_AS(complete_build_info({}, directory.path(), environment_of(variables), Run{}), Error);
}

TEST_CASE("web_address: remotes of all forms become the page that people open", "[unit][delivery]") {
    for (const std::string remote :
         {"https://github.com/o/r", "https://github.com/o/r.git", "https://github.com/o/r/",
          "https://u:p@github.com/o/r.git", "git@github.com:o/r.git", "github.com:o/r", "ssh://git@github.com/o/r.git",
          "ssh://git@github.com:22/o/r", "git://github.com/o/r", "https://github.com/o/r.git?token=x#y"}) {
        INFO(remote);
        CHECK(build::web_address(remote) == "https://github.com/o/r");
    }
    CHECK(build::web_address("https://host:8443/o/r") == "https://host:8443/o/r");
    for (const std::string remote : {"", "/srv/git/r", "../r", "file:///srv/r", "C", "ext::sh -c x", "https://host"}) {
        INFO(remote);
        CHECK_FALSE(build::web_address(remote).value_or("").starts_with("https://github.com"));
    }
    CHECK_FALSE(build::web_address("/srv/git:r/x"));
    CHECK_FALSE(build::web_address("file:///srv/r"));
    CHECK_FALSE(build::web_address("https://host"));
}

TEST_CASE("job summary: appended to the file that GitHub names, nothing without one", "[unit][delivery]") {
    const TempDirectory directory;
    const fs::path file = directory.path() / "summary";
    const Environment environment = environment_of({{"GITHUB_STEP_SUMMARY", file.string()}});
    write_job_summary(environment, "one\n");
    write_job_summary(environment, "two\n");
    CHECK(read_file(file, 1 << 20) == "one\ntwo\n");
    write_job_summary(environment_of({}), "three\n");
    CHECK(read_file(file, 1 << 20) == "one\ntwo\n");
}

TEST_CASE("job summary: cut at a line's end before 1 MiB, which GitHub would drop as a whole", "[unit][delivery]") {
    constexpr std::size_t kLimit = 1024 * 1024;
    for (const std::size_t there : {std::size_t(0), std::size_t(1000), kLimit - 10, kLimit, kLimit + 10}) {
        const TempDirectory directory;
        const fs::path file = directory.path() / "summary";
        write_file(file, std::string(there, '.'));
        std::string text;
        while (text.size() < kLimit + 1) {
            text += "a line of text\n";
        }
        write_job_summary(environment_of({{"GITHUB_STEP_SUMMARY", file.string()}}), text);
        const std::string written = read_file(file, 4 * kLimit);
        INFO(there);
        CHECK(written.size() <= std::max(kLimit, there));
        if (there < kLimit / 2) {
            CHECK(written.size() > kLimit - 100);
            CHECK(written.find("text\n\n(cut") != std::string::npos);
        }
    }
}
