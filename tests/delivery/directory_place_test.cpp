#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/process.hpp"
#include "cooper/delivery/place.hpp"

#include "support/fake_clock.hpp"

#include <catch2/catch.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

using namespace cooper;
using namespace cooper::delivery;

namespace fs = std::filesystem;

namespace {

const std::string kKey = "main/abc1234/app:1.tar";

TarballFacts facts_of(std::uint64_t size) {
    TarballFacts facts;
    facts.size = size;
    facts.sha256 = std::string(64, 'a');
    facts.image_ids = "sha256:" + std::string(64, 'b');
    facts.identity = std::string(64, 'c');
    facts.inputs = std::string(64, 'd');
    facts.commit = "abc1234";
    return facts;
}

std::size_t files_below(const fs::path& root) {
    std::size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
        count += entry.path().filename() != ".cooper.lock" ? 1U : 0U;
    }
    return count;
}

}  // namespace

TEST_CASE("directory place: a tarball is invisible until it is complete, then whole with its facts",
          "[unit][delivery]") {
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path() / "deep" / "root");
    const fs::path file = directory.path() / "deep" / "root" / kKey;
    auto upload = place->begin_tarball(kKey, facts_of(10), nullptr, Run{});
    upload->part(2, 6, as_bytes("6789"));
    upload->part(1, 0, as_bytes("012345"));
    CHECK_FALSE(fs::exists(file));
    CHECK_FALSE(place->find_tarball(kKey, Run{}));
    upload->complete(facts_of(10), Run{});
    CHECK(read_file(file, 100) == "0123456789");
    CHECK(place->find_tarball(kKey, Run{}) == facts_of(10));
}

TEST_CASE("directory place: a tarball that is dropped leaves nothing, not even directories", "[unit][delivery]") {
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path());
    {
        auto upload = place->begin_tarball(kKey, facts_of(10), nullptr, Run{});
        upload->part(1, 0, as_bytes("0123456789"));
    }
    CHECK(files_below(directory.path()) == 0);
}

TEST_CASE("directory place: a dropped tarball does not take the directory from under another", "[unit][delivery]") {
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path());
    auto dropped = place->begin_tarball(kKey, facts_of(1), nullptr, Run{});
    auto kept = place->begin_tarball("main/abc1234/other:1.tar", facts_of(1), nullptr, Run{});
    kept->part(1, 0, as_bytes("x"));
    dropped.reset();
    kept->complete(facts_of(1), Run{});
    CHECK(place->find_tarball("main/abc1234/other:1.tar", Run{}));
}

TEST_CASE("directory place: what is there is not replaced", "[unit][delivery]") {
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path());
    auto first = place->begin_tarball(kKey, facts_of(1), nullptr, Run{});
    auto second = place->begin_tarball(kKey, facts_of(1), nullptr, Run{});
    first->part(1, 0, as_bytes("1"));
    second->part(1, 0, as_bytes("2"));
    first->complete(facts_of(1), Run{});
    TarballFacts other = facts_of(1);
    other.sha256 = std::string(64, 'e');
    try {
        second->complete(other, Run{});
        FAIL("replaced a tarball");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Conflict);
    }
    second.reset();
    CHECK(read_file(directory.path() / kKey, 10) == "1");
    CHECK(place->find_tarball(kKey, Run{}) == facts_of(1));
}

TEST_CASE("directory place: facts that do not fit the file are not believed", "[unit][delivery]") {
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path());
    fs::create_directories((directory.path() / kKey).parent_path());
    write_file(directory.path() / kKey, "12345");
    const fs::path facts = directory.path() / "main/abc1234/.app:1.tar.json";
    TarballFacts expected;
    expected.size = 5;
    expected.sha256 = sha256("12345").hex();
    CHECK(place->find_tarball(kKey, Run{}) == expected);
    for (const std::string text :
         {"", "{", "[]", R"({"schema":"cooper.tarball/v1","size":4,"sha256":"x","identity":"y"})",
          R"({"schema":"cooper.tarball/v9","size":5})", R"({"schema":"cooper.tarball/v1","size":5,"sha256":7})"}) {
        write_file(facts, text);
        INFO(text);
        CHECK(place->find_tarball(kKey, Run{}) == expected);
    }
    place->record_facts(kKey, facts_of(5), Run{});
    CHECK(place->find_tarball(kKey, Run{}) == facts_of(5));
}

TEST_CASE("directory place: a text is replaced only by who has seen it", "[unit][delivery]") {
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path());
    CHECK_FALSE(place->find_text("main/CHANGELOG.md", Run{}));
    CHECK_FALSE(place->replace_text("main/CHANGELOG.md", "x", "etag", Run{}));
    CHECK(place->replace_text("main/CHANGELOG.md", "one", std::nullopt, Run{}));
    CHECK_FALSE(place->replace_text("main/CHANGELOG.md", "two", std::nullopt, Run{}));
    const auto seen = place->find_text("main/CHANGELOG.md", Run{});
    REQUIRE(seen);
    CHECK(seen->text == "one");
    CHECK(place->replace_text("main/CHANGELOG.md", "two", seen->etag, Run{}));
    CHECK_FALSE(place->replace_text("main/CHANGELOG.md", "three", seen->etag, Run{}));
    place->put_text("main/CHANGELOG.md", "four", Run{});
    CHECK(place->find_text("main/CHANGELOG.md", Run{})->text == "four");
}

TEST_CASE("directory place: processes and threads that count up together lose no step", "[unit][delivery]") {
    constexpr int kProcesses = 3;
    constexpr int kThreads = 3;
    constexpr int kSteps = 15;
    const TempDirectory directory;
    const auto count_up = [&] {
        const auto place = make_directory_place(directory.path());
        for (int i = 0; i < kSteps;) {
            const auto seen = place->find_text("n", Run{});
            const int value = seen ? std::stoi(seen->text) : 0;
            i += place->replace_text("n", std::to_string(value + 1), seen ? std::optional(seen->etag) : std::nullopt,
                                     Run{})
                     ? 1
                     : 0;
        }
    };
    std::vector<pid_t> children;
    for (int i = 0; i < kProcesses; ++i) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            try {
                count_up();
                ::_exit(0);
            } catch (...) {
                ::_exit(1);
            }
        }
        children.push_back(child);
    }
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < kThreads; ++i) {
            threads.emplace_back(count_up);
        }
    }
    for (const pid_t child : children) {
        int status = 0;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(status == 0);
    }
    CHECK(read_file(directory.path() / "n", 100) == std::to_string((kProcesses + kThreads) * kSteps));
}

TEST_CASE("directory place: a stop request ends the wait for the lock", "[unit][delivery]") {
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path());
    place->put_text("n", "1", Run{});
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS(place->put_text("n", "2", Run{}.with_stop(stop.get_token())), Cancelled);
    CHECK(read_file(directory.path() / "n", 10) == "1");
}

TEST_CASE("directory place: keys below a prefix are listed in order", "[unit][delivery]") {
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path());
    CHECK(place->list("main/.entries/", Run{}).empty());
    place->put_text("main/.entries/b.json", "", Run{});
    place->put_text("main/.entries/a.json", "", Run{});
    place->put_text("main/CHANGELOG.md", "", Run{});
    place->put_text("main2/.entries/c.json", "", Run{});
    CHECK(place->list("main/.entries/", Run{}) ==
          std::vector<std::string>{"main/.entries/a.json", "main/.entries/b.json"});
    CHECK(place->list("main/.entries/a", Run{}) == std::vector<std::string>{"main/.entries/a.json"});
    CHECK(place->list("main", Run{}).size() == 4);
}

TEST_CASE("directory place: links are file URLs that do not expire", "[unit][delivery]") {
    const auto place = make_directory_place("/srv/my images");
    const Link link = place->link("a%25b/abc1234/app:1.tar", std::chrono::seconds(1), Run{});
    CHECK(link.url == "file:///srv/my%20images/a%2525b/abc1234/app%3A1.tar");
    CHECK_FALSE(link.expires);
    CHECK(link.warning.empty());
    CHECK(place->name() == "dir:/srv/my images");
}

TEST_CASE("directory place: no key leads out of it", "[unit][delivery]") {
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path() / "root");
    for (const std::string& key :
         std::vector<std::string>{"../x", "a/../../x", "/etc/passwd", "", "a//b", "a/.", std::string("a\0b", 3)}) {
        INFO(key);
        CHECK_THROWS_AS(place->put_text(key, "x", Run{}), Error);
        CHECK_THROWS_AS(place->find_text(key, Run{}), Error);
    }
    CHECK_FALSE(fs::exists(directory.path() / "x"));
}
