#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"

#include <catch2/catch.hpp>

using cooper::Error;
using cooper::ErrorCode;
using cooper::Url;

TEST_CASE("url: parts come apart and together again as written", "[unit][base]") {
    const Url url = Url::parse("https://Example.COM:8443/a/../b%2Fc//d?x=%7E&y");
    REQUIRE(url.scheme == "https");
    REQUIRE(url.host == "example.com");
    REQUIRE(url.port == 8443);
    REQUIRE(url.path == "/a/../b%2Fc//d");
    REQUIRE(url.query == "x=%7E&y");
    REQUIRE(url.text() == "https://example.com:8443/a/../b%2Fc//d?x=%7E&y");
    REQUIRE(Url::parse(url.text()) == url);
}

TEST_CASE("url: a bare host has the path / and the scheme's port", "[unit][base]") {
    const Url url = Url::parse("HTTP://localhost");
    REQUIRE(url.path == "/");
    REQUIRE(url.port == std::nullopt);
    REQUIRE(url.effective_port() == 80);
    REQUIRE(url.text() == "http://localhost/");
    REQUIRE(Url::parse("https://h?q=1").text() == "https://h/?q=1");
    REQUIRE(Url::parse("https://h:").port == std::nullopt);
}

TEST_CASE("url: the default port is left out of the Host header, IPv6 keeps its brackets", "[unit][base]") {
    REQUIRE(Url::parse("https://h:443/").authority() == "h");
    REQUIRE(Url::parse("https://h:80/").authority() == "h:80");
    REQUIRE(Url::parse("http://[::1]:5000/v2/").authority() == "[::1]:5000");
    REQUIRE(Url::parse("http://[FE80::1]/").host == "fe80::1");
}

TEST_CASE("url: what cannot be sent is refused", "[unit][base]") {
    const auto* const text =
        GENERATE("", "h/p", "ftp://h/", "file:///etc/passwd", "http://", "http:///p", "http://h:0/", "http://h:65536/",
                 "http://h:8x/", "http://user@h/", "http://u:p@h/", "http://h/#f", "http://h/a b", "http://h/a\nb",
                 "http://h/a\\b", "http://[::1/", "http://[zz]/", "http://[::1]x/", "http://[fe80::1%25eth0]/",
                 "http://h\xc3\xa4/", "http://a,b/", "http://h%41/", "http://h/\x7f");
    CAPTURE(text);
    try {
        Url::parse(text);
        FAIL("was accepted");
    } catch (const Error& error) {
        REQUIRE(error.code() == ErrorCode::InvalidInput);
    }
}

TEST_CASE("url: a refusal shows neither password nor query", "[unit][base]") {
    const auto* const text = GENERATE("http://me:hunter2@h/p", "http://h/p q?X-Amz-Signature=hunter2",
                                      "ftp://h/?hunter2", "http://h:hunter2@h:99999/", "http://h/a#hunter2");
    try {
        Url::parse(text);
        FAIL("was accepted");
    } catch (const Error& error) {
        REQUIRE(std::string(error.what()).find("hunter2") == std::string::npos);
    }
}

TEST_CASE("url: a very long one is refused by its length", "[unit][base]") {
    REQUIRE_THROWS_WITH(Url::parse("http://h/" + std::string(70'000, 'a')), Catch::Contains("longer than 65536"));
}

TEST_CASE("url: redacted() hides the query", "[unit][base]") {
    REQUIRE(Url::parse("https://h/p?sig=1").redacted() == "https://h/p?\xe2\x80\xa6");
    REQUIRE(Url::parse("https://h/p").redacted() == "https://h/p");
}

TEST_CASE("url: references resolve as RFC 3986 5.2 says, dot segments kept", "[unit][base]") {
    const Url base = Url::parse("https://h:8443/v2/app/blobs/uploads/?page=1");
    const auto [reference, expected] = GENERATE(table<std::string, std::string>({
        {"http://other/x", "http://other/x"},
        {"//other:1/x", "https://other:1/x"},
        {"/v2/next?n=2", "https://h:8443/v2/next?n=2"},
        {"abc", "https://h:8443/v2/app/blobs/uploads/abc"},
        {"../x", "https://h:8443/v2/app/blobs/uploads/../x"},
        {"?n=3", "https://h:8443/v2/app/blobs/uploads/?n=3"},
        {"", "https://h:8443/v2/app/blobs/uploads/?page=1"},
        {"/x#fragment", "https://h:8443/x"},
        {"a/b:c", "https://h:8443/v2/app/blobs/uploads/a/b:c"},
        {"/a?b=c:d", "https://h:8443/a?b=c:d"},
    }));
    CAPTURE(reference);
    REQUIRE(base.resolve(reference).text() == expected);
}

TEST_CASE("url: a reference to another scheme is refused", "[unit][base]") {
    REQUIRE_THROWS_AS(Url::parse("https://h/").resolve("file:///etc/passwd"), Error);
    REQUIRE_THROWS_AS(Url::parse("https://h/").resolve("javascript:x"), Error);
}

TEST_CASE("url: origins are scheme, host and effective port", "[unit][base]") {
    const Url url = Url::parse("https://h/a");
    REQUIRE(url.same_origin(Url::parse("https://H:443/b")));
    REQUIRE_FALSE(url.same_origin(Url::parse("http://h:443/")));
    REQUIRE_FALSE(url.same_origin(Url::parse("https://h:444/")));
    REQUIRE_FALSE(url.same_origin(Url::parse("https://h.example/")));
}

TEST_CASE("url: loopback is known by name and address", "[unit][base]") {
    const auto [host, loopback] = GENERATE(table<std::string, bool>({
        {"localhost", true},
        {"s3.localhost", true},
        {"127.0.0.1", true},
        {"127.9.9.9", true},
        {"[::1]", true},
        {"localhost.example.com", false},
        {"notlocalhost", false},
        {"127.0.0.1.example.com", false},
        {"128.0.0.1", false},
        {"[::2]", false},
    }));
    CAPTURE(host);
    REQUIRE(Url::parse("http://" + host + ":1/").is_loopback() == loopback);
}
