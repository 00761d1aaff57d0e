// Profile cooper frames what it hashes: bytes that move from one input to its neighbour make another tag.
#include "build/tag_project.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <set>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

/// All ways to cut `text` into three pieces, empty ones included.
std::vector<std::array<std::string, 3>> cuts_of(const std::string& text) {
    std::vector<std::array<std::string, 3>> cuts;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        for (std::size_t j = i; j <= text.size(); ++j) {
            cuts.push_back({text.substr(0, i), text.substr(i, j - i), text.substr(j)});
        }
    }
    return cuts;
}

/// The source tags of a project after each of the steps must all be different.
template <class Apply>
void check_all_differ(const std::vector<std::array<std::string, 3>>& cuts, Apply&& apply) {
    std::set<std::string> tags;
    for (const auto& cut : cuts) {
        Project project;
        fill(project);
        apply(project, cut);
        INFO(cut[0] << "|" << cut[1] << "|" << cut[2]);
        CHECK(tags.insert(project.tags().source).second);
    }
}

}  // namespace

TEST_CASE("cooper tags: bytes that move between neighbours change the hash", "[unit][build]") {
    const auto cuts = cuts_of("abcabc");
    SECTION("extra dependencies") {
        check_all_differ(cuts, [](Project& project, const auto& cut) {
            project.inputs.extra_dependencies.assign(cut.begin(), cut.end());
        });
    }
    SECTION("values of build arguments") {
        check_all_differ(cuts, [](Project& project, const auto& cut) {
            project.inputs.build_args = {{"A", cut[0]}, {"B", cut[1]}, {"C", cut[2]}};
        });
    }
    SECTION("target and a build argument's name and value") {
        check_all_differ(cuts, [](Project& project, const auto& cut) {
            project.inputs.target = cut[0];
            project.inputs.build_args = {{"X" + cut[1], cut[2]}};
        });
    }
    SECTION("contents of recipes and lock files") {
        check_all_differ(cuts, [](Project& project, const auto& cut) {
            project.tree.file("setup.sh", cut[0], 0755);
            project.tree.file("uv.lock", cut[1]);
            project.tree.file("package-lock.json", cut[2]);
        });
    }
    SECTION("name, content and the next name of source files") {
        check_all_differ(cuts, [](Project& project, const auto& cut) {
            project.tree.file("app/p" + cut[0], cut[1]);
            project.tree.file("app/q" + cut[2], "");
        });
    }
    SECTION("name and target of a link") {
        check_all_differ(cuts, [](Project& project, const auto& cut) {
            project.tree.symlink("app/x" + cut[0], "y" + cut[1]);
            project.tree.symlink("app/z", "z" + cut[2]);
        });
    }
    SECTION("last extra dependency and name of the first lock file") {
        check_all_differ(cuts, [](Project& project, const auto& cut) {
            project.tree.file("f" + cut[1], "");
            project.inputs.extra_dependencies = {cut[0]};
            project.inputs.lock_files = {"f" + cut[1], "uv.lock"};
            project.tree.file("uv.lock", cut[2]);
        });
    }
}

TEST_CASE("cooper tags: the same file in another place of the recipe is another tag", "[unit][build]") {
    Project project;
    fill(project);
    std::set<std::string> tags;
    using Paths = std::vector<std::string>;
    const std::vector<std::array<Paths, 3>> places = {{Paths{"uv.lock"}, Paths{}, Paths{"app"}},
                                                      {Paths{}, Paths{"uv.lock"}, Paths{"app"}},
                                                      {Paths{}, Paths{}, Paths{"app", "uv.lock"}},
                                                      {Paths{}, Paths{}, Paths{"app"}}};
    for (const auto& [recipes, lock_files, sources] : places) {
        project.inputs.recipes = recipes;
        project.inputs.lock_files = lock_files;
        project.inputs.sources = sources;
        CHECK(tags.insert(project.tags().source).second);
    }
}
