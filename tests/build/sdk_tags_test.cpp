// What the original answers is in vectors/git_tags_vectors.cpp; here is what it has no cases for.
#include "cooper/base/error.hpp"
#include "cooper/build/git_tags.hpp"

#include "build/tree/python_text.hpp"

#include <catch2/catch.hpp>

namespace cooper::build {

namespace {

using Catch::Matchers::Contains;
using Tags = std::vector<std::string>;

SdkTagOptions options_for(const std::string& ref) {
    SdkTagOptions options;
    options.base_image = "debian:12";
    options.custom_tags = "py";
    options.git_sha = "860c1904a1ce19322e91ac35af1ab07466440c37";
    options.git_ref = ref;
    return options;
}

}  // namespace

TEST_CASE("sdk tags: an unknown target is refused, with those there are", "[unit][build]") {
    SdkTagOptions options = options_for("main");
    options.target = "Binary";
    try {
        sdk_tags(options);
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        CHECK_THAT(error.what(), Contains("'Binary'"));
        CHECK_THAT(error.advice(), Contains("binary-minimal") && Contains("builder"));
    }
}

TEST_CASE("sdk tags: what no registry takes is refused, wherever it stands", "[unit][build]") {
    CHECK_NOTHROW(check_sdk_tags(sdk_tags(options_for("main"))));
    SdkTagOptions options = options_for("main");
    options.custom_tags = "a:b";  // not to be taken for IMAGE:TAG's colon
    CHECK_THROWS_WITH(check_sdk_tags(sdk_tags(options)), Contains("no registry accepts the tag '860c190-a:b'"));
    options = options_for("main");
    options.arch = "arm/v7";
    CHECK_THROWS_WITH(check_sdk_tags(sdk_tags(options)), Contains("'/'"));
    options = options_for("refs/heads/-x");
    CHECK_THROWS_WITH(check_sdk_tags(sdk_tags(options)), Contains("begins with '-'"));
    options = options_for("main");
    options.image = "ghcr.io/Acme/App";
    CHECK_THROWS_WITH(check_sdk_tags(sdk_tags(options)), Contains("ghcr.io/Acme/App"));
    options = options_for(std::string(115, 'x'));
    options.custom_tags = "";
    CHECK_THROWS_WITH(check_sdk_tags(sdk_tags(options)), Contains("cache tag"));
}

TEST_CASE("sdk tags: the same tag is there once, among thousands too", "[unit][build]") {
    SdkTagOptions options = options_for("unknown");
    options.custom_tags.clear();
    for (int i = 0; i < 20000; ++i) {
        options.custom_tags += "t" + std::to_string(i % 10000) + ",";
    }
    CHECK(sdk_tags(options).all_tags.size() == 2 * 10000 + 1);
}

TEST_CASE("sdk tags: digits and blanks of all scripts, as Python has them", "[unit][build]") {
    CHECK(sdk_release_aliases("\u3000v1.2.3\u00A0\x1F") == Tags{"v1", "v1.2", "v1.2.3"});
    CHECK(sdk_release_aliases("1\U0001D7FF.2.3") == Tags{"1\U0001D7FF", "1\U0001D7FF.2", "1\U0001D7FF.2.3"});
    CHECK(sdk_release_aliases("\u0661.2.3") == Tags{"2.3"});
    CHECK(sdk_release_aliases("\u2003") == Tags{});
    CHECK(python_is_decimal("0\u0669\uFF19\U0001E950"));
    CHECK_FALSE(python_is_decimal("\u00B2"));      // superscript two: \d does not match
    CHECK_FALSE(python_is_decimal("\u066A"));      // behind the Arabic digits
    CHECK_FALSE(python_is_decimal("\U0001D800"));  // behind the last mathematical digit
    CHECK_FALSE(python_is_decimal("1\xD9"));
    CHECK(python_strip("\xC2 x \x85") == "\xC2 x \x85");  // bytes that are no characters are no blanks
    CHECK(python_strip(" \t\v\f\r\n\u0085\u1680x\u2028\u205F ") == "x");
    CHECK(python_strip("\u200B").size() == 3);  // zero width space is none
}

}  // namespace cooper::build
