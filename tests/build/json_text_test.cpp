#include "build/edit/json_text.hpp"

#include "build/tree_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;

TEST_CASE("JSON text: what is not edited keeps every byte", "[unit][build]") {
    for (const auto* text : {"{}", " { } \n", R"({"a":1.10,"b":[1e5,18446744073709551616,-0],"c":"\u2028<&>\/"})",
                             "{\"a\" :\t{ } ,\n\"b\":null }\n"}) {
        CHECK(ObjectText(text).text() == text);
    }
    for (const auto* text : {"[]", " [ ] ", R"([1, "],[" , {"a":[]}, [[]]])", "[\n  true\n]\n"}) {
        CHECK(ArrayText(text).text() == text);
    }
}

TEST_CASE("JSON text: members are replaced in place and added at the end", "[unit][build]") {
    ObjectText object("{\n  \"a\" : 1.10,\n  \"\\u0062\": [ \"x\" ]\n}\n");
    REQUIRE(object.find("a") != nullptr);
    CHECK(*object.find("a") == "1.10");
    CHECK(*object.find("b") == "[ \"x\" ]");
    CHECK(object.find("c") == nullptr);
    object.set("b", "2");
    object.set("c", "3");
    CHECK(object.text() == "{\n  \"a\" : 1.10,\n  \"\\u0062\": 2,\"c\":3\n}\n");

    ObjectText empty("{ }");
    empty.set("k", "1");
    empty.set("l", "2");
    CHECK(empty.text() == R"({"k":1,"l":2 })");
    ObjectText null("null");
    null.set("k", "1");
    CHECK(null.text() == R"({"k":1})");
}

TEST_CASE("JSON text: elements are replaced in place and added at the end", "[unit][build]") {
    ArrayText array("[ \"a\\\"]\" , {\"b\":[1]} ]");
    REQUIRE(array.size() == 2);
    CHECK(array.at(0) == "\"a\\\"]\"");
    CHECK(array.at(1) == R"({"b":[1]})");
    array.set(0, "0");
    array.add("2");
    CHECK(array.text() == R"([ 0 , {"b":[1]},2 ])");
    ArrayText null("null");
    null.add("1");
    CHECK(null.text() == "[1]");
}

TEST_CASE("JSON text: strings are written plain and must be UTF-8", "[unit][build]") {
    CHECK(quoted_json("a\"\\\n<&>\xc3\xa9\xe2\x80\xa8") == "\"a\\\"\\\\\\n<&>\xc3\xa9\xe2\x80\xa8\"");
    CHECK(unquoted_json(R"("\u00e9\n")") == "\xc3\xa9\n");
    CHECK(json_array({}) == "[]");
    CHECK(json_array({"a", "b\""}) == R"(["a","b\""])");
    CHECK(code_of([] { quoted_json("\xff"); }) == ErrorCode::InvalidInput);
    CHECK(code_of([] { quoted_json("a\0b"s); }) == ErrorCode::InvalidInput);
    CHECK(code_of([] { unquoted_json("1"); }) == ErrorCode::InvalidInput);
}

TEST_CASE("JSON text: what is no such value is an error, however it is cut", "[unit][build]") {
    for (const auto* text : {"", "[", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":}", "{\"a\" 1}",
                             "{\"a\\", "1", "{\"a\":[}"}) {
        CAPTURE(text);
        CHECK(code_of([&] { ObjectText{text}; }) == ErrorCode::InvalidInput);
    }
    for (const auto* text : {"", "[1", "[1,", "[,]", "[1 2]", "{}"}) {
        CAPTURE(text);
        CHECK(code_of([&] { ArrayText{text}; }) == ErrorCode::InvalidInput);
    }
}
