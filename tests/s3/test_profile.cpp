#include "s3/profile.hpp"
#include "s3/providers.hpp"
#include "s3/scene.hpp"

#include <catch2/catch.hpp>

using namespace cooper;      // NOLINT(google-build-using-namespace)
using namespace cooper::s3;  // NOLINT(google-build-using-namespace)
using cooper::s3::testing::error_of;

TEST_CASE("profile: sections, comments, continuation, case and line ends", "[unit][s3]") {
    const IniFile file = parse_ini(
        "# a comment\r\n"
        "[default]\r\n"
        "Region = eu-west-1 # behind a value\r\n"
        "aws_secret_access_key = a#b;c=d\r\n"
        "region = eu-west-2\r\n"
        "s3 =\r\n"
        "  addressing_style = path\r\n"
        "  max_concurrent_requests=20\r\n"
        "\r\n"
        "[profile \"two words\"]\n"
        "; another\n"
        "output=json\n"
        "[profile\ttabbed]\n"
        "[profile plain] trailing\n"
        "empty =\n",
        "config");
    CHECK(file.at("default").at("region") == "eu-west-2");
    CHECK(file.at("default").at("aws_secret_access_key") == "a#b;c=d");
    CHECK(file.at("default").at("s3.addressing_style") == "path");
    CHECK(file.at("default").at("s3.max_concurrent_requests") == "20");
    CHECK(file.at("profile two words").at("output") == "json");
    CHECK(file.contains("profile tabbed"));
    CHECK(file.at("profile plain").at("empty").empty());
}

TEST_CASE("profile: what cannot be understood names file and line", "[unit][s3]") {
    CHECK(error_of([] { parse_ini("[default\n", "f"); }).find("f, line 1") != std::string::npos);
    CHECK(error_of([] { parse_ini("a = b\n", "f"); }).find("f, line 1") != std::string::npos);
    CHECK(error_of([] { parse_ini("[x]\n\nnonsense\n", "f"); }).find("f, line 3") != std::string::npos);
}

TEST_CASE("profile: a command is split by quotes, and by nothing else of a shell", "[unit][s3]") {
    CHECK(split_command("a b  c") == std::vector<std::string>{"a", "b", "c"});
    CHECK(split_command(R"(/opt/my\ tool "x y" 'a "b" $HOME' "")") ==
          std::vector<std::string>{"/opt/my tool", "x y", "a \"b\" $HOME", ""});
    CHECK(split_command(R"(echo "a \"q\" b" | cat)") == std::vector<std::string>{"echo", "a \"q\" b", "|", "cat"});
    CHECK(split_command("").empty());
    CHECK(error_of([] { (void)split_command("a 'b"); }).starts_with("invalid-input"));
}
