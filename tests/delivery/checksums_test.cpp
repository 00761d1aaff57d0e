#include "cooper/delivery/checksums.hpp"

#include "cooper/base/error.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::delivery;

namespace {

const std::string kA = std::string(sha256("a").hex());
const std::string kB = std::string(sha256("b").hex());

/// What parsing it throws; empty: nothing.
std::string refusal(const std::string& text) {
    try {
        static_cast<void>(Checksums::parse(text, "SHA256SUMS"));
        return "";
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return error.what();
    }
}

}  // namespace

TEST_CASE("checksums: written as sha256sum writes them, sorted by bytes", "[unit][delivery]") {
    Checksums checksums;
    checksums.add("b.tar", sha256("b"));
    checksums.add("a.tar", sha256("a"));
    checksums.add("B.tar", sha256("b"));
    CHECK(checksums.text() == kB + "  B.tar\n" + kA + "  a.tar\n" + kB + "  b.tar\n");
    CHECK(Checksums::parse(checksums.text(), "x") == checksums);
    REQUIRE(checksums.find("a.tar") != nullptr);
    CHECK(*checksums.find("a.tar") == sha256("a"));
    CHECK(checksums.find("c.tar") == nullptr);
}

TEST_CASE("checksums: binary mode, upper case and names with spaces are read", "[unit][delivery]") {
    std::string upper = kA;
    for (char& c : upper) {
        c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
    }
    const Checksums checksums =
        Checksums::parse(kA + " *a.tar\n" + upper + "  two words.tar\n" + kB + "  app:1.tar\n", "SHA256SUMS");
    CHECK(*checksums.find("a.tar") == sha256("a"));
    CHECK(*checksums.find("two words.tar") == sha256("a"));
    CHECK(*checksums.find("app:1.tar") == sha256("b"));
}

TEST_CASE("checksums: everything else is refused with its line", "[unit][delivery]") {
    CHECK_THAT(refusal(kA + "  a\r\n"), Catch::Contains("line 1") && Catch::Contains("carriage return"));
    CHECK_THAT(refusal(kA + "  a\n\\" + kB + "  b\\nc\n"), Catch::Contains("line 2") && Catch::Contains("escaped"));
    CHECK_THAT(refusal(kA + "  a"), Catch::Contains("was cut"));
    CHECK_THAT(refusal(kA + "  a\n" + kB + "  a\n"), Catch::Contains("line 2") && Catch::Contains("another SHA-256"));
    CHECK_THAT(refusal(""), Catch::Contains("empty"));
    for (const std::string& line :
         {kA + " a", kA + "a", kA + "  ", kA, std::string("x"), std::string(), kA.substr(1) + "  a",
          "g" + kA.substr(1) + "  a", kA + "   ../a", kA + "  ..", kA + "  .", kA + "  a/b", kA + "  a\tb",
          kA + "  a\\b", kA + "  \x1b[2J", kA + "  a\xff", kA + "  " + std::string(256, 'a'),
          kA + std::string("  a\0b", 5), kA + "\t a"}) {
        INFO(line);
        CHECK_THAT(refusal(line + "\n"), Catch::Contains("SHA256SUMS: line 1"));
    }
    CHECK(refusal(kA + "  a\n" + kA + "  a\n") == "");
    CHECK_THAT(refusal(std::string(kMaxChecksums + 1, '\n')), Catch::Contains("no list of checksums"));
}

TEST_CASE("checksums: more names than the limit are refused", "[unit][delivery]") {
    std::string text;
    for (std::size_t i = 0; i <= kMaxChecksumNames; ++i) {
        text += kA + "  f" + std::to_string(i) + "\n";
    }
    CHECK_THAT(refusal(text), Catch::Contains("one too many"));
}

TEST_CASE("checksums: names that some system cannot have are not written", "[unit][delivery]") {
    Checksums checksums;
    for (const std::string& name :
         {std::string("a:b"), std::string("a b"), std::string("-a"), std::string("a/b"), std::string(""),
          std::string("a\nb"), std::string("a'b"), std::string("\xc3\xa4")}) {
        CHECK_THROWS_AS(checksums.add(name, sha256("a")), Error);
    }
    CHECK(checksums.entries().empty());
}

TEST_CASE("checksums: merged lists agree or are refused", "[unit][delivery]") {
    Checksums one;
    one.add("a", sha256("a"));
    Checksums other = one;
    other.add("b", sha256("b"));
    one.merge(other);
    CHECK(one == other);
    Checksums contrary;
    contrary.add("a", sha256("b"));
    try {
        one.merge(contrary);
        FAIL("merged");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Conflict);
    }
}
