#include "cooper/build/context.hpp"

#include "build/tree_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using Catch::Contains;
using cooper::testing::code_of;
using SettingsTree = cooper::testing::Tree;

namespace {

using Level = BuildBase::Level;

ImageSettings settings_at(const SettingsTree& tree) {
    ImageSettings settings;
    settings.root = tree.path();
    return settings;
}

std::string recipe_of(const ImageSettings& settings, Level level = Level::Scratch, const std::string& target = "") {
    return dockerfile_text(settings, {"base:1", level}, target, {});
}

void make_checkout(const SettingsTree& tree) {
    for (const auto* package : {"sdk", "tools", "workspace", "agent_server"}) {
        tree.file(std::string("openhands/") + package + "/pyproject.toml", "[project]\n");
    }
}

}  // namespace

TEST_CASE("context settings: a template is told what to build on, and the settings' variables count", "[unit][build]") {
    const SettingsTree tree;
    tree.file("docker/app.j2",
              "FROM {{ base_image }}{% if build_from_scratch %} scratch{% endif %}{% if build_from_versioned %} "
              "versioned{% endif %}{% if build_from_lock %} lock{% endif %} {{ target }} {{ word }} {{ extra_deps }} "
              "{{ enable_browser }}");
    auto settings = settings_at(tree);
    settings.template_file = "docker/app.j2";
    settings.variables = TemplateMap{{"word", {"hello"}}};
    settings.extra_dependencies = {"one", "two"};
    settings.browser = false;
    CHECK(recipe_of(settings, Level::Scratch, "t") == "FROM base:1 scratch t hello one two False");
    CHECK(recipe_of(settings, Level::Versioned) == "FROM base:1 versioned  hello one two False");
    CHECK(recipe_of(settings, Level::Lock) == "FROM base:1 lock  hello one two False");
    settings.variables = TemplateMap{{"base_image", {"mine"}}};
    CHECK_THAT(recipe_of(settings), Contains("FROM mine scratch"));
    CHECK(has_levels(settings));
}

TEST_CASE("context settings: the root's own recipe is found", "[unit][build]") {
    const SettingsTree tree;
    auto settings = settings_at(tree);
    CHECK(code_of([&] { recipe_of(settings); }) == ErrorCode::NotFound);
    CHECK_FALSE(has_levels(settings));
    CHECK(recipe_files(settings).empty());
    tree.file("Dockerfile", "FROM plain\n");
    CHECK(recipe_of(settings) == "FROM plain\n");
    CHECK_FALSE(has_levels(settings));
    CHECK(recipe_files(settings) == std::vector<std::string>{"Dockerfile"});
    CHECK(code_of([&] { recipe_of(settings, Level::Lock); }) == ErrorCode::InvalidInput);
    tree.file("Dockerfile.j2", "FROM {{ base_image }}\n");
    CHECK(recipe_of(settings) == "FROM base:1");
    CHECK(has_levels(settings));
    settings.dockerfile = "Dockerfile";
    CHECK(recipe_of(settings) == "FROM plain\n");
    settings.dockerfile = "missing";
    CHECK(code_of([&] { recipe_of(settings); }) == ErrorCode::NotFound);
}

TEST_CASE("context settings: recipe files are the template and what it includes at any level", "[unit][build]") {
    const SettingsTree tree;
    tree.file("Dockerfile.j2",
              "{% include 'parts/a.j2' %}{% if build_from_lock %}{% include 'parts/b.j2' %}{% endif %}"
              "{% if target == 'x' %}{% include 'parts/c.j2' %}{% endif %}");
    tree.file("parts/a.j2", "FROM a\n");
    tree.file("parts/b.j2", "RUN b\n");
    tree.file("parts/c.j2", "RUN c\n");
    tree.file("parts/d.j2", "RUN d\n");
    auto settings = settings_at(tree);
    CHECK(recipe_files(settings) == std::vector<std::string>{"Dockerfile.j2", "parts/a.j2", "parts/b.j2"});
    settings.targets = {"x"};
    CHECK(recipe_files(settings).size() == 4);
}

TEST_CASE("context settings: recipes are below the root", "[unit][build]") {
    const SettingsTree tree;
    tree.symlink("Linked", "/etc/hostname");
    auto settings = settings_at(tree);
    settings.dockerfile = "Linked";
    CHECK(code_of([&] { recipe_of(settings); }) == ErrorCode::InvalidInput);
}

TEST_CASE("context settings: a checkout of the agent server needs none", "[unit][build]") {
    const SettingsTree tree;
    make_checkout(tree);
    auto settings = settings_at(tree);
    CHECK(is_agent_server(settings));
    CHECK(has_levels(settings));
    const auto all = with_agent_server(settings);
    CHECK(all.name == "agent-server");
    CHECK(all.base == "nikolaik/python-nodejs:python3.12-nodejs22");
    CHECK(all.targets == std::vector<std::string>{"binary"});
    CHECK_FALSE(all.lock_files);
    const auto options = context_options(settings, "text");
    CHECK(options.sources.size() == 4);
    CHECK(options.files.size() == 5);
    CHECK(context_options(all, "text").ignore == options.ignore);
    SECTION("what is said counts") {
        settings.base = "python:3.12";
        settings.sources = {"openhands/sdk"};
        settings.ignore = {"x"};
        const auto given = with_agent_server(settings);
        CHECK(given.base == "python:3.12");
        CHECK(given.sources == settings.sources);
        CHECK(given.ignore->back() == "x");
        CHECK(given.ignore->size() > 1);
    }
    SECTION("a recipe of its own is its recipe") {
        tree.file("Dockerfile", "FROM mine\n");
        CHECK_FALSE(is_agent_server(settings));
        CHECK(with_agent_server(settings).name.empty());
    }
    SECTION("three packages are none") {
        std::filesystem::remove_all(tree.path("openhands/tools"));
        CHECK_FALSE(is_agent_server(settings));
    }
}

TEST_CASE("context settings: the agent server's targets and levels", "[unit][build]") {
    const SettingsTree tree;
    make_checkout(tree);
    const auto settings = settings_at(tree);
    CHECK(recipe_of(settings) == recipe_of(settings, Level::Scratch, "binary"));
    CHECK(recipe_of(settings, Level::Versioned) == recipe_of(settings));
    const auto source = recipe_of(settings, Level::Scratch, "source-minimal");
    CHECK_THAT(source, Contains("RUN pip install --no-cache-dir -e ./openhands/sdk\n") && Contains("--reload"));
    const auto locked = recipe_of(settings, Level::Lock);
    CHECK_THAT(locked, Contains("--no-deps") && Contains("rm -rf /app/openhands") && !Contains("apt-get"));
    CHECK(code_of([&] { recipe_of(settings, Level::Scratch, "builder"); }) == ErrorCode::InvalidInput);
    const std::string whole = recipe_of(settings);
    CHECK(standalone_dockerfile(whole, "binary", {}) == whole);
    CHECK(images_of_dockerfile(whole, {}) == std::vector<std::string>{"base:1"});
}
