#include "oci/registry/registry_challenge.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace cooper;
using oci::Challenge;
using oci::parse_challenges;

TEST_CASE("challenge: what registries send is read", "[unit][oci]") {
    CHECK(parse_challenges({R"(Basic realm="test")"}) == std::vector<Challenge>{{"basic", {{"realm", "test"}}}});
    CHECK(
        parse_challenges(
            {R"(Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push")"}) ==
        std::vector<Challenge>{{"bearer",
                                {{"realm", "https://auth.example/token"},
                                 {"service", "registry.example"},
                                 {"scope", "repository:a/b:pull,push"}}}});
    CHECK(parse_challenges(
              {R"(Bearer realm="r", scope="repository:a:pull,push repository:b:pull", error="insufficient_scope")"})
              .front()
              .parameter("scope") == "repository:a:pull,push repository:b:pull");
}

TEST_CASE("challenge: several in a field and several fields come in order", "[unit][oci]") {
    const auto found = parse_challenges(
        {R"(Negotiate, NTLM TlRMTVNTUAAB==, BASIC Realm="a, \"b\" \\", charset=UTF-8 , bearer REALM = "x" , service=y)",
         R"(,, Digest qop="auth, auth-int", nonce=abc)"});
    REQUIRE(found.size() == 5);
    CHECK(found[0] == Challenge{"negotiate", {}});
    CHECK(found[1] == Challenge{"ntlm", {}});
    CHECK(found[2] == Challenge{"basic", {{"realm", "a, \"b\" \\"}, {"charset", "UTF-8"}}});
    CHECK(found[3] == Challenge{"bearer", {{"realm", "x"}, {"service", "y"}}});
    CHECK(found[4] == Challenge{"digest", {{"qop", "auth, auth-int"}, {"nonce", "abc"}}});
}

TEST_CASE("challenge: the first of equal parameters counts, absent ones are empty", "[unit][oci]") {
    const auto found = parse_challenges({R"(Bearer realm="a",realm="b")"});
    REQUIRE(found.size() == 1);
    CHECK(found[0].parameter("realm") == "a");
    CHECK(found[0].parameter("service").empty());
}

TEST_CASE("challenge: after a syntax error the rest of the field is ignored", "[unit][oci]") {
    for (const char* text : {"", " , ", "\"", "=", "Bearer realm=\"open", "Bearer realm=\"x\\",
                             "Bearer realm=", "Bearer =x", "Bearer realm=\"a\" service=\"b\"", "Basic@x", "\x01\x02"}) {
        CAPTURE(text);
        const auto found = parse_challenges({text, "Basic realm=after"});
        REQUIRE_FALSE(found.empty());
        CHECK(found.back() == Challenge{"basic", {{"realm", "after"}}});
        CHECK(found.size() <= 2);
    }
}

TEST_CASE("challenge: counts are bounded", "[unit][oci]") {
    std::string many;
    std::string wide = "Bearer a0=1";
    for (int i = 1; i < 1000; ++i) {
        many += "Basic realm=x,";
        wide += ",a" + std::to_string(i) + "=1";
    }
    CHECK(parse_challenges({many}).size() == oci::kMaxChallenges);
    CHECK(parse_challenges({wide}).front().parameters.size() == oci::kMaxChallengeParameters);
}
