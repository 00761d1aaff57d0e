#include "cooper/build/context.hpp"

#include "cooper/build/ignore.hpp"
#include "cooper/build/tree.hpp"

#include "build/tree_support.hpp"

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <mutex>
#include <thread>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using Catch::Contains;
using ContextTree = cooper::testing::Tree;

namespace {

ContextOptions context_of(const ContextTree& tree) {
    ContextOptions options;
    options.root = tree.path();
    options.dockerfile = "FROM scratch\n";
    return options;
}

std::string bytes_of(const ContextOptions& options, const Run& run = {}) {
    const auto context = BuildContext::make(options, run);
    const auto source = context.open();
    auto text = read_all(*source, 1 << 30, "context");
    CHECK(text.size() == context.size());
    return text;
}

std::vector<std::string> context_names(const ContextOptions& options, const Run& run = {}) {
    auto names = names_of(bytes_of(options, run));
    auto told = BuildContext::make(options, run).names();
    CHECK(told.size() == names.size());
    return names;
}

/// What make() throws.
std::string refusal_of(const ContextOptions& options, ErrorCode code = ErrorCode::InvalidInput) {
    try {
        BuildContext::make(options, {});
    } catch (const Error& error) {
        CHECK(error.code() == code);
        return std::string(error.what()) + " | " + error.advice();
    }
    FAIL("no error");
    return "";
}

class ContextNotices final : public Progress {
public:
    void notice(NoticeLevel /*level*/, std::string_view text) noexcept override {
        const std::scoped_lock lock(mutex_);
        texts.emplace_back(text);
    }
    std::vector<std::string> texts;

private:
    std::mutex mutex_;
};

}  // namespace

TEST_CASE("context: the Dockerfile first, then the tree in the order of its bytes", "[unit][build]") {
    const ContextTree tree;
    tree.file("b/x", "x");
    tree.file("b-c", "1", 0755);
    tree.file("a", "content", 0600);
    tree.directory("empty", 0700);
    tree.symlink("link", "b/x");
    const auto tar = bytes_of(context_of(tree));
    CHECK(names_of(tar) == std::vector<std::string>{"Dockerfile", "a", "b/", "b-c", "b/x", "empty/", "link"});
    const auto members = members_of(tar);
    CHECK(members[0].content == "FROM scratch\n");
    CHECK(members[1].content == "content");
    CHECK(members[1].entry.mode == 0644);
    CHECK(members[3].entry.mode == 0755);
    CHECK(members[5].entry.mode == 0755);
    CHECK(members[6].entry.link == "b/x");
    for (const auto& [entry, content] : members) {
        CHECK((entry.uid == 0 && entry.gid == 0 && entry.mtime >= 315'619'200));
    }
    CHECK(BuildContext::make(context_of(tree), {}).files() == 3);
}

TEST_CASE("context: contents that differ have times that differ", "[unit][build]") {
    const ContextTree tree;
    tree.file("a", "one==1");
    tree.file("b", "one==2");
    tree.file("c", "one==1");
    tree.symlink("d", "a");
    tree.symlink("e", "b");
    const auto members = members_of(bytes_of(context_of(tree)));
    CHECK(members[1].entry.mtime != members[2].entry.mtime);
    CHECK(members[1].entry.mtime == members[3].entry.mtime);
    CHECK(members[4].entry.mtime != members[5].entry.mtime);
}

TEST_CASE("context: the same bytes whatever time, mode bits, order of creation and directory", "[unit][build]") {
    const ContextTree one;
    const ContextTree other;
    const std::vector<std::string> names = {"z", "src/a", "src/b/c", "m"};
    for (const auto& name : names) {
        one.file(name, "content of " + name, 0644);
    }
    for (auto name = names.rbegin(); name != names.rend(); ++name) {
        other.file(*name, "content of " + *name, 0600);
    }
    other.set_all_times(1);
    chmod(other.path("src").c_str(), 0700);
    CHECK(bytes_of(context_of(one)) == bytes_of(context_of(other)));
}

TEST_CASE("context: any range is what the whole has there", "[unit][build]") {
    const ContextTree tree;
    tree.file("a", std::string(1000, 'a'));
    tree.file("b", "");
    tree.file(std::string(120, 'n') + "/" + std::string(150, 'm'), std::string(513, 'x'));
    tree.symlink("l", "a");
    const auto context = BuildContext::make(context_of(tree), {});
    const auto all = read_all(*context.open(), 1 << 20, "context");
    REQUIRE(all.size() == context.size());
    for (std::size_t begin = 0; begin <= all.size(); begin += 97) {
        const auto length = std::min<std::size_t>(700, all.size() - begin);
        const auto part = context.open(begin, length);
        REQUIRE(read_all(*part, 1 << 20, "part") == all.substr(begin, length));
    }
    CHECK(read_all(*context.open(all.size() - 1, 1), 10, "end") == std::string(1, '\0'));
    CHECK(code_of([&] { static_cast<void>(context.open(all.size(), 1)); }) == ErrorCode::InvalidInput);
}

TEST_CASE("context: it outlives what made it, and several threads read it", "[unit][build]") {
    const ContextTree tree;
    for (int i = 0; i < 50; ++i) {
        tree.file("file" + std::to_string(i), std::string(static_cast<std::size_t>(i) * 37, 'x'));
    }
    std::unique_ptr<Source> source;
    std::string expected;
    {
        const auto context = BuildContext::make(context_of(tree), {});
        expected = read_all(*context.open(), 1 << 20, "context");
        std::vector<std::string> read(4);
        {
            std::vector<std::jthread> threads;
            for (auto& text : read) {
                threads.emplace_back([&] { text = read_all(*context.open(), 1 << 20, "context"); });
            }
        }
        CHECK(std::all_of(read.begin(), read.end(), [&](const auto& text) { return text == expected; }));
        source = context.open();
    }
    CHECK(read_all(*source, 1 << 20, "context") == expected);
}

TEST_CASE("context: prefix, extra files and what is ignored", "[unit][build]") {
    const ContextTree tree;
    tree.file(".dockerignore", "*.log\ndocs\n!keep.log\n");
    tree.file("src/a.py", "a");
    tree.file("src/a.pyc", "rubbish");
    tree.file("src/__pycache__/a.pyc", "rubbish");
    tree.file("src/x.log", "kept: the pattern has no **");
    tree.file("a.log", "log");
    tree.file("keep.log", "kept");
    tree.file("docs/guide/one.md", "1");
    tree.file("docs/guide/.git/config", "never");
    tree.file("README.md", "readme");
    SECTION("all of it") {
        CHECK(context_names(context_of(tree)) ==
              std::vector<std::string>{"Dockerfile", "README.md", "keep.log", "src/", "src/a.py", "src/x.log"});
    }
    SECTION("without .dockerignore") {
        auto options = context_of(tree);
        options.dockerignore = false;
        options.ignore = {"src"};
        CHECK(context_names(options) == std::vector<std::string>{"Dockerfile", "README.md", "a.log", "docs/",
                                                                 "docs/guide/", "docs/guide/one.md", "keep.log"});
    }
    SECTION("below a prefix, with named files") {
        auto options = context_of(tree);
        options.sources = {"src"};
        options.prefix = "code/";
        options.files = {
            {"README.md", "", false}, {"a.log", "logs/first.log", false}, {"docs", "", false}, {"missing", "", true}};
        CHECK(context_names(options) == std::vector<std::string>{"Dockerfile", "code/", "code/README.md", "code/docs/",
                                                                 "code/docs/guide/", "code/docs/guide/one.md",
                                                                 "code/src/", "code/src/a.py", "code/src/x.log",
                                                                 "logs/", "logs/first.log"});
    }
    SECTION("a file that is named twice is there once") {
        auto options = context_of(tree);
        options.files = {{"README.md", "", false}, {"src", "", false}};
        CHECK(context_names(options) ==
              std::vector<std::string>{"Dockerfile", "README.md", "keep.log", "src/", "src/a.py", "src/x.log"});
    }
    SECTION("a directory's content may become the root") {
        auto options = context_of(tree);
        options.sources = {"README.md"};
        options.files = {{"docs", ".", false}};
        CHECK(context_names(options) == std::vector<std::string>{"Dockerfile", "README.md", "guide/", "guide/one.md"});
    }
    SECTION("a missing file") {
        auto options = context_of(tree);
        options.files = {{"missing", "", false}};
        CHECK_THAT(refusal_of(options, ErrorCode::NotFound), Contains("missing"));
    }
    SECTION("a missing source") {
        auto options = context_of(tree);
        options.sources = {"nothing"};
        CHECK_THAT(refusal_of(options, ErrorCode::NotFound), Contains("nothing"));
    }
}

TEST_CASE("context: the tree's own Dockerfile gives way to the generated one", "[unit][build]") {
    const ContextTree tree;
    tree.file("a", "a");
    tree.file("sub/Dockerfile", "FROM other\n");
    ContextNotices notices;
    Run run;
    run.progress = &notices;
    SECTION("another one: with a notice") {
        tree.file("Dockerfile", "FROM debian\n");
        const auto members = members_of(bytes_of(context_of(tree), run));
        CHECK(members[0].content == "FROM scratch\n");
        CHECK(members.size() == 4);
        REQUIRE(notices.texts.size() == 1);
        CHECK_THAT(notices.texts[0], Contains("Dockerfile") && Contains("generated"));
    }
    SECTION("the same: silently") {
        tree.file("Dockerfile", "FROM scratch\n");
        CHECK(members_of(bytes_of(context_of(tree), run)).size() == 4);
        CHECK(notices.texts.empty());
    }
    SECTION("below a prefix it is a file like others") {
        tree.file("Dockerfile", "FROM debian\n");
        auto options = context_of(tree);
        options.prefix = "code";
        CHECK(context_names(options, run)[2] == "code/Dockerfile");
        CHECK(notices.texts.empty());
    }
    SECTION("a directory of that name") {
        tree.file("Dockerfile/x", "x");
        CHECK_THAT(refusal_of(context_of(tree)), Contains("Dockerfile") && Contains("prefix"));
    }
    SECTION("a file that somebody wants there") {
        auto options = context_of(tree);
        options.files = {{"a", "Dockerfile", false}};
        CHECK_THAT(refusal_of(options), Contains("'a'") && Contains("Dockerfile"));
    }
}

TEST_CASE("context: ignore files of builders are left out at its root", "[unit][build]") {
    const ContextTree tree;
    for (const auto* name : {".dockerignore", ".containerignore", "Dockerfile.dockerignore", "sub/.dockerignore"}) {
        tree.file(name, "nothing-like-it\n");
    }
    tree.file("a", "a");
    CHECK(context_names(context_of(tree)) == std::vector<std::string>{"Dockerfile", "a", "sub/", "sub/.dockerignore"});
    auto options = context_of(tree);
    options.prefix = "code";
    CHECK(context_names(options).size() == 8);
}

TEST_CASE("context: two things at one place are refused", "[unit][build]") {
    const ContextTree tree;
    tree.file("one", "1");
    tree.file("two", "2");
    tree.file("dir/x", "x");
    auto options = context_of(tree);
    SECTION("two files") {
        options.files = {{"one", "two", false}};
        CHECK_THAT(refusal_of(options), Contains("'two'") && Contains("'one'"));
    }
    SECTION("a file and a directory") {
        options.files = {{"one", "dir", false}};
        CHECK_THAT(refusal_of(options), Contains("'dir'") && Contains("'one'"));
    }
    SECTION("a file where others have a directory") {
        options.files = {{"dir", "two/deep", false}};
        CHECK_THAT(refusal_of(options), Contains("'two'"));
    }
    SECTION("a file as the root") {
        options.files = {{"one", ".", false}};
        CHECK_THAT(refusal_of(options), Contains("'one'"));
    }
    SECTION("two directories become one") {
        tree.file("more/y", "y");
        options.files = {{"more", "dir", false}};
        const auto names = context_names(options);
        CHECK(std::count(names.begin(), names.end(), "dir/") == 1);
        CHECK(std::count(names.begin(), names.end(), "dir/y") == 1);
    }
}

TEST_CASE("context: paths out of the root are refused", "[unit][build]") {
    const ContextTree tree;
    tree.file("a", "a");
    auto options = context_of(tree);
    SECTION("sources") {
        options.sources = {"../x"};
    }
    SECTION("absolute sources") {
        options.sources = {"/etc"};
    }
    SECTION("files") {
        options.files = {{"../x", "x", false}};
    }
    SECTION("absolute files") {
        options.files = {{"/etc/passwd", "x", true}};
    }
    SECTION("places of files") {
        options.files = {{"a", "../x", false}};
    }
    SECTION("a way around") {
        options.files = {{"a", "x/../../y", false}};
    }
    SECTION("the prefix") {
        options.prefix = "..";
    }
    CHECK_FALSE(refusal_of(options).empty());
}

TEST_CASE("context: symlinks that stay inside are kept, whatever they say", "[unit][build]") {
    const ContextTree tree;
    tree.file("src/a", "a");
    tree.symlink("src/same", "a");
    tree.symlink("src/up", "../src/a");
    tree.symlink("src/nothing", "not/there");
    tree.symlink("src/here", ".");
    tree.symlink("src/circle", "circle");
    tree.symlink("src/through", "here/here/../src/a");
    tree.symlink("top", "src/..");
    CHECK(context_names(context_of(tree)).size() == 10);
}

TEST_CASE("context: symlinks may not lead out", "[unit][build]") {
    const ContextTree tree;
    tree.file("src/deep/er/a", "a");
    std::string out;
    SECTION("absolute") {
        out = "src/passwd";
        tree.symlink(out, "/etc/passwd");
    }
    SECTION("by its text") {
        out = "src/x";
        tree.symlink(out, "../../x");
    }
    SECTION("to the root's parent") {
        out = "up";
        tree.symlink(out, "..");
    }
    SECTION("through another link, though its text stays inside") {
        tree.symlink("src/deep/er/top", "../../..");
        out = "src/x";
        tree.symlink(out, "deep/er/top/../x");
    }
    SECTION("by more steps than are worth following") {
        tree.symlink("0", "src");
        for (int i = 1; i < 20; ++i) {
            std::string target;
            for (int j = 0; j < 1300; ++j) {
                target += j % 2 == 0 ? "s/" : "../";
            }
            tree.symlink(std::to_string(i), target + std::to_string(i - 1));
        }
        out = "19";
    }
    const auto refused = refusal_of(context_of(tree));
    CHECK_THAT(refused, Contains("/" + out + "' (to '") && Contains("--ignore"));
}

TEST_CASE("context: every link that leads out is named, up to ten", "[unit][build]") {
    const ContextTree tree;
    for (int i = 10; i < 25; ++i) {
        tree.symlink("link" + std::to_string(i), "/x");
    }
    const auto refused = refusal_of(context_of(tree));
    CHECK_THAT(refused, Contains("link10") && Contains("link19") && Contains("and 5 more") && !Contains("link20"));
    auto options = context_of(tree);
    options.ignore = {"link*"};
    CHECK(context_names(options).size() == 1);
}

TEST_CASE("context: a link must stay in the directory that has another place", "[unit][build]") {
    const ContextTree tree;
    tree.file("a", "a");
    tree.file("conf/x", "x");
    tree.symlink("conf/inside", "x");
    auto options = context_of(tree);
    options.sources = {"a"};
    options.files = {{"conf", "etc/app", false}};
    CHECK(context_names(options).size() == 6);
    tree.symlink("conf/outside", "../a");  // ../a is another file below etc/app than below conf
    CHECK_THAT(refusal_of(options), Contains("conf/outside"));
    options.files = {{"conf", "", false}};
    CHECK(context_names(options).size() == 6);
}

TEST_CASE("context: sources are not reached through links", "[unit][build]") {
    const ContextTree tree;
    tree.file("real/a", "a");
    tree.symlink("link", "real");
    auto options = context_of(tree);
    SECTION("a source") {
        options.sources = {"link"};
    }
    SECTION("below a link") {
        options.sources = {"link/a"};
    }
    SECTION("a named file") {
        options.files = {{"link/a", "", false}};
    }
    CHECK_THAT(refusal_of(options), Contains("link"));
}

TEST_CASE("context: files that look like credentials are refused by name", "[unit][build]") {
    for (const auto* path : {".env",
                             "app/.env.production",
                             ".ENV",
                             "id_rsa",
                             "keys/id_ed25519",
                             "server.key",
                             "tls/server.pem",
                             "a.p12",
                             ".netrc",
                             "_netrc",
                             ".npmrc",
                             ".pypirc",
                             ".git-credentials",
                             "home/.aws/credentials",
                             ".docker/config.json",
                             ".kube/config",
                             "credentials.json",
                             "client_secret_1.json",
                             "infra/x.tfstate",
                             "secrets.yaml",
                             "a.jks",
                             ".gnupg/private-keys-v1.d/ABC.key",
                             ".htpasswd",
                             "SERVER.KEY"}) {
        INFO(path);
        CHECK(looks_like_secret(path));
    }
    for (const auto* path : {"env",
                             "src/env.py",
                             ".env.example",
                             ".env.sample",
                             "id_rsa.pub",
                             "keys.py",
                             "key",
                             "credentials.py",
                             "config.json",
                             ".docker/config.json.md",
                             "docs/.aws/config",
                             "server.crt",
                             "secrets.py",
                             "my.npmrc.md",
                             "tokens.txt",
                             "keyring.py",
                             "monkey",
                             "a.key.example",
                             "aws/credentials/readme.md",
                             ""}) {
        INFO(path);
        CHECK_FALSE(looks_like_secret(path));
    }
}

TEST_CASE("context: credentials are named with their reasons, and may be allowed", "[unit][build]") {
    const ContextTree tree;
    tree.file("a", "a");
    tree.file("app/.env", "PASSWORD=hush-hush");
    tree.file("id_rsa", "-----BEGIN OPENSSH PRIVATE KEY-----");
    auto options = context_of(tree);
    const auto refused = refusal_of(options);
    CHECK_THAT(refused, Contains("app/.env") && Contains("id_rsa") && Contains("a private key") &&
                            Contains("--allow-secret") && !Contains("hush-hush"));
    SECTION("by path") {
        options.allow_secrets = {"app/.env", "id_rsa"};
        CHECK(context_names(options).size() == 5);
    }
    SECTION("by pattern") {
        options.allow_secrets = {"**/.env", "id_*"};
        CHECK(context_names(options).size() == 5);
    }
    SECTION("one alone") {
        options.allow_secrets = {"id_rsa"};
        CHECK_THAT(refusal_of(options), Contains(".env") && !Contains("id_rsa"));
    }
    SECTION("another's name") {
        options.allow_secrets = {".env", "app/id_rsa"};
        CHECK_THAT(refusal_of(options), Contains(".env") && Contains("id_rsa"));
    }
    SECTION("ignored") {
        options.ignore = {"**/.env", "id_rsa"};
        CHECK(context_names(options) == std::vector<std::string>{"Dockerfile", "a", "app/"});
    }
    SECTION("also when it is named") {
        options.sources = {"a"};
        options.files = {{"app/.env", "settings.txt", false}};
        CHECK_THAT(refusal_of(options), Contains(".env"));
    }
}

TEST_CASE("context: certificates and harmless settings are told from keys by what is in them", "[unit][build]") {
    const ContextTree tree;
    tree.file("ca.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    tree.file(".npmrc", "engine-strict=true\n");
    CHECK(context_names(context_of(tree)).size() == 3);
    SECTION("a key behind certificates") {
        tree.file("ca.pem", std::string(100'000, 'x') + "\n-----BEGIN EC PRIVATE KEY-----\n");
        CHECK_THAT(refusal_of(context_of(tree)), Contains("ca.pem"));
    }
    SECTION("a token") {
        tree.file(".npmrc", "//npm.example/:_authToken=abc\n");
        CHECK_THAT(refusal_of(context_of(tree)), Contains(".npmrc") && !Contains("abc"));
    }
}

TEST_CASE("context: a file that is not what it was is an integrity error that names it", "[unit][build]") {
    const ContextTree tree;
    tree.file("first", "content");
    tree.file("then", "more");
    tree.file("void", "");
    const auto context = BuildContext::make(context_of(tree), {});
    std::function<void()> change;
    SECTION("longer") {
        change = [&] { tree.file("then", "more and more"); };
    }
    SECTION("shorter") {
        change = [&] { tree.file("then", ""); };
    }
    SECTION("other bytes, other time") {
        change = [&] {
            tree.file("then", "less");
            tree.set_time("then", 5);
        };
    }
    SECTION("gone") {
        change = [&] { std::filesystem::remove(tree.path("then")); };
    }
    SECTION("a link") {
        change = [&] {
            std::filesystem::remove(tree.path("then"));
            tree.symlink("then", "first");
        };
    }
    SECTION("replaced by its like") {
        change = [&] {
            tree.file("new", "more");
            std::filesystem::rename(tree.path("new"), tree.path("then"));
        };
    }
    SECTION("a directory") {
        change = [&] {
            std::filesystem::remove(tree.path("then"));
            tree.directory("then");
        };
    }
    change();
    const auto source = context.open();
    std::string failure;
    try {
        read_all(*source, 1 << 20, "context");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Integrity);
        failure = error.what();
    }
    CHECK_THAT(failure, Contains("/then'"));
}

TEST_CASE("context: a file that changes while it is read is an integrity error", "[unit][build]") {
    const ContextTree tree;
    tree.file("big", std::string(1 << 20, 'x'));
    tree.file("void", "");
    const auto context = BuildContext::make(context_of(tree), {});
    const auto source = context.open();
    std::vector<std::byte> buffer(4096);
    REQUIRE(source->read(buffer) == buffer.size());
    SECTION("it grows") {
        std::ofstream(tree.path("big"), std::ios::app) << "y";
        CHECK(code_of([&] { skip(*source, UINT64_MAX); }) == ErrorCode::Integrity);
    }
    SECTION("it shrinks") {
        std::filesystem::resize_file(tree.path("big"), 8192);
        CHECK(code_of([&] { skip(*source, UINT64_MAX); }) == ErrorCode::Integrity);
    }
    SECTION("an empty one is empty no more") {
        tree.file("void", "x");
        CHECK(code_of([&] { skip(*source, UINT64_MAX); }) == ErrorCode::Integrity);
    }
}

TEST_CASE("context: hard links, odd names, fifos and sockets", "[unit][build]") {
    const ContextTree tree;
    tree.file("one", "same");
    tree.hard_link("two", "one");
    tree.file("\xFF\xFE", "bytes");
    tree.file("new\nline", "n");
    tree.file(std::string(200, 'l') + "/" + std::string(240, 'o'), "long");
    REQUIRE(mkfifo(tree.path("fifo").c_str(), 0600) == 0);
    ContextNotices notices;
    Run run;
    run.progress = &notices;
    const auto members = members_of(bytes_of(context_of(tree), run));
    CHECK(members.size() == 7);
    for (const auto& [entry, content] : members) {
        CHECK(entry.type != TarType::HardLink);
        CHECK((entry.path != "one" || content == "same"));
        CHECK((entry.path != "two" || content == "same"));
    }
    CHECK(members.back().entry.path == "\xFF\xFE");
    REQUIRE(notices.texts.size() == 1);
    CHECK_THAT(notices.texts[0], Contains("fifo"));
}

TEST_CASE("context: sizes from 8 GiB on are told in pax records", "[unit][build]") {
    const ContextTree tree;
    tree.file("huge", "");
    std::filesystem::resize_file(tree.path("huge"), (9ULL << 30) + 1);
    const auto context = BuildContext::make(context_of(tree), {});
    CHECK(context.size() > (9ULL << 30) + 1);
    const auto end = context.open(context.size() - 1024 - 511 - 1, 1536);
    CHECK(read_all(*end, 4096, "end") == std::string(1536, '\0'));
    const auto source = context.open();
    TarReader reader(*source);
    REQUIRE(reader.next()->path == "Dockerfile");
    CHECK(reader.next()->size == (9ULL << 30) + 1);
}

TEST_CASE("context: written compressed, it is the same file every time", "[unit][build]") {
    const ContextTree tree;
    for (int i = 0; i < 30; ++i) {
        tree.file("src/file" + std::to_string(i), std::string(100'000, static_cast<char>('a' + i % 20)));
    }
    const TempDirectory directory;
    const auto context = BuildContext::make(context_of(tree), {});
    const auto one = write_context(context, directory.path() / "one.tar.gz", {});
    const auto two = write_context(BuildContext::make(context_of(tree), {}), directory.path() / "two.tar.gz", {});
    CHECK(one.digest == two.digest);
    const auto bytes = read_file(one.file, 1 << 20);
    CHECK(bytes.size() == one.size);
    CHECK(sha256(bytes) == one.digest);
    CHECK(names_of(unpacked(one.file)).size() == 32);
    SECTION("nothing appears when it fails") {
        tree.file("src/file7", "other");
        CHECK(code_of([&] { write_context(context, directory.path() / "three.tar.gz", {}); }) == ErrorCode::Integrity);
        CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 2);
    }
    SECTION("nothing appears when it is stopped") {
        std::stop_source stop;
        stop.request_stop();
        CHECK_THROWS_AS(write_context(context, directory.path() / "three.tar.gz", Run().with_stop(stop.get_token())),
                        Cancelled);
        CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 2);
    }
}

TEST_CASE("context: a source tag covers the members that come from the tree", "[unit][build]") {
    const ContextTree tree;
    tree.file(".dockerignore", "only/ignored\n");
    tree.file("only/ignored", "x");
    tree.file("src/a", "a");
    tree.directory("void");
    TreeOptions of_tree;
    of_tree.root = tree.path();
    std::vector<std::string> expected = {"Dockerfile"};
    for (const auto& entry : read_tree(of_tree, {}).entries) {
        if (entry.path != ".dockerignore") {
            expected.push_back(entry.path);
        }
    }
    CHECK(BuildContext::make(context_of(tree), {}).names() == expected);
}
