#include "cooper/base/secret.hpp"

#include <catch2/catch.hpp>

#include <new>
#include <string_view>

using namespace cooper;

TEST_CASE("secret: leaves nothing behind in its own memory", "[unit][base]") {
    // Short enough to live inside the string object, where a move would leave it.
    alignas(Secret) unsigned char memory[sizeof(Secret)] = {};
    auto* secret = new (memory) Secret("hunter2-hunter2");
    const Secret moved(std::move(*secret));
    secret->~Secret();
    REQUIRE(moved.reveal() == "hunter2-hunter2");
    const std::string_view left(reinterpret_cast<const char*>(memory), sizeof memory);
    REQUIRE(left.find("unter") == std::string_view::npos);
}

TEST_CASE("secret: copies, assigns and compares as a value", "[unit][base]") {
    Secret a("one");
    const Secret b = a;
    a = Secret("two");
    REQUIRE(b.reveal() == "one");
    REQUIRE(a.reveal() == "two");
    REQUIRE_FALSE(a == b);
    a = b;
    REQUIRE(a == b);
    REQUIRE(Secret().empty());
}

TEST_CASE("redact: each form of secret goes, what is around it stays", "[unit][base]") {
    const std::pair<const char*, const char*> cases[] = {
        {"GET https://user:pass@host/p failed", "GET https://***@host/p failed"},
        {"https://user:p@ss@host:8443", "https://***@host:8443"},
        {"https://ghp_only@host/", "https://***@host/"},
        {"proxy http://u:p@h", "proxy http://***@h"},
        {"https://host/a@b", "https://host/a@b"},
        {"https://b.s3/k?X-Amz-Credential=AKIA%2F20&X-Amz-Date=1&X-Amz-Signature=0af3",
         "https://b.s3/k?X-Amz-Credential=***&X-Amz-Date=1&X-Amz-Signature=***"},
        {"/k?x-amz-security-token=abc#x", "/k?x-amz-security-token=***"},
        {"?access_token=abc&scope=x", "?access_token=***&scope=x"},
        {"https://acc.blob/x?sv=1&sig=a%2Bb", "https://acc.blob/x?sv=1&sig=***"},
        {"?Signature=a/b&Key-Pair-Id=K", "?Signature=***&Key-Pair-Id=K"},
        {"?design=blue&tokens=3", "?design=blue&tokens=3"},
        {"Authorization: Bearer abc def\r\nHost: h", "Authorization: ***\r\nHost: h"},
        {"proxy-authorization:Basic dTpw", "proxy-authorization:***"},
        {"X-Amz-Security-Token: abc\nnext", "X-Amz-Security-Token: ***\nnext"},
        {R"({"token":"abc","expires_in":60})", R"({"token":"***","expires_in":60})"},
        {R"({"refresh_token" : "abc"})", R"({"refresh_token" : "***"})"},
        {R"(password="a b" rest)", R"(password="***" rest)"},
        {"client_secret=abc", "client_secret=***"},
        {"AWS_SECRET_ACCESS_KEY=abc/def next", "AWS_SECRET_ACCESS_KEY=*** next"},
        {"sent Bearer eyJhbGciOiJSUzI1NiJ9.x.y", "sent Bearer ***"},
        {"needs a Bearer token here", "needs a Bearer token here"},
        {"with ghp_0123456789abcdefABCDEF0123456789abcd!", "with ***!"},
        {"github_pat_11AAAAAAA0123456789", "***"},
        {"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
         "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----"},
        {"-----BEGIN CERTIFICATE-----\nMIIE", "-----BEGIN CERTIFICATE-----\nMIIE"},
        {"cannot get a token: connection refused", "cannot get a token: connection refused"},
        {"", ""},
    };
    for (const auto& [text, expected] : cases) {
        REQUIRE(redact(text) == expected);
        REQUIRE(redact(redact(text)) == expected);
    }
}
