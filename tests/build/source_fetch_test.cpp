// ADD's URLs and git references: real repositories, and servers that misbehave.
#include "cooper/base/process.hpp"
#include "cooper/build/build_source.hpp"

#include "build/tree_support.hpp"
#include "support/scripted_server.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

struct FetchWorld {
    TempDirectory spool;
    Environment environment = Environment::process();
    std::unique_ptr<HttpClient> client = make_http_client({}, Environment({}));

    SourceAccess access() {
        SourceAccess access;
        access.http = [this]() -> HttpClient& { return *client; };
        access.spool = [this] { return spool.path(); };
        access.environment = &environment;
        return access;
    }
    FetchedFile fetch(const std::string& url, const std::optional<Digest>& expected = std::nullopt) {
        return fetch_file(url, expected, access(), Run());
    }
};

/// A repository with two branches and a tag, made without anybody's configuration.
struct Repository {
    Tree tree;

    Repository() {
        git({"init", "--quiet", "--initial-branch=main"});
        tree.file("file", "one", 0755);
        tree.file("sub/deep/Dockerfile", "FROM sub");
        tree.file("Dockerfile", "FROM main");
        tree.symlink("out", "/etc");
        commit("first");
        git({"tag", "-a", "-m", "tag", "v1"});
        git({"checkout", "--quiet", "-b", "topic/x"});
        tree.file("file", "two");
        commit("second");
        git({"checkout", "--quiet", "main"});
    }
    std::string git(std::vector<std::string> arguments) const {
        ProcessRequest request;
        request.arguments = {"git", "-c", "user.name=t", "-c", "user.email=t@example.test"};
        request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
        request.working_directory = tree.path();
        const auto result = run_process(request, Run());
        INFO(result.error_output);
        REQUIRE(result.exit_status == 0);
        return result.output.substr(0, result.output.find('\n'));
    }
    void commit(const std::string& message) const {
        git({"add", "--all"});
        git({"commit", "--quiet", "-m", message});
    }
    [[nodiscard]] GitReference reference(const std::string& ref = "", const std::string& directory = "") const {
        GitReference reference;
        reference.remote = "file://" + tree.path().string();
        reference.ref = ref;
        reference.subdirectory = directory;
        return reference;
    }
};

}  // namespace

TEST_CASE("fetch: name, time, digest and size of a file", "[unit][build][source]") {
    const ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply {
        return {.headers = {{"Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"}}, .body = "hello"};
    });
    FetchWorld world;
    const auto fetched = world.fetch(server.url("/a/b%20c.txt?query=1#fragment"));
    CHECK(fetched.source.name == "b c.txt");
    CHECK(fetched.source.mtime == 784111777);
    CHECK(fetched.digest == sha256("hello"));
    CHECK(fetched.size == 5);
    CHECK(read_file(fetched.source.path, 100) == "hello");
    CHECK(world.fetch(server.url("/a/")).source.name.empty());
    CHECK(world.fetch(server.url("/a%2fb")).source.name.empty());
    CHECK(world.fetch(server.url("/..")).source.name.empty());
}

TEST_CASE("fetch: redirects are followed, credentials stay where they belong", "[unit][build][source]") {
    const ScriptedServer other([](const ScriptedRequest&) -> ScriptedReply { return {.body = "there"}; });
    const std::string target = other.url("/other");
    const ScriptedServer server([&](const ScriptedRequest& request) -> ScriptedReply {
        if (request.target == "/loop") {
            return {.status = 302, .headers = {{"Location", "/loop"}}};
        }
        return {.status = 307, .headers = {{"Location", target}}};
    });
    FetchWorld world;
    std::string url = server.url("/name");
    url.insert(url.find("://") + 3, "user:pass@");
    const auto fetched = world.fetch(url);
    CHECK(fetched.digest == sha256("there"));
    CHECK(fetched.source.name == "name");
    CHECK(server.requests().at(0).headers.find("Authorization") == "Basic dXNlcjpwYXNz");
    CHECK_FALSE(other.requests().at(0).headers.find("Authorization"));
    CHECK(code_of([&] { world.fetch(server.url("/loop")); }) == ErrorCode::Unsupported);
}

TEST_CASE("fetch: failures are named without credentials", "[unit][build][source]") {
    const ScriptedServer server([](const ScriptedRequest& request) -> ScriptedReply {
        if (request.target.starts_with("/forbidden")) {
            return {.status = 403};
        }
        return {.status = 404};
    });
    FetchWorld world;
    std::string url = server.url("/x?token=secret");
    url.insert(url.find("://") + 3, "user:hunter2@");
    try {
        world.fetch(url);
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::NotFound);
        CHECK(std::string(error.what()).find("hunter2") == std::string::npos);
        CHECK(std::string(error.what()).find("secret") == std::string::npos);
    }
    CHECK(code_of([&] { world.fetch(server.url("/forbidden")); }) == ErrorCode::AccessDenied);
    CHECK(code_of([&] { world.fetch("ftp://example.test/x"); }) == ErrorCode::InvalidInput);
}

TEST_CASE("fetch: checksums of both algorithms, and a bound", "[unit][build][source]") {
    const ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.body = "hello"}; });
    FetchWorld world;
    CHECK(world.fetch(server.url("/x"), sha256("hello")).size == 5);
    CHECK(code_of([&] { world.fetch(server.url("/x"), sha256("other")); }) == ErrorCode::Integrity);
    Hasher hasher(DigestAlgorithm::Sha512);
    hasher.update("hello");
    CHECK(world.fetch(server.url("/x"), hasher.finish()).digest == sha256("hello"));
    auto access = world.access();
    access.max_bytes = 4;
    CHECK(code_of([&] { fetch_file(server.url("/x"), std::nullopt, access, Run()); }) == ErrorCode::InvalidInput);
}

TEST_CASE("fetch: URLs are told from git references", "[unit][build][source]") {
    CHECK(is_url("https://example.test/x.tar.gz"));
    CHECK(is_url("HTTP://example.test/"));
    CHECK_FALSE(is_url("https://example.test/x.git"));
    CHECK_FALSE(is_url("file:///etc/passwd"));
    CHECK_FALSE(is_url("x"));
}

TEST_CASE("git: branches, tags and commits are checked out", "[unit][build][source]") {
    const Repository repository;
    FetchWorld world;
    const std::string first = repository.git({"rev-parse", "v1^{commit}"});
    const std::string second = repository.git({"rev-parse", "topic/x"});
    const auto fetch = [&](const std::string& ref) {
        return fetch_git(repository.reference(ref), false, "", world.access(), Run());
    };
    for (const auto& [ref, commit] : {std::pair<std::string, std::string>{"", first},
                                      {"main", first},
                                      {"v1", first},
                                      {"refs/tags/v1", first},
                                      {first, first},
                                      {"topic/x", second},
                                      {"refs/heads/topic/x", second},
                                      {second, second},
                                      {second.substr(0, 8), second}}) {
        INFO(ref);
        const auto fetched = fetch(ref);
        CHECK(fetched.commit == commit);
        CHECK(fetched.digest == sha256(commit));
        CHECK(read_file(fetched.source.path / "file", 10) == (commit == first ? "one" : "two"));
        CHECK_FALSE(std::filesystem::exists(fetched.source.path / ".git"));
    }
    CHECK(code_of([&] { fetch("absent"); }) == ErrorCode::NotFound);
    const auto kept = fetch_git(repository.reference(), true, first.substr(0, 10), world.access(), Run());
    CHECK(std::filesystem::exists(kept.source.path / ".git/HEAD"));
    CHECK(code_of([&] { fetch_git(repository.reference(), false, second, world.access(), Run()); }) ==
          ErrorCode::Integrity);
}

TEST_CASE("git: directories of a repository, but none through links", "[unit][build][source]") {
    const Repository repository;
    FetchWorld world;
    const auto fetch = [&](const std::string& directory) {
        return fetch_git(repository.reference("", directory), false, "", world.access(), Run()).source.path;
    };
    CHECK(read_file(fetch("/sub/deep") / "Dockerfile", 100) == "FROM sub");
    for (const char* directory : {"out", "out/ssl", "../..", "absent", "file", "sub/../.."}) {
        INFO(directory);
        CHECK(code_of([&] { fetch(directory); }) == ErrorCode::InvalidInput);
    }
}

TEST_CASE("git: nothing that looks like an option reaches git", "[unit][build][source]") {
    const TempDirectory directory;
    const std::string mark = (directory.path() / "mark").string();
    FetchWorld world;
    const auto code = [&](const std::string& remote, const std::string& ref) {
        GitReference reference;
        reference.remote = remote;
        reference.ref = ref;
        return code_of([&] { fetch_git(reference, false, "", world.access(), Run()); });
    };
    const Repository repository;
    const std::string good = repository.reference().remote;
    CHECK(code("--upload-pack=touch " + mark, "") == ErrorCode::InvalidInput);
    CHECK(code("ssh://-oProxyCommand=touch/x", "") == ErrorCode::InvalidInput);
    CHECK(code("git@-oProxyCommand:x", "") == ErrorCode::InvalidInput);
    CHECK(code(good, "--upload-pack=touch${IFS}" + mark) == ErrorCode::InvalidInput);
    CHECK(code(good, "a..b") == ErrorCode::InvalidInput);
    CHECK(code(good, "a b") == ErrorCode::InvalidInput);
    CHECK(code("ext::touch% " + mark, "") == ErrorCode::InvalidInput);
    CHECK(code("ext::touch%20" + mark, "") == ErrorCode::Unavailable);
    CHECK_FALSE(std::filesystem::exists(mark));
    for (const char* text : {"https://h/x.git#--upload-pack=x", "git@h:x#-x", "-u@h:x", "https://h/x.git#a%20b"}) {
        INFO(text);
        CHECK(code_of([&] { GitReference::parse(text); }) == ErrorCode::InvalidInput);
    }
}

TEST_CASE("git: no hook and no filter of a repository or user is run", "[unit][build][source]") {
    const Repository repository;
    const TempDirectory home;
    const std::string mark = (home.path() / "mark").string();
    write_file(home.path() / ".gitconfig", "[init]\n\ttemplateDir = " + home.path().string() +
                                               "/t\n[filter \"x\"]\n\tsmudge = touch " + mark + "\n");
    std::filesystem::create_directories(home.path() / "t/hooks");
    write_file(home.path() / "t/hooks/post-checkout", "#!/bin/sh\ntouch " + mark + "\n");
    chmod((home.path() / "t/hooks/post-checkout").c_str(), 0755);
    repository.tree.file(".gitattributes", "* filter=x\n");
    repository.commit("attributes");
    FetchWorld world;
    auto variables = world.environment.all();
    variables["HOME"] = home.path();
    variables["GIT_DIR"] = "/nonexistent";
    world.environment = Environment(variables);
    CHECK(read_file(fetch_git(repository.reference(), false, "", world.access(), Run()).source.path / "file", 10) ==
          "one");
    CHECK_FALSE(std::filesystem::exists(mark));
}

TEST_CASE("git: submodules only when they are asked for", "[unit][build][source]") {
    const Repository module;
    const Repository repository;
    repository.git({"-c", "protocol.file.allow=always", "submodule", "--quiet", "add", module.reference().remote, "m"});
    repository.commit("module");
    FetchWorld world;
    auto reference = repository.reference();
    CHECK_FALSE(std::filesystem::exists(fetch_git(reference, false, "", world.access(), Run()).source.path / "m/file"));
    reference.submodules = true;
    CHECK(std::filesystem::exists(fetch_git(reference, false, "", world.access(), Run()).source.path / "m/file"));
}

TEST_CASE("git: a server that has only files, as a context", "[unit][build][source]") {
    const Repository repository;
    repository.git({"update-server-info"});
    const ScriptedServer server([&](const ScriptedRequest& request) -> ScriptedReply {
        const auto path = request.target.substr(0, request.target.find('?'));
        const auto text =
            find_file(repository.tree.path(".git").string() + path.substr(path.find(".git") + 4), 1 << 20);
        return text ? ScriptedReply{.body = *text} : ScriptedReply{.status = 404};
    });
    FetchWorld world;
    const auto context = open_context({server.url("/x.git#topic/x:sub/deep"), ""}, world.access(), Run());
    CHECK(context.dockerfile == "FROM sub");
    CHECK(context.commit == repository.git({"rev-parse", "topic/x"}));
    CHECK(context.description.find("#topic/x (") != std::string::npos);
}

TEST_CASE("fetch: a context from a URL", "[unit][build][source]") {
    const std::string tar = tar_of({tar_file("Dockerfile", "FROM tar")});
    const ScriptedServer server([&](const ScriptedRequest& request) -> ScriptedReply {
        return {.body = request.target == "/tar" ? tar : "FROM text"};
    });
    FetchWorld world;
    CHECK(open_context({server.url("/tar"), ""}, world.access(), Run()).dockerfile == "FROM tar");
    const auto text = open_context({server.url("/text"), ""}, world.access(), Run());
    CHECK(text.dockerfile == "FROM text");
    CHECK(std::filesystem::is_empty(text.root));
    CHECK(code_of([&] { open_named_context(server.url("/text"), world.access(), Run()); }) == ErrorCode::InvalidInput);
}
