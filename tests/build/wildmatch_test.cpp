// The pattern language of the Dirhash tools, rule by rule (tags.md 4.3 and 4.4).
#include "cooper/base/error.hpp"
#include "cooper/build/ignore.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace cooper;
using namespace cooper::build;

namespace {

using Texts = std::vector<std::string>;

bool matches(const std::string& pattern, const std::string& path) {
    return WildmatchList({pattern}, {}).includes(path);
}

/// What `ignore` leaves of `paths`.
Texts left_by(const Texts& ignore, const Texts& paths) {
    const WildmatchList list({"*"}, ignore);
    Texts left;
    for (const auto& path : paths) {
        if (list.includes(path)) {
            left.push_back(path);
        }
    }
    return left;
}

}  // namespace

TEST_CASE("wildmatch: the pattern that matches last decides", "[unit][build]") {
    const WildmatchList list({"*", "!*.txt", "keep.txt"}, {"d/keep.txt"});
    CHECK(list.includes("a.py"));
    CHECK_FALSE(list.includes("a.txt"));
    CHECK(list.includes("keep.txt"));
    CHECK(list.includes("e/keep.txt"));
    CHECK_FALSE(list.includes("d/keep.txt"));
}

TEST_CASE("wildmatch: what no pattern matches is left out", "[unit][build]") {
    CHECK_FALSE(WildmatchList({}, {}).includes("a"));
    CHECK_FALSE(WildmatchList({"*.py"}, {}).includes("a.txt"));
    CHECK_FALSE(WildmatchList({}, {"a"}).includes("b"));
}

TEST_CASE("wildmatch: a pattern that comes again is not heard a second time", "[unit][build]") {
    CHECK_FALSE(WildmatchList({"*.txt", "!a.txt", "*.txt"}, {}).includes("a.txt"));
    CHECK(WildmatchList({"*.txt", "!a.txt", "**/*.txt"}, {}).includes("a.txt"));
}

TEST_CASE("wildmatch: an ignore pattern with an exclamation mark means a name that begins with one", "[unit][build]") {
    CHECK(left_by({"!x"}, {"x", "!x", "d/!x"}) == Texts{"x"});
}

TEST_CASE("wildmatch: below an ignored directory a file can be taken again", "[unit][build]") {
    const WildmatchList list({"*", "!d/", "d/keep"}, {});
    CHECK(list.includes("d/keep"));
    CHECK_FALSE(list.includes("d/other"));
}

TEST_CASE("wildmatch: one name matches at any depth and all below, a slash before it anchors", "[unit][build]") {
    CHECK(left_by({"x"}, {"x", "a/x", "x/b", "a/x/b", "xy", "a/yx"}) == Texts{"xy", "a/yx"});
    CHECK(left_by({"/x"}, {"x", "a/x", "x/b", "a/x/b"}) == Texts{"a/x", "a/x/b"});
    CHECK(left_by({"a/x"}, {"a/x", "b/a/x", "a/x/y"}) == Texts{"b/a/x"});
    CHECK(left_by({"./x"}, {"x", "a/x"}) == Texts{"x", "a/x"});
    CHECK(left_by({"a//x"}, {"a/x"}) == Texts{"a/x"});
}

TEST_CASE("wildmatch: a slash at the end means what is below a directory", "[unit][build]") {
    CHECK(left_by({".*/"}, {".git/config", "a/.tox/b/c", ".env", "a/.env"}) == Texts{".env", "a/.env"});
    CHECK(left_by({"__pycache__/"}, {"__pycache__/a", "b/__pycache__/a", "__pycache__"}) == Texts{"__pycache__"});
    CHECK(left_by({"*.md"}, {"a.md", "a.md/b", "a.MD"}) == Texts{"a.MD"});
    CHECK(left_by({"**/"}, {"a", "a/b", "a/b/c"}) == Texts{"a"});
    CHECK(left_by({"**/**/"}, {"a", "a/b"}) == Texts{"a"});
    CHECK(left_by({"/"}, {"a", "a/b"}) == Texts{"a", "a/b"});
    CHECK(left_by({"/**/"}, {"a", "a/b"}) == Texts{"a", "a/b"});
}

TEST_CASE("wildmatch: two stars as a whole component stand for any depth, none included", "[unit][build]") {
    CHECK(left_by({"a/**/b"}, {"a/b", "a/x/b", "a/x/y/b", "a/xb", "c/a/b"}) == Texts{"a/xb", "c/a/b"});
    CHECK(left_by({"a/**"}, {"a", "a/b", "a/b/c", "b/a/c"}) == Texts{"a", "b/a/c"});
    CHECK(left_by({"**/a"}, {"a", "b/a", "a/c", "ba"}) == Texts{"ba"});
    CHECK(left_by({"**"}, {"a", "a/b"}).empty());
    CHECK(left_by({"a**b"}, {"ab", "axb", "a/b", "a/x/b"}) == Texts{"a/b", "a/x/b"});
    CHECK(left_by({"a/**/**/b"}, {"a/b", "a/x/b"}).empty());
}

TEST_CASE("wildmatch: star and question mark stay within a component", "[unit][build]") {
    CHECK(matches("a*c", "ac"));
    CHECK(matches("a*c", "abbc"));
    CHECK_FALSE(matches("/a*c", "a/c"));
    CHECK(matches("a?c", "abc"));
    CHECK_FALSE(matches("/a?c", "a/c"));
    CHECK_FALSE(matches("a?c", "ac"));
}

TEST_CASE("wildmatch: characters are code points and a stray byte is one", "[unit][build]") {
    CHECK(matches("a?c", "a\u00e9c"));
    CHECK(matches("a?c", "a\U0001f600c"));
    CHECK(matches("a?c",
                  "a\xff"
                  "c"));
    CHECK(matches("???", "\xed\xa0\x80"));  // a surrogate is three stray bytes
    CHECK(matches("??", "\xe4\xb8"));       // so is the beginning of a character
    CHECK(matches("??", "\xc0\xaf"));       // and the long form of a short one
    CHECK_FALSE(matches("?", "e\u0301"));
    CHECK(matches("[\u00e0-\u00ff]1", "\u00e91"));
    CHECK_FALSE(matches("[\u00e0-\u00ff]1", "\u01001"));
    CHECK(matches("[!a]", "\u00e9"));
    CHECK_FALSE(matches("[!\u00e9]", "\u00e9"));
    CHECK(matches("\xff", "\xff"));
}

TEST_CASE("wildmatch: sets have ranges, a negation and a bracket that comes first", "[unit][build]") {
    CHECK(matches("[a-c]1", "b1"));
    CHECK_FALSE(matches("[a-c]1", "d1"));
    CHECK(matches("[!a]1", "b1"));
    CHECK_FALSE(matches("[^a]1", "a1"));
    CHECK(matches("[]]1", "]1"));
    CHECK_FALSE(matches("[!]]1", "]1"));
    CHECK(matches("[a-]1", "-1"));
    CHECK(matches("[-a]1", "-1"));
    CHECK(matches("[]-]1", "-1"));
    CHECK(matches("[--a]1", "A1"));  // from '-' to 'a'
    CHECK(matches("[\\]1", "\\1"));  // no escape in a set
    CHECK(matches("[a", "[a"));      // no set without its end
    CHECK(matches("[]", "[]"));
    CHECK(matches("[[:alpha:]]1", "h]1"));
    CHECK(matches("/a[+-9]b", "a/b"));  // '/' is between '+' and '9'
    CHECK(matches("/a[!x]b", "a/b"));
}

TEST_CASE("wildmatch: a backslash takes the next character literally", "[unit][build]") {
    CHECK(matches("a\\*b", "a*b"));
    CHECK_FALSE(matches("a\\*b", "axb"));
    CHECK(matches("\\!x", "!x"));
    CHECK(matches("\\#x", "#x"));
    CHECK(matches("b\\\\c", "b\\c"));
    CHECK(matches("a\\b", "ab"));
    CHECK(matches("\\[x\\]", "[x]"));
}

TEST_CASE("wildmatch: blanks at the ends go but for one that is escaped", "[unit][build]") {
    CHECK(matches("  a\t", "a"));
    CHECK(matches("\u00a0a\u3000", "a"));
    CHECK(matches("a\\ ", "a "));
    CHECK_FALSE(matches("a\\ ", "a"));
    CHECK(matches("a b", "a b"));
    CHECK(left_by({" x"}, {"x", " x"}) == Texts{"x"});  // the "!" stands before the blank
}

TEST_CASE("wildmatch: comments and empty patterns say nothing", "[unit][build]") {
    const WildmatchList list({"#*", "", "   ", "/", "a"}, {});
    CHECK(list.includes("a"));
    CHECK_FALSE(list.includes("#b"));
}

TEST_CASE("wildmatch: newlines in names behave as in regular expressions", "[unit][build]") {
    SECTION("the end is also before a final newline") {
        CHECK(matches("*.pyc", "x.pyc\n"));
        CHECK_FALSE(matches("*.pyc", "x.pyc\n\n"));
        CHECK_FALSE(matches("*.pyc", "x.pyc\nz"));
    }
    SECTION("a name takes newlines, what leads to it and what follows it does not") {
        CHECK(WildmatchList({"*"}, {"zzz"}).includes("a\nb"));
        CHECK_FALSE(WildmatchList({"*"}, {"zzz"}).includes("x\ny/a\nb"));
        CHECK(WildmatchList({"*"}, {"zzz"}).includes("x/a\nb"));
    }
    SECTION("the sole star takes all") {
        CHECK(WildmatchList({"*"}, {}).includes("x\ny/a\nb"));
        CHECK(WildmatchList({"*", "*"}, {}).includes("x\ny/a\nb"));
        CHECK_FALSE(WildmatchList({"", "*"}, {}).includes("x\ny/a\nb"));
    }
}

TEST_CASE("wildmatch: a pattern that cannot be is quoted", "[unit][build]") {
    using Catch::Matchers::Contains;
    const auto why = [](const Texts& match, const Texts& ignore) -> std::string {
        try {
            const WildmatchList list(match, ignore);
            return "accepted";
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::InvalidInput);
            return error.what();
        }
    };
    CHECK_THAT(why({"x[z-a]"}, {}), Contains("'x[z-a]'") && Contains("range"));
    CHECK_THAT(why({"x[a--]"}, {}), Contains("range"));
    CHECK_THAT(why({}, {"plain\\"}), Contains("'plain\\'") && Contains("literally"));
    CHECK_THAT(why({"a\\/b"}, {}), Contains("literally"));
    CHECK_THAT(why({}, {""}), Contains("'' is empty"));
    CHECK_THAT(why({}, {"  "}), Contains("is empty"));
    CHECK_THAT(why({"!"}, {}), Contains("is empty"));
    CHECK_THAT(why({std::string(20'000, 'a')}, {}), Contains("longer than the limit of 16384 bytes"));
    CHECK_THAT(why(Texts(10'001, "a"), {}), Contains("limit of 10000 patterns"));
}

TEST_CASE("wildmatch: patterns of any length keep every step", "[unit][build]") {
    for (std::size_t length = 55; length < 200; ++length) {  // over the words in which the steps are kept
        const std::string name(length, 'n');
        INFO(length);
        CHECK(matches("/" + name, name));
        CHECK(matches(name, "d/" + name + "/x"));
        CHECK_FALSE(matches(name, name + "n"));
        CHECK_FALSE(matches(name, name.substr(1)));
        CHECK(matches("/" + name + "*z", name + "abcz"));
        CHECK(matches("/" + name + "/**/z", name + "/a/b/z"));
        CHECK(matches("/" + std::string(length, '?'), name.substr(1) + "\u00e9"));
    }
}

TEST_CASE("wildmatch: no pattern makes matching explode", "[unit][build]") {
    std::string stars;
    std::string depths;
    for (int i = 0; i < 60; ++i) {
        stars += "*a";
        depths += "**/a/";
    }
    const std::string name(4000, 'a');
    CHECK(matches(stars, name));
    CHECK_FALSE(matches(stars + "b", name));
    std::string path = "a";
    while (path.size() < 4000) {
        path += "/a";
    }
    CHECK(matches(depths + "a", path));
    CHECK_FALSE(matches(depths + "b", path));
    CHECK_FALSE(matches(std::string(8000, '*') + "b", name));
}
