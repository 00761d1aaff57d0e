#include "base/json.hpp"

#include "cooper/base/error.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace cooper;
using namespace std::string_literals;

TEST_CASE("json: keeps order, numbers and characters as they came", "[unit][base]") {
    for (const std::string& text :
         {R"({"z":1,"a":[true,false,null],"m":{"k":"<>&"}})"s, R"("ü€🚢")"s, "18446744073709551615"s,
          "-9223372036854775808"s, "1.5"s, "[]"s, "{}"s, R"({"":0})"s, R"([[],{},[{}]])"s}) {
        REQUIRE(json::write(json::parse(text, "x")) == text);
    }
    REQUIRE(json::write(json::parse(" \n{ \"a\" : \"\\u00fc\\/\" }\t", "x")) == "{\"a\":\"ü/\"}");
}

TEST_CASE("json: what is not strictly JSON is refused and says where", "[unit][base]") {
    for (const std::string& text : {""s,
                                    " "s,
                                    "{"s,
                                    "[1,]"s,
                                    "{\"a\":1,}"s,
                                    "{} x"s,
                                    "{}{}"s,
                                    "[1] // c"s,
                                    "NaN"s,
                                    "01"s,
                                    "'a'"s,
                                    "\"\t\""s,
                                    "\"\\ud800\""s,
                                    "\"\xff\""s,
                                    "\"\xc0\xaf\""s,
                                    "{}\0"s,
                                    "\0"s,
                                    "{}\0{\"a\":1}"s,
                                    "\xef\xbb\xbf{}"s,
                                    "1e999"s,
                                    "tru"s,
                                    "{\"a\" 1}"s,
                                    "{1:2}"s}) {
        INFO(text);
        REQUIRE_THROWS_WITH(json::parse(text, "thing"),
                            Catch::StartsWith("thing is not valid JSON: syntax error at byte "));
    }
}

TEST_CASE("json: an error never quotes the document", "[unit][base]") {
    try {
        json::parse(R"({"token":"hunter2)", "token reply");
        FAIL("accepted");
    } catch (const Error& error) {
        REQUIRE(std::string(error.what()).find("hunter2") == std::string::npos);
        REQUIRE(error.code() == ErrorCode::InvalidInput);
    }
}

TEST_CASE("json: the same key twice is refused at any level, the same key in two objects is not", "[unit][base]") {
    REQUIRE_THROWS_WITH(json::parse(R"({"a":1,"b":{"c":1,"c":2}})", "m"),
                        "m is not valid JSON: an object has two members named 'c'");
    REQUIRE_THROWS_AS(json::parse(R"({"a":1,"\u0061":2})", "m"), Error);
    REQUIRE_NOTHROW(json::parse(R"([{"a":{"a":1}},{"a":2}])", "m"));
}

TEST_CASE("json: depth 64 is read, depth 65 is not", "[unit][base]") {
    REQUIRE_NOTHROW(json::parse(std::string(64, '[') + std::string(64, ']'), "m"));
    REQUIRE_THROWS_WITH(json::parse(std::string(65, '[') + std::string(65, ']'), "m"),
                        "m is not valid JSON: nested deeper than the limit of 64");
    REQUIRE_THROWS_AS(json::parse(std::string(1'000'000, '['), "m"), Error);
}

TEST_CASE("json: an object of very many keys takes no quadratic time", "[unit][base]") {
    std::string text = "{";
    for (int i = 0; i < 200'000; ++i) {
        text += (i == 0 ? "\"" : ",\"") + std::to_string(i) + "\":0";
    }
    REQUIRE(json::parse(text + "}", "m").size() == 200'000);
}

TEST_CASE("json: access names what is missing or of another type", "[unit][base]") {
    const json::Value document =
        json::parse(R"({"s":"x","n":7,"neg":-1,"f":1.5,"big":18446744073709551615,"null":null})", "m");
    REQUIRE(json::string_member(document, "s", "m") == "x");
    REQUIRE(json::uint_member(document, "n", "m") == 7);
    REQUIRE(json::uint_member(document, "big", "m") == UINT64_MAX);
    REQUIRE(json::uint_member(json::Value{{"n", 5}}, "n", "m") == 5);
    REQUIRE(json::find_int(document, "neg", "m") == -1);
    REQUIRE_FALSE(json::find_int(document, "null", "m"));
    REQUIRE_FALSE(json::find_string(document, "absent", "m"));
    REQUIRE(json::find_member(document, "absent") == nullptr);
    REQUIRE(json::find_member(json::Value::array(), "s") == nullptr);

    REQUIRE_THROWS_WITH(json::member(document, "absent", "manifest"), "manifest: absent is missing");
    REQUIRE_THROWS_WITH(json::string_member(document, "n", "manifest: layers[3]"),
                        "manifest: layers[3].n is not a string");
    REQUIRE_THROWS_WITH(json::member(json::Value::array(), "s", "manifest"), "manifest is not an object");
    REQUIRE_THROWS_AS(json::find_string(document, "n", "m"), Error);
    REQUIRE_THROWS_AS(json::uint_member(document, "neg", "m"), Error);
    REQUIRE_THROWS_AS(json::uint_member(document, "f", "m"), Error);
    REQUIRE_THROWS_AS(json::find_int(document, "big", "m"), Error);
    REQUIRE_THROWS_AS(json::find_int(document, "s", "m"), Error);
    REQUIRE_THROWS_AS(json::write(json::Value("\xff")), Error);
}
