#include "cooper/build/tree.hpp"

#include "cooper/build/ignore.hpp"

#include "base/json.hpp"
#include "build/tree_support.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <thread>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using Catch::Contains;
// Both cooper::testing and cooper::build have one.
using TestTree = cooper::testing::Tree;

namespace {

TreeOptions at(const std::filesystem::path& root, std::vector<std::string> sources = {}) {
    TreeOptions options;
    options.root = root;
    options.sources = std::move(sources);
    return options;
}

/// "path mode size link digest", one entry a text; directories end with '/'.
std::vector<std::string> described(const TreeOptions& options, const Run& run = {}) {
    std::vector<std::string> texts;
    for (const auto& entry : read_tree(options, run).entries) {
        char mode[16];
        std::snprintf(mode, sizeof mode, " %04o ", entry.mode);
        texts.push_back(entry.path + (entry.kind == EntryKind::Directory ? "/" : "") + mode +
                        std::to_string(entry.size) + " " + entry.link +
                        (entry.digest ? entry.digest->shortened() : ""));
    }
    return texts;
}

std::vector<std::string> paths_of(const TreeOptions& options, const Run& run = {}) {
    std::vector<std::string> paths;
    for (const auto& entry : read_tree(options, run).entries) {
        paths.push_back(entry.path + (entry.kind == EntryKind::Directory ? "/" : ""));
    }
    return paths;
}

/// Keeps notices, and calls `on_notice` for each.
class Notices final : public Progress {
public:
    void notice(NoticeLevel /*level*/, std::string_view text) noexcept override {
        const std::scoped_lock lock(mutex_);
        texts.emplace_back(text);
    }
    std::vector<std::string> texts;

private:
    std::mutex mutex_;
};

/// Root reads everything; so that tests which need a refusal work for root as well.
class AsNobody {
public:
    AsNobody() : user_(geteuid()) { REQUIRE(seteuid(65534) == 0); }
    AsNobody(const AsNobody&) = delete;
    AsNobody& operator=(const AsNobody&) = delete;
    ~AsNobody() {
        if (seteuid(user_) != 0) {
            std::abort();
        }
    }

private:
    uid_t user_;
};

void make_socket(const std::filesystem::path& path) {
    const FileDescriptor opened(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.native().copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(bind(opened.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

}  // namespace

TEST_CASE("tree: kind, mode, size, target and digest of every entry", "[unit][build]") {
    const TestTree tree;
    tree.file("a", "content", 0600);
    tree.file("run", "", 0711);
    tree.file("suid", "x", 04755);
    tree.file("sgid", "x", 02640);
    tree.file("others-run", "x", 0645);
    tree.directory("empty", 0700);
    tree.directory("sticky", 01777);
    tree.symlink("dangling", "../nowhere");
    CHECK(described(at(tree.path())) == std::vector<std::string>{
                                            "a 0644 7 sha256:ed7002b439e9",
                                            "dangling 0777 0 ../nowhere",
                                            "empty/ 0755 0 ",
                                            "others-run 0644 1 sha256:2d711642b726",
                                            "run 0755 0 sha256:e3b0c44298fc",
                                            "sgid 2644 1 sha256:2d711642b726",
                                            "sticky/ 0755 0 ",
                                            "suid 4755 1 sha256:2d711642b726",
                                        });
    const auto read = read_tree(at(tree.path()), {});
    CHECK(read.files == 5);
    CHECK(read.bytes == 10);
    CHECK(read.files_read == 5);
    CHECK(read.entries[0].digest->hex() == sha256("content").hex());
}

TEST_CASE("tree: entries stand in the order of their paths' bytes", "[unit][build]") {
    const TestTree tree;
    for (const auto* name : {"a/c", "a-b", "a.txt", "a0", "a/b/c", "a/b-c", "A", "\xC3\xA9", "\xFF", "a/b.c", "ab/x"}) {
        tree.file(name, "");
    }
    std::vector<std::string> paths;
    for (const auto& entry : read_tree(at(tree.path()), {}).entries) {
        paths.push_back(entry.path);
    }
    auto sorted = paths;
    std::sort(sorted.begin(), sorted.end());
    CHECK(paths == sorted);
    CHECK(paths.size() == 14);
}

TEST_CASE("tree: umask, times, order of making, place and hard links do not matter", "[unit][build]") {
    const auto make = [](const TestTree& tree, bool forwards, mode_t file_mode, mode_t directory_mode, bool linked) {
        std::vector<std::string> names;
        for (int i = 0; i < 60; ++i) {
            names.push_back("d" + std::to_string(i % 7) + "/f" + std::to_string(i));
        }
        if (!forwards) {
            std::reverse(names.begin(), names.end());
        }
        for (const auto& name : names) {
            if (linked && std::filesystem::exists(tree.path("d0/f0"))) {
                std::filesystem::create_directories(tree.path(name).parent_path());
                tree.hard_link(name, "d0/f0");
            } else {
                tree.file(name, "same", file_mode);
            }
            chmod(tree.path(name).parent_path().c_str(), directory_mode);
            tree.set_time(name, forwards ? 1 : 2'000'000'000);
        }
    };
    const TestTree one;
    make(one, true, 0644, 0755, false);
    const auto expected = described(at(one.path()));
    REQUIRE(expected.size() == 67);
    const TestTree reversed;
    make(reversed, false, 0600, 0700, false);
    CHECK(described(at(reversed.path())) == expected);
    const TestTree linked;
    make(linked, true, 0664, 0775, true);
    CHECK(described(at(linked.path())) == expected);

    const auto moved = one.path("").parent_path().string() + ".elsewhere";
    std::filesystem::create_directory_symlink(one.path(), moved);
    CHECK(described(at(moved)) == expected);
    CHECK(described(at(moved + "/../" + std::filesystem::path(moved).filename().string() + "/")) == expected);
    std::filesystem::remove(moved);

    const std::string before = std::setlocale(LC_ALL, nullptr);
    std::setlocale(LC_ALL, "C.UTF-8");
    CHECK(described(at(one.path())) == expected);
    std::setlocale(LC_ALL, before.c_str());

    auto options = at(one.path());
    for (const unsigned threads : {1U, 2U, 8U, 100U}) {
        options.threads = threads;
        CHECK(described(options) == expected);
    }
}

TEST_CASE("tree: sources bring their parents and nothing beside them", "[unit][build]") {
    const TestTree tree;
    for (const auto* name : {"a/b/c/x", "a/b/y", "a/z", "d/e", "f", "a/b-c"}) {
        tree.file(name, name);
    }
    using Paths = std::vector<std::string>;
    CHECK(paths_of(at(tree.path(), {"a/b"})) == Paths{"a/", "a/b/", "a/b/c/", "a/b/c/x", "a/b/y"});
    CHECK(paths_of(at(tree.path(), {"f", "./a//b/../z"})) == Paths{"a/", "a/z", "f"});
    CHECK(paths_of(at(tree.path(), {"a/b/c", "a/b", "a/b/", "a/b/y"})) == paths_of(at(tree.path(), {"a/b"})));
    CHECK(paths_of(at(tree.path(), {"a/b/c", "a/b-c", "a/b/y"})) ==
          Paths{"a/", "a/b/", "a/b-c", "a/b/c/", "a/b/c/x", "a/b/y"});
    CHECK(paths_of(at(tree.path(), {"a", "."})) == paths_of(at(tree.path())));
    CHECK(paths_of(at(tree.path())).size() == 10);
}

TEST_CASE("tree: sources that are not below the root are refused by name", "[unit][build]") {
    const TestTree tree;
    tree.file("file", "");
    tree.file("real/x", "");
    tree.symlink("link", "real");
    const auto refused = [&](const std::string& source) { return read_tree(at(tree.path(), {source}), {}); };
    for (const auto* source : {"..", "../x", "a/../..", "/etc"}) {
        CHECK_THROWS_WITH(refused(source), Contains("'" + std::string(source) + "' is outside of"));
        CHECK(code_of([&] { refused(source); }) == ErrorCode::InvalidInput);
    }
    for (const auto* source : {"link", "link/x"}) {
        CHECK_THROWS_WITH(refused(source), Contains(source) && Contains("link', which is not followed"));
        CHECK(code_of([&] { refused(source); }) == ErrorCode::InvalidInput);
    }
    for (const auto* source : {"nowhere", "real/nowhere", "file/x"}) {
        CHECK_THROWS_WITH(refused(source), Contains("there is no source") && Contains(source));
        CHECK(code_of([&] { refused(source); }) == ErrorCode::NotFound);
    }
    CHECK(code_of([&] { refused(std::string(5000, 'x')); }) == ErrorCode::InvalidInput);
    CHECK(code_of([&] { read_tree(at(tree.path("nowhere")), {}); }) == ErrorCode::NotFound);
    CHECK_THROWS_WITH(read_tree(at(tree.path("file")), {}), Contains("is not a directory"));
}

TEST_CASE("tree: .dockerignore leaves out what it leaves out of a build", "[unit][build][golden]") {
    const auto path = std::filesystem::path(COOPER_GOLDEN) / "dockerfile" / "dockerignore-cases.json";
    for (const auto& item : json::parse(read_file(path, 64 << 20), "cases").at("cases")) {
        if (!item.contains("tree")) {
            continue;
        }
        INFO(item.dump());
        const TestTree tree;
        for (const auto& name : item.at("tree").get<std::vector<std::string>>()) {
            name.ends_with('/') ? tree.directory(name) : tree.file(name, "");
        }
        tree.file(".dockerignore", item.at("content").get<std::string>());
        if (item.contains("error")) {
            CHECK(code_of([&] { paths_of(at(tree.path())); }) == ErrorCode::InvalidInput);
            continue;
        }
        const auto included = item.at("included").get<std::vector<std::string>>();
        auto paths = paths_of(at(tree.path()));
        CHECK(paths.size() == included.size());
        CHECK(std::is_permutation(paths.begin(), paths.end(), included.begin(), included.end()));
    }
}

TEST_CASE("tree: what is left unopened would have been left out", "[unit][build]") {
    // Oracle: every path that there is, asked from the top down, and the parents of what is included.
    const auto expected = [](const std::filesystem::path& root, const Dockerignore& ignore) {
        std::set<std::string> included;
        const std::function<void(const std::string&, const Dockerignore::Answer*)> look = [&](const std::string& below,
                                                                                              const auto* above) {
            for (const auto& item : std::filesystem::directory_iterator(root / below)) {
                const auto path = (below.empty() ? "" : below + "/") + item.path().filename().string();
                const auto answer = ignore.ask(path, above);
                if (!answer.excluded) {
                    for (auto at = std::filesystem::path(path); !at.empty(); at = at.parent_path()) {
                        included.insert(at.string());
                    }
                }
                if (item.is_directory()) {
                    look(path, &answer);
                }
            }
        };
        look("", nullptr);
        return included;
    };
    std::mt19937 random(3);
    const auto pick = [&](const std::vector<std::string>& from) { return from[random() % from.size()]; };
    const TestTree tree;
    for (int i = 0; i < 60; ++i) {
        std::string path;
        for (std::size_t depth = random() % 4; depth > 0; --depth) {
            path += pick({"a", "b", "a-b", "c.d"}) + "/";
        }
        tree.file(path + pick({"x", "y.txt", "z.txt"}), "");
    }
    for (int round = 0; round < 300; ++round) {
        auto options = at(tree.path());
        for (std::size_t count = random() % 5; count > 0; --count) {
            options.ignore.push_back(pick({"", "!"}) + pick({"", "**/", "a/", "*/"}) +
                                     pick({"a", "b", "*", "x", "*.txt", "a**", "?", "[a-b]", "a*b/**", "*/x"}));
        }
        std::string shown;
        for (const auto& pattern : options.ignore) {
            shown += pattern + "\n";
        }
        INFO(shown);
        std::vector<std::string> paths;
        for (const auto& entry : read_tree(options, {}).entries) {
            paths.push_back(entry.path);
        }
        const auto all = expected(tree.path(), Dockerignore(options.ignore));
        REQUIRE(paths == std::vector<std::string>(all.begin(), all.end()));
    }
}

TEST_CASE("tree: the caller's patterns leave out whatever .dockerignore says", "[unit][build]") {
    const TestTree tree;
    tree.file(".dockerignore", "*\n!keep\n");
    for (const auto* name : {"keep/a.md", "keep/b", "keep/sub/c.md", "other/d"}) {
        tree.file(name, "");
    }
    using Paths = std::vector<std::string>;
    CHECK(paths_of(at(tree.path())) == Paths{"keep/", "keep/a.md", "keep/b", "keep/sub/", "keep/sub/c.md"});
    auto options = at(tree.path());
    options.ignore = {"**/*.md"};
    CHECK(paths_of(options) == Paths{"keep/", "keep/b", "keep/sub/"});
    options.ignore = {"**", "!keep/b", "!other/d"};
    CHECK(paths_of(options) == Paths{"keep/", "keep/b"});
    options.dockerignore = false;
    CHECK(paths_of(options) == Paths{"keep/", "keep/b", "other/", "other/d"});
    options.ignore = {"a["};
    CHECK_THROWS_WITH(read_tree(options, {}), Contains("'a[' is malformed"));
}

TEST_CASE("tree: .dockerignore itself is content unless it is left out", "[unit][build]") {
    const TestTree tree;
    tree.file(".dockerignore", "# nothing\n");
    CHECK(paths_of(at(tree.path())) == std::vector<std::string>{".dockerignore"});
    tree.file(".dockerignore", ".dockerignore\n");
    CHECK(paths_of(at(tree.path())).empty());
    std::filesystem::remove(tree.path(".dockerignore"));
    tree.symlink(".dockerignore", "/etc/passwd");
    CHECK_THROWS_WITH(read_tree(at(tree.path()), {}), Contains(".dockerignore") && Contains("symbolic link"));
}

TEST_CASE("tree: fifos and sockets are left out with a notice", "[unit][build]") {
    const TestTree tree;
    tree.file("file", "");
    REQUIRE(mkfifo(tree.path("fifo").c_str(), 0644) == 0);
    make_socket(tree.path("socket"));
    tree.directory("only");
    REQUIRE(mkfifo(tree.path("only/fifo").c_str(), 0644) == 0);
    Notices notices;
    Run run;
    run.progress = &notices;
    auto options = at(tree.path());
    CHECK(paths_of(options, run) == std::vector<std::string>{"file", "only/"});
    REQUIRE(notices.texts.size() == 3);
    CHECK_THAT(notices.texts[0], Contains("/fifo': a fifo or socket has no content"));

    notices.texts.clear();
    options.ignore = {"fifo", "socket", "only"};
    CHECK(paths_of(options, run) == std::vector<std::string>{"file"});
    CHECK(notices.texts.empty());
}

TEST_CASE("tree: a device is refused by its path", "[unit][build]") {
    const TestTree tree;
    if (mknod(tree.path("null").c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) {
        SUCCEED("no right to make devices here");
        return;
    }
    auto options = at(tree.path());
    CHECK_THROWS_WITH(read_tree(options, {}), Contains("/null' is a device"));
    CHECK(code_of([&] { read_tree(options, {}); }) == ErrorCode::InvalidInput);
    options.ignore = {"null"};
    CHECK(paths_of(options).empty());
}

TEST_CASE("tree: what cannot be read is named", "[unit][build]") {
    const TestTree tree;
    REQUIRE(chmod(tree.path().c_str(), 0755) == 0);
    SECTION("a file") {
        tree.file("a/secret", "x", 0600);
        const AsNobody nobody;
        CHECK_THROWS_WITH(read_tree(at(tree.path()), {}),
                          Contains("cannot read") && Contains("/a/secret': Permission"));
        CHECK(code_of([&] { read_tree(at(tree.path()), {}); }) == ErrorCode::AccessDenied);
    }
    SECTION("a directory") {
        tree.directory("a/closed", 0700);
        const AsNobody nobody;
        CHECK_THROWS_WITH(read_tree(at(tree.path()), {}),
                          Contains("cannot list") && Contains("/a/closed': Permission"));
        CHECK(code_of([&] { read_tree(at(tree.path()), {}); }) == ErrorCode::AccessDenied);
        CHECK_THROWS_AS(read_tree(at(tree.path()), {}), SystemError);
        auto options = at(tree.path());
        options.ignore = {"a/closed"};
        CHECK(paths_of(options) == std::vector<std::string>{"a/"});  // not opened
    }
    SECTION("what a directory without the right to search holds") {
        tree.file("a/file", "");
        tree.directory("a", 0744);
        const AsNobody nobody;
        CHECK_THROWS_WITH(read_tree(at(tree.path()), {}), Contains("cannot look at") && Contains("/a/file'"));
    }
}

TEST_CASE("tree: a directory that vanishes is named", "[unit][build]") {
    // The listing of the root has 300 directories to open yet when the first of them is; the last ones go then.
    const TestTree tree;
    constexpr int kCount = 300;
    const auto name = [](int i) { return "d" + std::to_string(i); };
    bool named = false;
    // The remover may come too late on a busy machine; then all is well and we try again.
    for (int attempt = 0; attempt < 200 && !named; ++attempt) {
        for (int i = 0; i < kCount; ++i) {
            mkdir(tree.path(name(i)).c_str(), 0755);
        }
        const FileDescriptor inotify(inotify_init1(IN_CLOEXEC));
        REQUIRE(inotify_add_watch(inotify.get(), tree.path().c_str(), IN_OPEN) >= 0);
        std::jthread remover([&] {
            std::array<char, 4096> event{};
            if (read(inotify.get(), event.data(), event.size()) > 0) {
                for (int i = 0; i < kCount; ++i) {
                    rmdir(tree.path(name(i)).c_str());
                }
            }
        });
        try {
            read_tree(at(tree.path()), {});
        } catch (const Error& error) {
            named = true;
            CHECK(error.code() == ErrorCode::NotFound);
            CHECK_THAT(error.what(), Contains("/d") && Contains("': the directory was removed while it was read"));
            CHECK_FALSE(error.advice().empty());
        }
    }
    CHECK(named);
}

TEST_CASE("tree: a stop request ends the reading", "[unit][build]") {
    const TestTree tree;
    tree.file("a", "");
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS(read_tree(at(tree.path()), Run().with_stop(stop.get_token())), Cancelled);
}

TEST_CASE("tree: names for messages and deep paths are bounded", "[unit][build]") {
    const TestTree tree;
    std::string path;
    const auto deepen = [&](int count) {
        for (int i = 0; i < count; ++i) {
            path += path.empty() ? "d" : "/d";
            REQUIRE(mkdir(tree.path(path).c_str(), 0755) == 0);
        }
    };
    deepen(512);
    CHECK(paths_of(at(tree.path())).size() == 512);
    deepen(1);
    CHECK_THROWS_WITH(read_tree(at(tree.path()), {}), Contains("deeper than the limit"));
    const TestTree escapes;
    REQUIRE(mknod(escapes.path("\x1b[31m").c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0);
    CHECK_THROWS_WITH(read_tree(at(escapes.path()), {}), Contains("?[31m' is a device"));
}

TEST_CASE("tree: where digests are remembered by default", "[unit][build]") {
    const auto cache = [](std::map<std::string, std::string, std::less<>> variables) {
        return default_tree_cache(Environment(std::move(variables)));
    };
    CHECK(cache({{"XDG_CACHE_HOME", "/c"}, {"HOME", "/h"}}) == "/c/cooper/trees");
    CHECK(cache({{"HOME", "/h"}}) == "/h/.cache/cooper/trees");
    CHECK(cache({{"XDG_CACHE_HOME", "relative"}, {"HOME", "/h"}}) == "/h/.cache/cooper/trees");
}
