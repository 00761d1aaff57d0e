#include "build/tags/semver.hpp"

#include <catch2/catch.hpp>

#include <vector>

namespace cooper::build {

TEST_CASE("semver: what is a version, and what is not", "[unit][build]") {
    for (const auto* const text :
         {"1.2.3", "v1.2.3", "0.0.0", "1.2.3-rc1", "1.2.3-rc.1", "1.2.3-0", "1.2.3--", "1.2.3-a-b", "1.2.3+build.5",
          "1.2.3+01", "1.2.3-rc1+b-c", "1.0.4-cli", "1.2.9007199254740991"}) {
        INFO(text);
        CHECK(find_semver(text).has_value());
    }
    for (const auto* const text : {"",
                                   "v",
                                   "1",
                                   "1.2",
                                   "1.2.3.4",
                                   "01.2.3",
                                   "1.02.3",
                                   "1.2.03",
                                   "V1.2.3",
                                   "vv1.2.3",
                                   "v=1.2.3",
                                   " 1.2.3",
                                   "1.2.3-",
                                   "1.2.3+",
                                   "1.2.3-01",
                                   "1.2.3-a..b",
                                   "1.2.3-a_b",
                                   "1.2.3+a+b",
                                   "1.2.-3",
                                   "1..3",
                                   "1.2.3-\xC3\xA9",
                                   "1.2.9007199254740992",
                                   "cloud-1.2.3"}) {
        INFO(text);
        CHECK_FALSE(find_semver(text).has_value());
    }
    CHECK(find_semver("1.2.3-" + std::string(250, 'a')).has_value());
    CHECK_FALSE(find_semver("1.2.3-" + std::string(251, 'a')).has_value());
}

TEST_CASE("semver: the text has no v and no build metadata", "[unit][build]") {
    CHECK(find_semver("v1.2.3-rc.1+b")->text() == "1.2.3-rc.1");
    CHECK(find_semver("v1.2.3+b-1")->text() == "1.2.3");
    CHECK(find_semver("v1.2.3+b-1")->build == "b-1");
}

TEST_CASE("semver: three plain numbers of any length count as a version too", "[unit][build]") {
    CHECK(find_version("01.002.0003")->text() == "1.2.3");
    CHECK(find_version("v00.0.0")->text() == "0.0.0");
    CHECK(find_version("99999999999999999999.0.0")->text() == "99999999999999999999.0.0");
    CHECK_FALSE(find_version("01.2.3-rc1").has_value());
    CHECK_FALSE(find_version("nightly").has_value());
    CHECK(find_plain_version("01.2.3")->major == "01");
    CHECK_FALSE(find_plain_version("v1.2.3").has_value());
    CHECK_FALSE(find_plain_version("1.2.3\n").has_value());
}

TEST_CASE("semver: precedence as section 11 of the specification orders its own examples", "[unit][build]") {
    const std::vector<const char*> rising = {"0.9.99",
                                             "1.0.0-0",
                                             "1.0.0-9",
                                             "1.0.0-10",
                                             "1.0.0-alpha",
                                             "1.0.0-alpha.1",
                                             "1.0.0-alpha.beta",
                                             "1.0.0-beta",
                                             "1.0.0-beta.2",
                                             "1.0.0-beta.11",
                                             "1.0.0-rc.1",
                                             "1.0.0",
                                             "1.0.1",
                                             "1.9.0",
                                             "1.10.0",
                                             "2.0.0",
                                             "10.0.0",
                                             "99999999999999999999.0.0"};
    for (std::size_t i = 0; i < rising.size(); ++i) {
        for (std::size_t j = 0; j < rising.size(); ++j) {
            INFO(rising[i] << " and " << rising[j]);
            const bool ordered = compare_precedence(*find_version(rising[i]), *find_version(rising[j])) == (i <=> j);
            CHECK(ordered);
        }
    }
    CHECK(std::is_eq(compare_precedence(*find_version("1.2.3+a"), *find_version("v1.2.3+b"))));
    CHECK(std::is_eq(compare_precedence(*find_version("01.2.3"), *find_version("1.2.3"))));
}

}  // namespace cooper::build
