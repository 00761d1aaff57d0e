#include "cooper/delivery/keys.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "delivery/delivery_support.hpp"

#include <catch2/catch.hpp>

#include <map>

using namespace cooper;
using namespace cooper::delivery;
using cooper::testing::evil_branches;

TEST_CASE("branch_key: ordinary branches stay as they are", "[unit][delivery]") {
    for (const std::string name : {"main", "jps/publish-prerelease-images", "v1.2.3", "a/b/c_d"}) {
        CHECK(branch_key(name) == name);
    }
}

TEST_CASE("branch_key: every evil name becomes a harmless key and comes back, and no two share one",
          "[unit][delivery]") {
    const auto names = evil_branches();
    REQUIRE(names.size() > 200);
    std::map<std::string, std::string> owners;
    for (const std::string& name : names) {
        INFO(name);
        const std::string key = branch_key(name);
        CHECK(key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-%") ==
              std::string::npos);
        CHECK(branch_of_key(key) == name);
        const auto [owner, is_new] = owners.emplace(key, name);
        CHECK((is_new || owner->second == name));
    }
    CHECK(owners.size() == names.size());
}

TEST_CASE("branch_key: bytes that are no UTF-8 come back too", "[unit][delivery]") {
    std::string name = "a";
    for (int byte = 0x80; byte <= 0xff; ++byte) {
        name.push_back(static_cast<char>(byte));
    }
    CHECK(branch_of_key(branch_key(name)) == name);
}

TEST_CASE("branch_key: what git does not take is refused", "[unit][delivery]") {
    for (const std::string name :
         {"",         "/a",   "a/",   "a//b",  "a..b",  ".a",   "a/.b",   "a.lock", "a.lock/b", "a.",   "a b",
          "a~b",      "a^b",  "a:b",  "a?b",   "a*b",   "a[b",  "a\\b",   "a@{b",   "@",        "HEAD", "-a",
          "--branch", "a\nb", "a\tb", "a\x01", "a\x7f", "../a", "a/../b", ".",      ".."}) {
        INFO(name);
        CHECK_THROWS_AS(branch_key(name), Error);
    }
    CHECK_THROWS_AS(branch_key(std::string("a\0b", 3)), Error);
}

TEST_CASE("branch_key: a part below the first that looks like a commit's folder is refused", "[unit][delivery]") {
    CHECK_THROWS_WITH(branch_key("foo/abc1234"),
                      Catch::Contains("looks like a commit's folder") && Catch::Contains("\"foo\""));
    CHECK_THROWS_AS(branch_key("foo/bar/0123456789abcdef0123456789abcdef01234567"), Error);
    CHECK_THROWS_AS(branch_key("foo/abc1234/bar"), Error);
    CHECK(branch_key("abc1234") == "abc1234");
    CHECK(branch_key("foo/abc123") == "foo/abc123");
    CHECK(branch_key("foo/abc123g") == "foo/abc123g");
}

TEST_CASE("branch_key: a branch cannot lie where another one has its changelog", "[unit][delivery]") {
    CHECK_THROWS_AS(branch_key("foo/CHANGELOG.md"), Error);
    CHECK_THROWS_AS(branch_key("foo/CHANGELOG.md/bar"), Error);
    CHECK(branch_key("CHANGELOG.md") == "CHANGELOG.md");
}

TEST_CASE("branch_key: a key has at most 512 bytes", "[unit][delivery]") {
    CHECK(branch_key(std::string(512, 'a')).size() == 512);
    CHECK_THROWS_WITH(branch_key(std::string(513, 'a')), Catch::Contains("512"));
    CHECK_THROWS_AS(branch_key(std::string(171, '%')), Error);
}

TEST_CASE("branch_of_key: only what branch_key makes is taken", "[unit][delivery]") {
    CHECK(branch_of_key("a%25b") == "a%b");
    for (const std::string key : {"a%2Fb", "a%2fb", "%61", "a b", "a%", "a%zz", "", "a%e2%80%ae"}) {
        INFO(key);
        CHECK_THROWS_AS(branch_of_key(key), Error);
    }
}

TEST_CASE("check_commit: 7 to 64 hex digits, in lower case", "[unit][delivery]") {
    CHECK(check_commit("abc1234") == "abc1234");
    CHECK(check_commit("ABC1234DEF") == "abc1234def");
    CHECK(check_commit(std::string(64, 'f')) == std::string(64, 'f'));
    for (const std::string commit : {"", "abc123", "ghi9012", "abc1234 ", "abc1234\n", "--all-of-it"}) {
        INFO(commit);
        CHECK_THROWS_AS(check_commit(commit), Error);
    }
    CHECK_THROWS_AS(check_commit(std::string(65, 'f')), Error);
    CHECK(short_sha("ABC1234DEF5678") == "abc1234");
}

TEST_CASE("tarball_name: NAME:TAG.tar from names that are file names", "[unit][delivery]") {
    CHECK(tarball_name("openhands", "main-abc1234") == "openhands:main-abc1234.tar");
    CHECK(tarball_name("a", "_") == "a:_.tar");
    for (const std::string name : {"", ".", "..", "../a", "a/b", "a:b", "-a", "a b", "a\n", ".facts", "ä"}) {
        INFO(name);
        CHECK_THROWS_AS(tarball_name(name, "latest"), Error);
    }
    for (const std::string tag : {"", ".a", "-a", "a/b", "a:b", "a b"}) {
        INFO(tag);
        CHECK_THROWS_AS(tarball_name("a", tag), Error);
    }
    CHECK_THROWS_AS(tarball_name("a", std::string(129, 'a')), Error);
    CHECK_THROWS_AS(tarball_name(std::string(256, 'a'), "a"), Error);
}

TEST_CASE("safe_file_name: no colon, no path, nothing a shell or Windows minds", "[unit][delivery]") {
    CHECK(safe_file_name("openhands:latest.tar") == "openhands_latest.tar");
    CHECK(safe_file_name("jps/x/abc1234/openhands:latest.tar") == "openhands_latest.tar");
    CHECK(safe_file_name("a\"b;c:d.tar") == "a_b_c_d.tar");
}
