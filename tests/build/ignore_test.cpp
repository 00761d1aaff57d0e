#include "cooper/build/ignore.hpp"

#include "base/json.hpp"
#include "build/tree_support.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

json::Value cases_of(const std::string& file) {
    const auto path = std::filesystem::path(COOPER_GOLDEN) / "dockerfile" / file;
    return json::parse(read_file(path, 64 << 20), file).at("cases");
}

bool excludes(const std::vector<std::string>& patterns, std::string_view path) {
    return Dockerignore(patterns).excludes(path);
}

}  // namespace

TEST_CASE("dockerignore: one path against a list as patternmatcher answers", "[unit][build][golden]") {
    for (const auto& item : cases_of("patternmatcher-cases.json")) {
        INFO(item.dump());
        const auto patterns = item.at("patterns").get<std::vector<std::string>>();
        const auto path = item.at("path").get<std::string>();
        if (item.contains("error")) {
            CHECK(code_of([&] { const Dockerignore ignore(patterns); }) == ErrorCode::InvalidInput);
        } else if (item.contains("match_error")) {
            CHECK(code_of([&] { excludes(patterns, path); }) == ErrorCode::InvalidInput);
        } else {
            CHECK(excludes(patterns, path) == item.at("match").get<bool>());
        }
    }
}

TEST_CASE("dockerignore: the patterns of a file as BuildKit reads them", "[unit][build][golden]") {
    for (const auto& item : cases_of("dockerignore-cases.json")) {
        INFO(item.dump());
        const auto content = item.at("content").get<std::string>();
        CHECK(Dockerignore::read_patterns(content, "test") == item.at("patterns").get<std::vector<std::string>>());
        if (item.contains("error")) {
            CHECK(code_of([&] { Dockerignore::parse(content, "test"); }) == ErrorCode::InvalidInput);
        } else if (item.contains("tree")) {
            CHECK_NOTHROW(Dockerignore::parse(content, "test"));
        }
    }
}

TEST_CASE("dockerignore: what is wrong is named with its line", "[unit][build]") {
    try {
        Dockerignore::parse("# fine\n*.o\n\na[\n", "'ctx/.dockerignore'");
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        CHECK(std::string(error.what()) == "'ctx/.dockerignore', line 4: the pattern 'a[' is malformed");
        CHECK_FALSE(error.advice().empty());
    }
    CHECK_THROWS_WITH(Dockerignore::parse("a\n!\n", "f"), "f, line 2: the pattern '!' re-includes nothing");
    CHECK_THROWS_WITH(Dockerignore::parse(std::string(65536, 'a'), "f"), Catch::Contains("f, line 1: longer than"));
    CHECK_NOTHROW(Dockerignore::parse(std::string(65535, 'a') + "\n", "f"));
    std::string many;
    for (int i = 0; i < 10'001; ++i) {
        many += "a\n";
    }
    CHECK_THROWS_WITH(Dockerignore::parse(many, "f"), Catch::Contains("more patterns than the limit of 10000"));
}

TEST_CASE("dockerignore: byte order mark, line ends and Unicode's blanks are no part of a pattern", "[unit][build]") {
    using List = std::vector<std::string>;
    CHECK(Dockerignore::read_patterns("\xEF\xBB\xBF#x\r\n\u3000a/\u00A0\r\n!\u2003/b//c/../d \n #y", "f") ==
          List{"a", "!b/d", "#y"});
    CHECK(Dockerignore({"  /a ", "", "!b/./c"}).patterns() == List{"/a", "!b/c"});
    CHECK(Dockerignore({"a/../../b"}).patterns() == List{"../b"});
    CHECK(Dockerignore().patterns().empty());
    CHECK_FALSE(Dockerignore().excludes("a"));
}

TEST_CASE("dockerignore: brackets mean what the translated expression means", "[unit][build]") {
    // "[a*]" becomes "[a[^/]*]": the class closes at the first bracket, which a star then follows.
    CHECK(excludes({"[a*]"}, "^a]"));
    CHECK(excludes({"[a*]"}, "]"));
    CHECK_FALSE(excludes({"[a*]"}, "a"));
    CHECK(excludes({"[^x]b"}, "a/b") == false);
    CHECK(excludes({"a[^x]b"}, "a/b"));
    CHECK(excludes({"[[:digit:]]x"}, "7x"));
    CHECK_FALSE(excludes({"[[:^digit:]]x"}, "7x"));
    CHECK(excludes({"\\d?"}, "4a"));
    CHECK_FALSE(excludes({"\\D?"}, "4a"));
    CHECK(excludes({"[\\w]x"}, "_x"));
    CHECK(excludes({"a\\b?b"}, "a.b"));
    CHECK_FALSE(excludes({"a\\b?b"}, "axb"));
    CHECK(excludes({"a\\Bxb"}, "axb"));
    CHECK(excludes({"\\x41?"}, "A1"));
    CHECK(excludes({"\\101?"}, "A1"));
    CHECK(excludes({"^a*"}, "ab"));
    CHECK(excludes({"^a"}, "^a"));  // without "*" it is compared as text
    CHECK(excludes({"\\Qa\\E?"}, "ab"));
    CHECK(excludes({"x*\\Qa."}, "x1a\\.$"));  // nothing ends the quotation, so "$" is text
    CHECK_FALSE(excludes({"x*\\Qa."}, "x1a"));
}

TEST_CASE("dockerignore: a pattern whose expression does not compile fails once it counts", "[unit][build]") {
    for (const auto* pattern : {"a\\y", "[z-a]", "\\1", "\\xg0", "[[:letters:]]", "\\pL", "\\C", "\\E", "[a-*]"}) {
        INFO(pattern);
        const Dockerignore ignore({pattern});
        CHECK_THROWS_WITH(ignore.excludes("x"), Catch::Contains(std::string("'") + pattern + "'"));
        CHECK_FALSE(excludes({std::string("!") + pattern}, "x"));  // nothing to re-include: never evaluated
    }
}

TEST_CASE("dockerignore: code points, and bytes that are none", "[unit][build]") {
    CHECK(excludes({"?"}, "\u00FC"));
    CHECK(excludes({"[\u00E0-\u00FF]"}, "\u00FC"));
    CHECK(excludes({"?"}, "\U0001F600"));
    CHECK(excludes({"?"}, "\xFF"));
    CHECK_FALSE(excludes({"?"}, "\xC3\x28"));
    CHECK(excludes({"??"}, "\xC3\x28"));
    CHECK(excludes({"??"}, "\xC0\xAF"));            // overlong
    CHECK(excludes({"???"}, "\xED\xA0\x80"));       // a surrogate
    CHECK(excludes({"????"}, "\xF4\x90\x80\x80"));  // beyond the last code point
    CHECK(excludes({"??"}, "\xE2\x82"));            // cut off
    CHECK(excludes({"*\xFF"}, "a\xFE"));            // both are U+FFFD
    CHECK(excludes({"a\nb*"}, "a\nbc"));
    CHECK_FALSE(excludes({"**/b*"}, "a\n/b"));  // "." does not match a newline
    CHECK(excludes({"**/b"}, "a\n/b"));         // but the suffix is compared as text
}

TEST_CASE("dockerignore: a directory is left unopened only when nothing below can come back", "[unit][build]") {
    const auto closed = [](const std::vector<std::string>& patterns, std::string_view directory) {
        return Dockerignore(patterns).excludes_all_below(directory);
    };
    CHECK(closed({"a"}, "a"));
    CHECK(closed({"a"}, "a/b"));
    CHECK_FALSE(closed({"a"}, "b"));
    CHECK_FALSE(closed({"*", "!a/b"}, "a"));
    CHECK(closed({"*", "!a/b"}, "ab"));
    CHECK(closed({"*", "!a/b"}, "c"));
    CHECK_FALSE(closed({"*", "!**/keep"}, "c"));
    CHECK_FALSE(closed({"*", "!a/**"}, "a/b"));
    CHECK_FALSE(closed({"a*", "!a/*/c"}, "a/b"));
    CHECK(closed({"*", "!a/*/c"}, "b"));
    CHECK_FALSE(closed({"*", "!a?/\\bc"}, "ab"));
}

TEST_CASE("dockerignore: the walk asks with the answer about the parent", "[unit][build]") {
    const Dockerignore ignore({"a/x", "!a"});
    CHECK_FALSE(ignore.excludes("a/x"));
    const auto above = ignore.ask("a", nullptr);
    CHECK_FALSE(above.excluded);
    CHECK(ignore.ask("a/x", &above).excluded);

    const Dockerignore covering({"a", "!a/b/**"});
    const auto top = covering.ask("a", nullptr);
    CHECK(top.excluded);
    CHECK_FALSE(covering.excludes_all_below("a", top));
    const auto below = covering.ask("a/b", &top);
    CHECK(below.excluded);
    CHECK_FALSE(covering.ask("a/b/c", &below).excluded);
    CHECK(covering.excludes_all_below("a/c", covering.ask("a/c", &top)));
}

TEST_CASE("dockerignore: hostile patterns take no more than pattern times path", "[unit][build]") {
    std::string pattern;
    for (int i = 0; i < 200; ++i) {
        pattern += "*a**/";
    }
    const std::string path(4000, 'a');
    CHECK_FALSE(excludes({pattern + "b?"}, path));
    CHECK(excludes({"*" + pattern + "*"}, path));
}
