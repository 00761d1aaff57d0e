// The list of publishers, read strictly. What GitHub and git answer is tested in tests/cli/test_authorize.py.
#include "cooper/delivery/authorize.hpp"

#include "cooper/base/error.hpp"

#include <catch2/catch.hpp>

#include <string>

using cooper::Error;
using cooper::ErrorCode;
using cooper::delivery::parse_publishers;
using cooper::delivery::Publisher;

namespace {

std::string refusal_of_list(const std::string& text) {
    try {
        parse_publishers(text, "list");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return error.what();
    }
    return "";
}

}  // namespace

TEST_CASE("publishers: ids and names, with comments", "[unit][delivery]") {
    const auto publishers = parse_publishers(
        "// who may\n{\"publishers\": [{\"id\": 1001, \"name\": \"Ann\"}, /* since May */ {\"id\": "
        "9223372036854775807}]}",
        "list");
    REQUIRE(publishers.size() == 2);
    CHECK(publishers[0].id == 1001);
    CHECK(publishers[0].name == "Ann");
    CHECK(publishers[1].id == 9223372036854775807U);
    CHECK(publishers[1].name.empty());
}

TEST_CASE("publishers: what is no id of one person is refused with its line", "[unit][delivery]") {
    CHECK_THAT(refusal_of_list("{\"publishers\": [\n{\"id\": \"1001\"}]}"),
               Catch::StartsWith("list:2: \"id\" must be"));
    CHECK_THAT(refusal_of_list("{\"publishers\": [{\"id\": 1001.0}]}"), Catch::Contains("fraction"));
    CHECK_THAT(refusal_of_list("{\"publishers\": [{\"id\": -1}]}"), Catch::Contains("greater than 0"));
    CHECK_THAT(refusal_of_list("{\"publishers\": [{\"id\": 0}]}"), Catch::Contains("greater than 0"));
    CHECK_THAT(refusal_of_list("{\"publishers\": [{\"id\": 18446744073709552617}]}"), Catch::StartsWith("list:1:"));
    CHECK_THAT(refusal_of_list("{\"publishers\": [{\"id\": true}]}"), Catch::Contains("not true or false"));
    CHECK_THAT(refusal_of_list("{\"publishers\": [{\"name\": \"Ann\"}]}"), Catch::Contains("no \"id\""));
    CHECK_THAT(refusal_of_list("{\"publishers\": [{\"id\": 1},\n{\"id\": 1}]}"),
               Catch::StartsWith("list:2: the id 1 stands in line 1"));
}

TEST_CASE("publishers: nobody is on a list that says anything else", "[unit][delivery]") {
    for (const char* text :
         {"", "[]", "{}", "null", "{\"publishers\": []}", "{\"publishers\": {\"id\": 1}}", "{\"publishers\": [1]}",
          "{\"publishers\": [{\"id\": 1, \"role\": \"x\"}]}", "{\"publishers\": [{\"id\": 1}], \"more\": 1}",
          "{\"publishers\": [{\"id\": 1}]} x", "{\"publishers\": [{\"id\": 1, \"id\": 2}]}",
          "{\"publishers\": [{\"id\": 1, \"name\": 2}]}"}) {
        INFO(text);
        CHECK_THAT(refusal_of_list(text), Catch::StartsWith("list:"));
    }
}

TEST_CASE("publishers: ten thousand are read, more are refused", "[unit][delivery]") {
    std::string text = "{\"publishers\": [";
    for (int id = 1; id <= 10'000; ++id) {
        text += "{\"id\":" + std::to_string(id) + "},";
    }
    CHECK(parse_publishers(text + "]}", "list").size() == 10'000);
    CHECK_THAT(refusal_of_list(text + "{\"id\": 20000}]}"), Catch::Contains("more than 10000 publishers"));
}
