#include "cooper/base/error.hpp"
#include "cooper/build/project.hpp"

#include <catch2/catch.hpp>

namespace cooper::build {

namespace {

using Texts = std::vector<std::string>;

Environment environment_of(std::map<std::string, std::string, std::less<>> variables) {
    return Environment(std::move(variables));
}

std::string fault_of(const ImageSettings& settings) {
    try {
        check_settings(settings);
        return "";
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return error.what();
    }
}

}  // namespace

TEST_CASE("settings: a layer replaces what it says and keeps the rest", "[unit][build]") {
    ImageSettings lower;
    lower.name = "app";
    lower.root = "here";
    lower.base = "ubuntu";
    lower.sources = Texts{"src"};
    lower.browser = true;
    lower.files = std::vector<ExtraFile>{{"a", "", false}};
    ImageSettings upper;
    upper.sources = Texts{};
    upper.browser = false;
    lower.overlay(upper);
    CHECK(lower.name == "app");
    CHECK(lower.root == "here");
    CHECK(lower.base == "ubuntu");
    CHECK(lower.sources == Texts{});
    CHECK(lower.browser == false);
    CHECK(lower.files->size() == 1);
    upper.name = "other";
    upper.root = "there";
    lower.overlay(upper);
    CHECK(lower.name == "other");
    CHECK(lower.root == "there");
}

TEST_CASE("settings: variables and arguments are merged by name, the last of equal names counts", "[unit][build]") {
    using Arguments = std::vector<std::pair<std::string, std::string>>;
    ImageSettings settings;
    ImageSettings upper;
    upper.build_args = Arguments{{"A", "1"}, {"B", "2"}, {"A", "3"}};
    settings.overlay(upper);
    CHECK(settings.build_args == Arguments{{"A", "3"}, {"B", "2"}});
    upper.build_args = Arguments{{"C", "4"}, {"B", ""}};
    settings.overlay(upper);
    CHECK(settings.build_args == Arguments{{"A", "3"}, {"B", ""}, {"C", "4"}});
    upper.build_args = Arguments{};
    settings.overlay(upper);
    CHECK(settings.build_args->size() == 3);
}

TEST_CASE("settings: many variables are merged in time in proportion", "[unit][build]") {
    ImageSettings settings;
    ImageSettings upper;
    upper.build_args.emplace();
    for (int i = 0; i < 100'000; ++i) {
        upper.build_args->emplace_back("A" + std::to_string(i), "");
    }
    settings.overlay(upper);
    settings.overlay(upper);
    CHECK(settings.build_args->size() == 100'000);
}

TEST_CASE("settings: of two ways to say the same the upper layer's stays", "[unit][build]") {
    ImageSettings file;
    file.template_file = "Dockerfile.j2";
    file.version_file = "VERSION";
    file.repository = "acme/app";
    ImageSettings flags;
    flags.dockerfile = "Dockerfile";
    flags.version = "1.0.0";
    flags.registry_prefix = "ghcr.io/acme";
    ImageSettings settings = file;
    settings.overlay(flags);
    CHECK_FALSE(settings.template_file);
    CHECK_FALSE(settings.version_file);
    CHECK_FALSE(settings.repository);
    CHECK(settings.dockerfile == "Dockerfile");
    CHECK(settings.version == "1.0.0");
    CHECK(settings.registry_prefix == "ghcr.io/acme");
    settings.overlay(file);
    CHECK(settings.template_file == "Dockerfile.j2");
    CHECK_FALSE(settings.dockerfile);
    CHECK_FALSE(settings.version);
    CHECK_FALSE(settings.registry_prefix);
}

TEST_CASE("settings: the environment says five things", "[unit][build]") {
    const auto environment = environment_of({{"BASE_IMAGE", "python:3.12-slim"},
                                             {"TARGET", "binary-minimal"},
                                             {"CUSTOM_TAGS", " nodejs, python,,dev "},
                                             {"RUNTIME_API_URL", "https://runtime.example.com"},
                                             {"RUNTIME_API_KEY", "hunter2"},
                                             {"OH_RUNTIME_RUNTIME_IMAGE_REPO", "ghcr.io/acme/runtime"}});
    auto settings = settings_from(environment, "cooper");
    CHECK(settings.base == "python:3.12-slim");
    CHECK(settings.targets == Texts{"binary-minimal"});
    CHECK(settings.tags == Texts{"nodejs", "python", "dev"});
    CHECK(settings.runtime_api_url == "https://runtime.example.com");
    CHECK_FALSE(settings.repository);
    CHECK_FALSE(settings_from(environment, "v1").repository);
    CHECK(settings_from(environment, "v0").repository == "ghcr.io/acme/runtime");

    const auto nothing = environment_of({{"BASE_IMAGE", ""}, {"CUSTOM_TAGS", " , "}});
    settings = settings_from(nothing, "v0");
    CHECK_FALSE(settings.base);
    CHECK_FALSE(settings.tags);
    CHECK_FALSE(settings.targets);
    CHECK_FALSE(settings.repository);
}

TEST_CASE("settings: a wrong value of the environment names its variable", "[unit][build]") {
    const auto fault = [](const std::string& name, const std::string& value) -> std::string {
        try {
            settings_from(environment_of({{name, value}}), "v0");
            return "";
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::InvalidInput);
            return error.what();
        }
    };
    CHECK(fault("BASE_IMAGE", "Ubuntu").find("$BASE_IMAGE: ") == 0);
    CHECK(fault("TARGET", "a b").find("$TARGET: \"a b\" is no name of a stage") == 0);
    CHECK(fault("CUSTOM_TAGS", "dev,-x").find("$CUSTOM_TAGS: no registry accepts") == 0);
    CHECK(fault("RUNTIME_API_URL", "x").find("$RUNTIME_API_URL: ") == 0);
    CHECK(fault("OH_RUNTIME_RUNTIME_IMAGE_REPO", "a:1").find("$OH_RUNTIME_RUNTIME_IMAGE_REPO: ") == 0);
    CHECK(fault("OTHER", "a:1").empty());
}

TEST_CASE("settings: what the environment changes is told, and nothing else", "[unit][build]") {
    const auto environment = environment_of({{"BASE_IMAGE", "python"}, {"TARGET", "binary"}, {"CUSTOM_TAGS", "a,b"}});
    ImageSettings below;
    below.targets = Texts{"binary"};
    CHECK(environment_remarks(below, {}, environment, "cooper") ==
          Texts{"base: python, from $BASE_IMAGE", "tags: a,b, from $CUSTOM_TAGS"});
    ImageSettings above;
    above.base = "ubuntu";
    CHECK(environment_remarks(below, above, environment, "cooper") == Texts{"tags: a,b, from $CUSTOM_TAGS"});
    CHECK(environment_remarks(below, {}, environment_of({{"TARGET", "source"}}), "cooper") ==
          Texts{"targets: source, from $TARGET"});
    CHECK(environment_remarks({}, {}, environment_of({}), "cooper").empty());
}

TEST_CASE("settings: together they are checked again", "[unit][build]") {
    ImageSettings settings;
    CHECK(fault_of(settings).empty());
    settings.template_file = "a";
    settings.dockerfile = "b";
    CHECK(fault_of(settings) == "template and dockerfile exclude each other");
    settings.template_file = "../a";
    CHECK(fault_of(settings).find("template: \"../a\" leaves the root") == 0);
    settings = {};
    settings.platforms = Texts{"linux/amd64", "a/b/c/d"};
    CHECK(fault_of(settings).find("platforms: ") == 0);
    settings = {};
    settings.profile = "v2";
    CHECK(fault_of(settings) == "profile: \"v2\" is none of cooper, v0, v1");
    settings = {};
    settings.files = std::vector<ExtraFile>{{"a", "../b", false}};
    CHECK(fault_of(settings).find("files: \"../b\"") == 0);
    settings = {};
    settings.variables = TemplateMap{{"a-b", 1.0}};
    CHECK(fault_of(settings).find("variables: \"a-b\"") == 0);
    settings = {};
    settings.name = "App";
    CHECK(fault_of(settings).find("lowercase") != std::string::npos);
}

TEST_CASE("settings: one value can be checked by its key", "[unit][build]") {
    CHECK_NOTHROW(check_setting("platforms", "linux/arm64"));
    CHECK_NOTHROW(check_setting("base", "localhost:5000/acme/base:1@sha256:" + std::string(64, 'a')));
    CHECK_NOTHROW(check_setting("base", "scratch"));
    CHECK_NOTHROW(check_setting("registry_prefix", "localhost:5000"));
    CHECK_NOTHROW(check_setting("repository", "localhost:5000/acme/app"));
    CHECK_NOTHROW(check_setting("suffix", ""));
    CHECK_NOTHROW(check_setting("files", "a/b"));
    CHECK_NOTHROW(check_setting("browser", "true"));
    CHECK_THROWS_AS(check_setting("browser", "maybe"), Error);
    for (const auto* key : {"extra_dependencies", "ignore", "sources"}) {
        CHECK_NOTHROW(check_setting(key, std::string(4000, 'x')));
        CHECK_THROWS_AS(check_setting(key, std::string(5000, 'x')), Error);
    }
    CHECK_THROWS_WITH(check_setting("nothing", "x"), "there is no setting \"nothing\"");
}

}  // namespace cooper::build
