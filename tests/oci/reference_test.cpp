#include "cooper/oci/reference.hpp"

#include "cooper/base/error.hpp"

#include <catch2/catch.hpp>

#include <random>
#include <regex>
#include <string>
#include <vector>

using namespace cooper;
using oci::Reference;

namespace {

const std::string kHex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const std::string kDigest = "sha256:" + kHex;

bool parses(const std::string& text) {
    try {
        Reference::parse(text);
        return true;
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return false;
    }
}

/// Docker's rules by regular expressions, as slowly and obviously as they can be written.
std::string slow_parse(const std::string& text) {
    static const std::string kComponent = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*";
    static const std::string kLabel = "([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    static const std::regex kIdentifier("[a-f0-9]{64}");
    static const std::regex kWhole("((" + kLabel + "(\\." + kLabel +
                                   ")*|\\[[a-fA-F0-9:]+\\])(:[0-9]+)?)/" +         // 1: domain
                                   "(" + kComponent + "(/" + kComponent + ")*)" +  // path
                                   "(:([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?" +     // tag
                                   "(@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?");
    if (std::regex_match(text, kIdentifier)) {
        return "";
    }
    std::string full = text;
    const auto slash = text.find('/');
    const std::string first = text.substr(0, slash);
    const bool domain =
        slash != std::string::npos && (first == "localhost" || std::regex_search(first, std::regex("[.:A-Z]")));
    if (!domain) {
        full = "docker.io/" + text;
    } else if (first == "index.docker.io") {
        full = "docker.io" + text.substr(slash);
    }
    if (full.starts_with("docker.io/") && full.find('/', 10) == std::string::npos) {
        full = "docker.io/library/" + full.substr(10);
    }
    std::smatch match;
    if (!std::regex_match(full, match, kWhole) || match[7].length() > 255) {
        return "";
    }
    return match[1].str() + "|" + match[7].str() + "|" + match[14].str() + "|" + match[16].str();
}

std::string fast_parse(const std::string& text) {
    try {
        const Reference reference = Reference::parse(text);
        return reference.domain() + "|" + reference.path() + "|" + reference.tag().value_or("") + "|" +
               (reference.digest() ? reference.digest()->text() : "");
    } catch (const Error&) {
        return "";
    }
}

}  // namespace

TEST_CASE("reference: names are made whole as Docker does it", "[unit][oci]") {
    struct Case {
        std::string text, domain, path, familiar;
    };
    const std::vector<Case> cases = {
        {"debian", "docker.io", "library/debian", "debian"},
        {"debian:12", "docker.io", "library/debian", "debian:12"},
        {"docker.io/debian", "docker.io", "library/debian", "debian"},
        {"docker.io/library/debian", "docker.io", "library/debian", "debian"},
        {"index.docker.io/debian", "docker.io", "library/debian", "debian"},
        {"library/debian", "docker.io", "library/debian", "debian"},
        {"acme/app", "docker.io", "acme/app", "acme/app"},
        {"docker.io/acme/app", "docker.io", "acme/app", "acme/app"},
        {"docker.io/library/a/b", "docker.io", "library/a/b", "library/a/b"},
        {"ghcr.io/acme/app:1.2", "ghcr.io", "acme/app", "ghcr.io/acme/app:1.2"},
        {"localhost/app", "localhost", "app", "localhost/app"},
        {"localhost:5000/app", "localhost:5000", "app", "localhost:5000/app"},
        {"localhost:5000", "docker.io", "library/localhost", "localhost:5000"},
        {"127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b", "127.0.0.1:5000/a/b"},
        {"[::1]:5000/app", "[::1]:5000", "app", "[::1]:5000/app"},
        {"[fe80::1]/app", "[fe80::1]", "app", "[fe80::1]/app"},
        {"Uppercase/app", "Uppercase", "app", "Uppercase/app"},
        {"registry.example:443/a/b/c", "registry.example:443", "a/b/c", "registry.example:443/a/b/c"},
        {"foo_bar:8080", "docker.io", "library/foo_bar", "foo_bar:8080"},
        {"foo_bar.com:8080", "docker.io", "library/foo_bar.com", "foo_bar.com:8080"},
        {"a-b--c__d/e.f", "docker.io", "a-b--c__d/e.f", "a-b--c__d/e.f"},
        {"docker.io/localhost/app", "docker.io", "localhost/app", "docker.io/localhost/app"},
        {"docker.io/" + kHex, "docker.io", "library/" + kHex, "docker.io/library/" + kHex},
        {"xn--n3h.com/app", "xn--n3h.com", "app", "xn--n3h.com/app"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.text);
        const Reference reference = Reference::parse(c.text);
        CHECK(reference.domain() == c.domain);
        CHECK(reference.path() == c.path);
        CHECK(reference.familiar() == c.familiar);
        CHECK(Reference::parse(reference.familiar()) == reference);
        CHECK(Reference::parse(reference.text()) == reference);
    }
}

TEST_CASE("reference: tag and digest stay as given", "[unit][oci]") {
    const Reference bare = Reference::parse("ghcr.io/acme/app");
    CHECK_FALSE(bare.tag());
    CHECK(bare.effective_tag() == "latest");
    CHECK(bare.text() == "ghcr.io/acme/app");

    const Reference both = Reference::parse("ghcr.io/acme/app:1@" + kDigest);
    CHECK(both.tag() == "1");
    CHECK(both.digest()->text() == kDigest);
    CHECK(both.text() == "ghcr.io/acme/app:1@" + kDigest);
    CHECK(both.base_name() == "app");
    CHECK(both.with_tag("2").text() == "ghcr.io/acme/app:2");
    CHECK(bare.with_digest(*both.digest()).effective_tag() == std::nullopt);
    CHECK(both.with_digest(*both.digest()).tag() == "1");
    CHECK_THROWS_AS(bare.with_tag("-x"), Error);

    CHECK(Reference::parse("debian@" + kDigest).path() == "library/debian");
    CHECK(Reference::parse("debian").api_host() == "registry-1.docker.io");
    CHECK(bare.api_host() == "ghcr.io");
}

TEST_CASE("reference: what Docker refuses is refused", "[unit][oci]") {
    const std::vector<std::string> refused = {
        "",
        " ",
        "debian ",
        " debian",
        ":tag",
        "@" + kDigest,
        kHex,
        "/debian",
        "debian/",
        "a//b",
        "https://ghcr.io/a/b",
        "Debian",
        "ghcr.io/Acme/app",
        "acme/App",
        "debian:",
        "debian:-x",
        "debian:.x",
        "debian:a b",
        "debian@sha256:abc",
        "debian@" + kHex,
        "debian@md5:" + kHex,
        "debian@SHA256:" + kHex,
        "debian:1@",
        "debian@" + kDigest + ":1",
        "-debian",
        "debian-",
        "a..b",
        "a___b",
        "a._b",
        "a-_b",
        "_a",
        "a_",
        "ghcr.io:/a",
        "ghcr.io:x/a",
        "-ghcr.io/a",
        "ghcr-.io/a",
        "ghcr..io/a",
        ".ghcr.io/a",
        "[::1/a",
        "[]/a",
        "[::g]/a",
        "[::1]x/a",
        "[::1]:/a",
        "foo_bar.com/a",
        "foo_bar.com:80/a",
        "a:1:2",
        "debian\n",
        "debian:1\n",
        std::string("debian\0", 7),
        "débian",
        "a/b:c/d",
        "debian@sha256:" + kHex.substr(1) + "G",
        "docker.io/",
        "localhost/",
        "a.b/c:d/e",
    };
    for (const std::string& text : refused) {
        CAPTURE(text);
        CHECK_FALSE(parses(text));
    }
}

TEST_CASE("reference: lengths are bounded where Docker bounds them", "[unit][oci]") {
    CHECK(parses("ghcr.io/" + std::string(255, 'a')));
    CHECK_FALSE(parses("ghcr.io/" + std::string(256, 'a')));
    CHECK(parses(std::string(247, 'a')));  // "library/" counts
    CHECK_FALSE(parses(std::string(248, 'a')));
    CHECK(parses("debian:" + std::string(128, 'a')));
    CHECK_FALSE(parses("debian:" + std::string(129, 'a')));
    CHECK(parses("debian@sha512:" + kHex + kHex));
}

TEST_CASE("reference: messages say what is wrong, and are fit for a terminal", "[unit][oci]") {
    CHECK_THROWS_WITH(Reference::parse("acme/App"), Catch::Contains("must be lowercase"));
    CHECK_THROWS_WITH(Reference::parse(kHex), Catch::Contains("image ID"));
    CHECK_THROWS_WITH(Reference::parse("docker://debian"), Catch::Contains("leave out"));
    CHECK_THROWS_WITH(Reference::parse("a\x1b[31mb"), !Catch::Contains("\x1b"));
    CHECK_THROWS_WITH(Reference::parse(std::string(100'000, '-')), Catch::Contains("…"));
}

TEST_CASE("reference: agrees with regular expressions on random text", "[unit][oci]") {
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    std::minstd_rand random(seed);
    const std::vector<std::string> pieces = {
        "a",       "B",       "0",    "-",      "--",    "_",       "__",  "___",       ".",         "..",
        ":",       "/",       "//",   "@",      "[",     "]",       "::1", "localhost", "docker.io", "index.docker.io",
        "library", "ghcr.io", "5000", "latest", kDigest, "sha256:", kHex,  " ",         "app",       "x.y",
        "ö",       "foo_bar"};
    int valid = 0;
    for (int round = 0; round < 30'000; ++round) {
        std::string text;
        const auto count = 1 + random() % 8;
        for (unsigned i = 0; i < count; ++i) {
            text += pieces[random() % pieces.size()];
        }
        const std::string expected = slow_parse(text);
        valid += expected.empty() ? 0 : 1;
        if (fast_parse(text) != expected) {
            CAPTURE(text);
            CHECK(fast_parse(text) == expected);
        }
    }
    CHECK(valid > 500);
}
