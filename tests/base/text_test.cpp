#include "cooper/base/text.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace std::string_literals;

TEST_CASE("text: hex both ways", "[unit][base]") {
    REQUIRE(to_hex(as_bytes("\0\x7f\xff"s)) == "007fff");
    REQUIRE(from_hex("007FfF") == "\0\x7f\xff"s);
    REQUIRE(from_hex("") == "");
    REQUIRE_FALSE(from_hex("abc"));
    REQUIRE_FALSE(from_hex("0g"));
}

TEST_CASE("text: base64 gives the vectors of RFC 4648 section 10, both ways", "[unit][base]") {
    const std::pair<std::string, std::string> vectors[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [raw, encoded] : vectors) {
        REQUIRE(to_base64(as_bytes(raw)) == encoded);
        REQUIRE(from_base64(encoded) == raw);
        REQUIRE(from_base64(encoded.substr(0, encoded.find('='))) == raw);
    }
    REQUIRE(from_base64("-_-_") == from_base64("+/+/"));
}

TEST_CASE("text: damaged base64 is refused", "[unit][base]") {
    for (const char* text : {"Z", "Zg=", "Zg===", "Zg==Zg==", "Z=g=", "Zm9v=", "Zm 9v", "Zm9v\n", "=", "===="}) {
        INFO(text);
        REQUIRE_FALSE(from_base64(text));
    }
}

TEST_CASE("text: percent-encoding keeps the unreserved characters of RFC 3986 and what is asked for", "[unit][base]") {
    REQUIRE(percent_encode("AZaz09-._~") == "AZaz09-._~");
    REQUIRE(percent_encode("a b/ü+\0"s) == "a%20b%2F%C3%BC%2B%00");
    REQUIRE(percent_encode("a/b c", "/") == "a/b%20c");
}

TEST_CASE("text: percent-decoding leaves what is no escape", "[unit][base]") {
    REQUIRE(percent_decode("a%20b%2f%2F") == "a b//");
    REQUIRE(percent_decode("100%") == "100%");
    REQUIRE(percent_decode("%4") == "%4");
    REQUIRE(percent_decode("%zz%4") == "%zz%4");
    REQUIRE(percent_decode("a+b") == "a+b");
    REQUIRE(percent_decode("a+b%2B", true) == "a b+");
    REQUIRE(percent_decode("%2541") == "%41");
}

TEST_CASE("text: trimming, case, splitting, numbers", "[unit][base]") {
    REQUIRE(trim(" \t\r\n a b \n") == "a b");
    REQUIRE(trim(" \t").empty());
    REQUIRE(to_lower("ÄBC-Z[") == "Äbc-z[");
    REQUIRE(equals_ignoring_case("Content-TYPE", "content-type"));
    REQUIRE_FALSE(equals_ignoring_case("a", "ab"));
    REQUIRE_FALSE(equals_ignoring_case("@", "`"));
    REQUIRE(split("a,,b,", ',') == std::vector<std::string_view>{"a", "", "b", ""});
    REQUIRE(split("", ',') == std::vector<std::string_view>{""});
    REQUIRE(parse_uint("18446744073709551615") == UINT64_MAX);
    for (const char* text : {"", "18446744073709551616", "-1", "+1", " 1", "1 ", "0x1"}) {
        INFO(text);
        REQUIRE_FALSE(parse_uint(text));
    }
}

TEST_CASE("text: UTF-8 is well-formed or not", "[unit][base]") {
    REQUIRE(is_valid_utf8("plain \xc3\xbc \xe2\x82\xac \xf0\x9f\x9a\xa2 \xf4\x8f\xbf\xbf"));
    for (const char* text : {"\x80", "\xc3", "\xc0\xaf", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                             "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xe2\x28\xa1", "\xff"}) {
        INFO(to_hex(as_bytes(text)));
        REQUIRE_FALSE(is_valid_utf8(text));
    }
}

TEST_CASE("text: sizes read well and never round up to 1000", "[unit][base]") {
    REQUIRE(format_bytes(0) == "0 B");
    REQUIRE(format_bytes(999) == "999 B");
    REQUIRE(format_bytes(1000) == "1.0 kB");
    REQUIRE(format_bytes(1049) == "1.0 kB");
    REQUIRE(format_bytes(1050) == "1.1 kB");
    REQUIRE(format_bytes(999'949) == "999.9 kB");
    REQUIRE(format_bytes(999'950) == "1.0 MB");
    REQUIRE(format_bytes(1'234'567'890) == "1.2 GB");
    REQUIRE(format_bytes(UINT64_MAX) == "18.4 EB");
}
