// The language of project files, the file that `cooper init` writes, and the schema.
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/project.hpp"

#include "base/json.hpp"
#include "build/project/commented_json.hpp"
#include "build/project/setting_keys.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <filesystem>

namespace cooper::build {

namespace {

using std::string_literals::operator""s;

std::string rejection(const std::string& text) {
    try {
        parse_commented_json(text, "f");
        return "";
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return error.what();
    }
}

/// The value written again, as JSON without blanks: `line:` in front of each that is not in the first line.
std::string written(const CommentedValue& value) {
    const std::string line = value.line == 1 ? "" : std::to_string(value.line) + ":";
    if (const auto* const list = std::get_if<CommentedList>(&value.data)) {
        std::string all;
        for (const CommentedValue& element : *list) {
            all += (all.empty() ? "" : ",") + written(element);
        }
        return line + "[" + all + "]";
    }
    if (const auto* const object = std::get_if<CommentedObject>(&value.data)) {
        std::string all;
        for (const CommentedMember& member : *object) {
            all += (all.empty() ? "" : ",") + member.key + "=" + written(member.value);
        }
        return line + "{" + all + "}";
    }
    if (const auto* const text = std::get_if<std::string>(&value.data)) {
        return line + "'" + *text + "'";
    }
    if (const auto* const number = std::get_if<std::int64_t>(&value.data)) {
        return line + std::to_string(*number);
    }
    if (const auto* const real = std::get_if<double>(&value.data)) {
        return line + std::to_string(*real);
    }
    if (const auto* const flag = std::get_if<bool>(&value.data)) {
        return line + (*flag ? "yes" : "no");
    }
    return line + "null";
}

std::string read(const std::string& text) {
    return written(parse_commented_json(text, "f"));
}

std::filesystem::path schema_file() {
    return std::filesystem::path(COOPER_GOLDEN) / ".." / ".." / "lib" / "build" / "project" / "cooper.schema.json";
}

}  // namespace

TEST_CASE("commented json: comments and trailing commas are blanks", "[unit][build]") {
    CHECK(read("{}") == "{}");
    CHECK(read("\xef\xbb\xbf[1]") == "[1]");
    CHECK(read("// a\n[ // b\n1, /* c */ 2 /* , 3 */,]// d") == "2:[3:1,3:2]");
    CHECK(read("/* a\nb\n*/ {\"k\": 1,\n}") == "3:{k=3:1}");
    CHECK(read("[1,\r\n2]") == "[1,2:2]");
    CHECK(read("[/**/1/***/,/*/*/]") == "[1]");
    CHECK(read(R"(["//", "/* no */", "a // b", "*/"])") == "['//','/* no */','a // b','*/']");
    CHECK(read(R"({"// key": "\"//\"", "/*": "*/",})") == R"({// key='"//"',/*='*/'})");
    CHECK(rejection("[1] /* a") == "f:1: the comment that begins here has no end");
    CHECK(rejection("[1\n/*/ a") == "f:2: the comment that begins here has no end");
    CHECK(rejection("[1] / a") == "f:1: expected the end of the file, found '/'");
    CHECK(rejection("[,]") == "f:1: expected a value, found ','");
    CHECK(rejection("[1,,]") == "f:1: expected a value, found ','");
    CHECK(rejection("{,}") == "f:1: expected a key in double quotes or '}', found ','");
    CHECK(rejection("// nothing") == "f:1: expected a value, found the end of the file");
    CHECK(rejection("# a\n1") == "f:1: expected a value, found '#'");
}

TEST_CASE("commented json: values are those of JSON", "[unit][build]") {
    CHECK(read("[null, true, false, 0, -0, -12, 9223372036854775807, -9223372036854775808]") ==
          "[null,yes,no,0,0,-12,9223372036854775807,-9223372036854775808]");
    CHECK(read("[1.5, -0.25, 1e2, 1E+2, 25e-1]") == "[1.500000,-0.250000,100.000000,100.000000,2.500000]");
    CHECK(read(R"(["\"\\\/\b\f\n\r\t", "\u0041\u00e9\u20ac", "\ud83d\ude00", "é€😀"])") ==
          "['\"\\/\b\f\n\r\t','Aé€','😀','é€😀']");
    for (const auto* number : {"01", "-", "+1", ".5", "1.", "1e", "1e+", "--1", "1-", "0x1"}) {
        INFO(number);
        CHECK_FALSE(rejection(number).empty());
    }
    CHECK(rejection("9223372036854775808") == "f:1: the number 9223372036854775808 does not fit 64 bits");
    CHECK(rejection("[\n1e999]") == "f:2: the number 1e999 is too large or too small");
    for (const auto* word : {"nul", "True", "NaN", "Infinity", "undefined", "else", "truefalse", "null2"}) {
        CHECK(rejection(word) == "f:1: expected a value, found '"s + word + "'");
    }
    CHECK(rejection("'a'") == "f:1: expected a value, found a single quote; texts stand in double quotes");
    CHECK(rejection("{a: 1}") == "f:1: expected a key in double quotes or '}', found 'a'");
}

TEST_CASE("commented json: mistakes name their line", "[unit][build]") {
    CHECK(rejection("{\n\"a\": 1\n\"b\": 2}") == "f:3: expected ',' or '}', found a text (for what begins in line 1)");
    CHECK(rejection("[\n1\n2]") == "f:3: expected ',' or ']', found '2' (for what begins in line 1)");
    CHECK(rejection("{\n\"a\" 1}") == "f:2: expected ':' behind \"a\", found '1'");
    CHECK(rejection("{\n\"a\": [\n\n") == "f:4: expected a value, found the end of the file");
    CHECK(rejection("{\n\"a\": {\n\n") ==
          "f:4: expected a key in double quotes or '}', found the end of the file (for what begins in line 2)");
    CHECK(rejection("{\n\"a\": \"b\n\"}") == "f:2: a text has no closing '\"' in its line");
    CHECK(rejection("\n\"a") == "f:2: a text has no closing '\"' in its line");
    CHECK(rejection("\"a\\") == "f:1: a text holds a backslash that no escape follows: write \\\\");
    CHECK(rejection(R"("a\x")") == "f:1: a text holds a backslash that no escape follows: write \\\\");
    CHECK(rejection("\"a\tb\"") == "f:1: a text holds a control character: write \\t or \\u00XX");
    CHECK(rejection(R"("\u12")") == "f:1: \\u is not followed by four hex digits");
    CHECK(rejection(R"("\u+123")") == "f:1: \\u is not followed by four hex digits");
    CHECK(rejection("\"\\u123") == "f:1: \\u is not followed by four hex digits");
    for (const auto* half : {R"("\u0000")", R"("\ud83d")", R"("\ude00")", R"("\ud83d\u0041")", R"("\ud83d\ud83d")"}) {
        CHECK(rejection(half) == "f:1: a text holds an escape that is no character (\\u0000, or half of a pair)");
    }
    CHECK(rejection("{}\n\n{}") == "f:3: expected the end of the file, found '{'");
    CHECK(rejection("{\"a\": 1,\n\"\\u0061\": 2}") == "f:2: \"a\" is there twice, also in line 1");
}

TEST_CASE("commented json: hostile input is bounded", "[unit][build]") {
    CHECK(rejection(std::string(100'000, '[')) == "f:1: nested deeper than 64 levels");
    CHECK(rejection(std::string(64, '[') + std::string(64, ']')).empty());
    CHECK(rejection(std::string(65, '[') + std::string(65, ']')) == "f:1: nested deeper than 64 levels");
    std::string objects;
    for (int i = 0; i < 65; ++i) {
        objects += "{\"a\":";
    }
    CHECK(rejection(objects) == "f:1: nested deeper than 64 levels");
    std::string many = "[";
    for (int i = 0; i < 200'000; ++i) {
        many += "0,";
    }
    CHECK(rejection(many + "]") == "f:1: more than 200000 values");
    CHECK(rejection("[1,\n\"a\0b\"]"s) == "f:2: the file is no text: a NUL, or bytes that are not UTF-8");
    CHECK(rejection("[1,\n\n\"a\xff\"]") == "f:3: the file is no text: a NUL, or bytes that are not UTF-8");
    CHECK(rejection("\0"s) == "f:1: the file is no text: a NUL, or bytes that are not UTF-8");
    CHECK(rejection("\xff\xfe{\0}\0"s) == "f:1: the file is no text: a NUL, or bytes that are not UTF-8");
    // Control sequences do not reach the terminal.
    CHECK(rejection("{\"\\u001b[31m\": 1, \"\\u001b[31m\": 1}") == "f:1: \"?[31m\" is there twice, also in line 1");
    const std::string blanks = "[" + std::string(4U << 20, '\n') + "]";
    CHECK(rejection(blanks).empty());
}

TEST_CASE("project: a template's value is written in the same language", "[unit][build]") {
    CHECK(std::get<std::int64_t>(parse_template_value("3", "--set-json n").data) == 3);
    const auto list = parse_template_value("[1, \"a\", {\"k\": null},] // c", "--set-json n");
    REQUIRE(std::get<TemplateList>(list.data).size() == 3);
    CHECK(std::get<TemplateMap>(std::get<TemplateList>(list.data)[2].data)[0].first == "k");
    CHECK_THROWS_WITH(parse_template_value("[", "--set-json n"),
                      "--set-json n:1: expected a value, found the end of the file");
}

TEST_CASE("init: the file is valid and says what was found", "[unit][build]") {
    const auto settings = [](const std::vector<std::string>& files) {
        return parse_project(initial_project("runtime", files), "cooper.json").image("runtime");
    };
    auto image = settings({});
    CHECK(image.base == "ubuntu:24.04");
    CHECK_FALSE(image.template_file);
    CHECK_FALSE(image.dockerfile);
    CHECK_FALSE(image.lock_files);
    CHECK_FALSE(image.sources);
    CHECK(image.version == "0.1.0");
    CHECK_NOTHROW(check_settings(image));

    image = settings({"lib/", "uv.lock", "src/", "pyproject.toml", "Dockerfile", "README.md", "app", "VERSION"});
    CHECK(image.lock_files == std::vector<std::string>{"pyproject.toml", "uv.lock"});
    CHECK(image.sources == std::vector<std::string>{"src", "lib"});  // "app" is a file
    CHECK(image.dockerfile == "Dockerfile");
    CHECK(image.version_file == "VERSION");
    CHECK_FALSE(image.version);
    CHECK_FALSE(settings({"pyproject.toml"}).version);

    image = settings({"Dockerfile", "Dockerfile.j2", "package.json", "package-lock.json", "go.sum", "Cargo.lock",
                      "requirements.txt", "poetry.lock"});
    CHECK(image.template_file == "Dockerfile.j2");
    CHECK_FALSE(image.dockerfile);
    CHECK(image.lock_files == std::vector<std::string>{"poetry.lock", "requirements.txt", "package.json",
                                                       "package-lock.json", "go.sum", "Cargo.lock"});
    CHECK_THROWS_AS(initial_project("Runtime", {}), Error);
    CHECK_THROWS_AS(initial_project("a\"b", {}), Error);
}

TEST_CASE("init: every key is there, and what the comments show is valid", "[unit][build]") {
    const std::string text = initial_project("runtime", {"Dockerfile"});
    for (const SettingKey& key : setting_keys()) {
        INFO(key.name);
        const std::string member = "\"" + std::string(key.name) + "\": ";
        CHECK(text.find(member) != std::string::npos);
        CHECK(text.find("// " + std::string(key.description)) != std::string::npos);
        CHECK(key.description.size() < 100);
        const std::string shown = "{\"images\": {\"a\": {" + member + std::string(key.example) + "}}}";
        CHECK_NOTHROW(parse_project(shown, "example"));
    }
    CHECK_NOTHROW(
        parse_project(R"({"defaults": {"registry_prefix": "ghcr.io/acme"}, "images": {"a": {}}})", "example"));
}

TEST_CASE("schema: the file in the repository is what the table of keys makes", "[unit][build][golden]") {
    if (std::getenv("COOPER_ACCEPT") != nullptr) {
        write_file(schema_file(), project_schema());
        std::fputs("SKIPPED: written anew\n", stdout);
        return;
    }
    CHECK(read_file(schema_file(), 1U << 20) == project_schema());
}

TEST_CASE("schema: every key has its type, a description and an example", "[unit][build]") {
    const auto schema = json::parse(project_schema(), "schema");
    const auto& properties = schema["definitions"]["settings"]["properties"];
    CHECK(properties.size() == setting_keys().size());
    for (const SettingKey& key : setting_keys()) {
        const auto& property = properties.at(std::string(key.name));
        CHECK(property["description"] == key.description);
        CHECK(property.contains("type"));
        CHECK(property["examples"].size() == 1);
    }
    CHECK(properties["platforms"]["type"] == "array");
    CHECK(properties["look_in"]["items"]["enum"] == json::Value::array({"engine", "registry", "store"}));
    CHECK(properties["browser"]["type"] == "boolean");
    CHECK(properties["build_args"]["additionalProperties"]["type"] == "string");
    CHECK(schema["additionalProperties"] == false);
}

}  // namespace cooper::build
