// Profile cooper's promise: any one change of any input changes the tags of its level and of those after it and no
// others, and nothing else changes any.
#include "cooper/base/text.hpp"
#include "cooper/build/hash_tags.hpp"

#include "build/tag_project.hpp"
#include "build/tag_specification.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <functional>
#include <random>
#include <set>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

namespace fs = std::filesystem;

struct Variation {
    std::string name;
    TagLevel level;  ///< the first whose tag changes
    std::function<void(Project&)> apply;
};

std::vector<Variation> variations_of_settings() {
    using Inputs = TagInputs;
    const auto set = [](std::function<void(Inputs&)> change) {
        return [change = std::move(change)](Project& project) { change(project.inputs); };
    };
    const auto versioned = TagLevel::Versioned;
    const auto lock = TagLevel::Lock;
    return {
        {"version", versioned, set([](Inputs& in) { in.version = "1.2.1"; })},
        {"base digest", versioned,
         set([](Inputs& in) { in.base_digest = Digest::parse("sha256:" + std::string(63, 'a') + "b"); })},
        {"algorithm of the base digest", versioned,
         set([](Inputs& in) { in.base_digest = Digest::parse("sha512:" + std::string(128, 'a')); })},
        {"scratch", versioned, set([](Inputs& in) {
             in.base = "scratch";
             in.base_digest.reset();
         })},
        {"architecture", versioned, set([](Inputs& in) { in.platform = oci::Platform::parse("linux/arm64"); })},
        {"variant", versioned, set([](Inputs& in) { in.platform = oci::Platform::parse("linux/amd64/v3"); })},
        {"target", versioned, set([](Inputs& in) { in.target = "runtim"; })},
        {"no target", versioned, set([](Inputs& in) { in.target.clear(); })},
        {"argument's name", versioned, set([](Inputs& in) { in.build_args[0].first = "NODF"; })},
        {"argument's value", versioned, set([](Inputs& in) { in.build_args[0].second = "23"; })},
        {"secret argument's value", versioned, set([](Inputs& in) { in.build_args[1].second = "hiddem"; })},
        {"value of an empty argument", versioned, set([](Inputs& in) { in.build_args[2].second = " "; })},
        {"argument less", versioned, set([](Inputs& in) { in.build_args.pop_back(); })},
        {"argument more", versioned, set([](Inputs& in) { in.build_args.emplace_back("MORE", ""); })},
        {"values of arguments exchanged", versioned,
         set([](Inputs& in) { std::swap(in.build_args[0].second, in.build_args[2].second); })},
        {"argument's value given as what is hashed for it", versioned,
         set([](Inputs& in) { in.build_args[0].second = sha256("22").text(); })},
        {"recipe less", versioned, set([](Inputs& in) { in.recipes.pop_back(); })},
        {"recipe more", versioned, set([](Inputs& in) { in.recipes.emplace_back("app/run"); })},
        {"order of lock files", lock, set([](Inputs& in) { std::swap(in.lock_files[0], in.lock_files[1]); })},
        {"lock file less", lock, set([](Inputs& in) { in.lock_files.pop_back(); })},
        {"lock file twice", lock, set([](Inputs& in) { in.lock_files.push_back(in.lock_files[0]); })},
        {"order of extra dependencies", lock,
         set([](Inputs& in) { std::swap(in.extra_dependencies[0], in.extra_dependencies[1]); })},
        {"extra dependency", lock, set([](Inputs& in) { in.extra_dependencies[0] += "=1.7"; })},
        {"extra dependency less", lock, set([](Inputs& in) { in.extra_dependencies.pop_back(); })},
        {"extra dependency twice", lock, set([](Inputs& in) { in.extra_dependencies.emplace_back("git"); })},
        {"empty extra dependency", lock, set([](Inputs& in) { in.extra_dependencies.emplace_back(); })},
        {"sources", TagLevel::Source, set([](Inputs& in) {
             in.sources = {"app", "uv.lock"};
         })},
        {"ignored file", TagLevel::Source, set([](Inputs& in) { in.ignore = {"app/run"}; })},
    };
}

std::vector<Variation> variations_of_files() {
    const auto on = [](std::function<void(const Tree&)> change) {
        return [change = std::move(change)](Project& project) { change(project.tree); };
    };
    const auto versioned = TagLevel::Versioned;
    const auto source = TagLevel::Source;
    return {
        {"recipe's byte", versioned, on([](const Tree& tree) { tree.file("Dockerfile", "FROM basf\n"); })},
        {"recipe's mode", versioned, on([](const Tree& tree) { tree.file("Dockerfile", "FROM base\n", 0755); })},
        {"lock file's byte", TagLevel::Lock, on([](const Tree& tree) { tree.file("uv.lock", "locked\r"); })},
        {"source's byte", source, on([](const Tree& tree) { tree.file("app/main.py", "print(\x01\n"); })},
        {"byte more", source, on([](const Tree& tree) { tree.file("app/main.py", "print()\n\n"); })},
        {"byte less", source, on([](const Tree& tree) { tree.file("app/main.py", "print()"); })},
        {"zero byte", source, on([](const Tree& tree) { tree.file("app/sub/none", std::string(1, '\0')); })},
        {"x bit set", source, on([](const Tree& tree) { tree.file("app/main.py", "print()\n", 0755); })},
        {"x bit cleared", source, on([](const Tree& tree) { tree.file("app/run", "#!/bin/sh\n", 0644); })},
        {"setuid", source, on([](const Tree& tree) { tree.file("app/run", "#!/bin/sh\n", 04755); })},
        {"name", source, on([](const Tree& tree) { fs::rename(tree.path("app/copy"), tree.path("app/copz")); })},
        {"case of a name", source,
         on([](const Tree& tree) { fs::rename(tree.path("app/copy"), tree.path("app/Copy")); })},
        {"name that is not UTF-8", source,
         on([](const Tree& tree) { fs::rename(tree.path("app/\xFF\x01"), tree.path("app/\xFE\x01")); })},
        {"directory", source,
         on([](const Tree& tree) { fs::rename(tree.path("app/copy"), tree.path("app/sub/copy")); })},
        {"names exchanged", source, on([](const Tree& tree) {
             fs::rename(tree.path("app/run"), tree.path("app/x"));
             fs::rename(tree.path("app/main.py"), tree.path("app/run"));
             fs::rename(tree.path("app/x"), tree.path("app/main.py"));
         })},
        {"link's target", source, on([](const Tree& tree) {
             fs::remove(tree.path("app/link"));
             tree.symlink("app/link", "./main.py");
         })},
        {"broken link's target", source, on([](const Tree& tree) {
             fs::remove(tree.path("app/broken"));
             tree.symlink("app/broken", "../nowhere");
         })},
        {"link instead of an equal file", source, on([](const Tree& tree) {
             fs::remove(tree.path("app/copy"));
             tree.symlink("app/copy", "main.py");
         })},
        {"file with a link's text", source, on([](const Tree& tree) {
             fs::remove(tree.path("app/link"));
             tree.file("app/link", "main.py");
         })},
        {"empty directory gone", source, on([](const Tree& tree) { fs::remove(tree.path("app/empty")); })},
        {"empty directory more", source, on([](const Tree& tree) { tree.directory("app/sub/empty"); })},
        {"empty file instead of an empty directory", source, on([](const Tree& tree) {
             fs::remove(tree.path("app/empty"));
             tree.file("app/empty", "");
         })},
        {"file gone", source, on([](const Tree& tree) { fs::remove(tree.path("app/copy")); })},
        {"file more", source, on([](const Tree& tree) { tree.file("app/more", ""); })},
    };
}

std::set<TagLevel> levels_that_differ(const HashTags& before, const HashTags& after) {
    std::set<TagLevel> levels;
    const auto add_if = [&](TagLevel level, bool differs) {
        if (differs) {
            levels.insert(level);
        }
    };
    add_if(TagLevel::Versioned, before.versioned != after.versioned);
    add_if(TagLevel::Lock, before.lock != after.lock);
    add_if(TagLevel::Source, before.source != after.source);
    return levels;
}

std::set<TagLevel> levels_from(TagLevel first) {
    std::set<TagLevel> levels;
    for (const auto level : {TagLevel::Versioned, TagLevel::Lock, TagLevel::Source}) {
        if (level >= first) {
            levels.insert(level);
        }
    }
    return levels;
}

std::set<TagLevel> levels_explained(const HashTags& before, const HashTags& after) {
    std::set<TagLevel> levels;
    for (const auto& change : compare(before.record, after.record)) {
        levels.insert(change.touches.begin(), change.touches.end());
    }
    return levels;
}

HashTags apply(const Variation& variation) {
    Project project;
    fill(project);
    variation.apply(project);
    return project.tags();
}

void check_change(const Variation& variation, const HashTags& before, const HashTags& after) {
    CHECK(levels_that_differ(before, after) == levels_from(variation.level));
    CHECK(levels_explained(before, after) == levels_from(variation.level));
    CHECK(TagSpecification::tags_of(after.record) == after.record.tags);
    const auto read_back = parse_tag_record(to_json(after.record), "record");
    CHECK(TagSpecification::tags_of(read_back) == after.record.tags);
}

}  // namespace

TEST_CASE("cooper tags: any one change changes its level and those after it", "[unit][build]") {
    Project project;
    fill(project);
    const auto before = project.tags();
    std::set<std::string> sources{before.source};
    auto all = variations_of_settings();
    const auto of_files = variations_of_files();
    all.insert(all.end(), of_files.begin(), of_files.end());
    for (const auto& variation : all) {
        INFO(variation.name);
        const auto after = apply(variation);
        check_change(variation, before, after);
        CHECK(sources.insert(after.source).second);  // nor are any two of the changes alike
    }
}

TEST_CASE("cooper tags: any flipped bit and any renamed byte counts", "[unit][build]") {
    std::mt19937 random(20261121);  // NOLINT(cert-msc51-cpp): the same each time
    Project project;
    fill(project);
    std::string content(300, '\0');
    std::generate(content.begin(), content.end(), [&] { return static_cast<char>(random()); });
    project.tree.file("app/random", content);
    const auto before = project.tags();
    std::set<std::string> seen{before.source};
    for (int round = 0; round < 60; ++round) {
        auto changed = content;
        auto& byte = changed[random() % changed.size()];
        byte = static_cast<char>(byte ^ (1 << random() % 8));
        project.tree.file("app/random", changed);
        const auto after = project.tags();
        CHECK(levels_that_differ(before, after) == std::set<TagLevel>{TagLevel::Source});
        seen.insert(after.source);
    }
    project.tree.file("app/random", content);
    CHECK(project.tags().source == before.source);
    CHECK(seen.size() > 50);  // the same bit may be flipped twice
}

TEST_CASE("cooper tags: what must not matter does not", "[unit][build]") {
    Project project;
    fill(project);
    const auto before = project.tags();
    Project other;  // in another directory, in any case
    auto& inputs = other.inputs;
    const auto& tree = other.tree;
    bool backwards = false;
    std::function<void()> change = [] {};

    SECTION("checkout path") {}
    SECTION("order of creation") {
        backwards = true;
    }
    SECTION("order of build arguments") {
        change = [&] { std::reverse(inputs.build_args.begin(), inputs.build_args.end()); };
    }
    SECTION("order of recipes, and one twice") {
        change = [&] { inputs.recipes = {"./setup.sh", "Dockerfile", "setup.sh"}; };
    }
    SECTION("spelling of paths") {
        change = [&] {
            inputs.lock_files = {"./uv.lock", ".//package-lock.json"};
            inputs.sources = {"./app/"};
        };
    }
    SECTION("order and repetition of sources") {
        change = [&] { inputs.sources = {"app/sub", "app", "app/main.py"}; };
    }
    SECTION("times") {
        change = [&] { tree.set_all_times(1'234'567'890); };
    }
    SECTION("umask") {
        change = [&] {
            for (const auto& item : fs::recursive_directory_iterator(tree.path())) {
                if (item.is_symlink()) {
                    continue;
                }
                const auto mode = item.status().permissions();
                const bool owner_executes = (mode & fs::perms::owner_exec) != fs::perms::none;
                REQUIRE(chmod(item.path().c_str(), owner_executes ? 0700 : 0600) == 0);
            }
        };
    }
    SECTION("hard links") {
        change = [&] {
            fs::remove(tree.path("app/copy"));
            tree.hard_link("app/copy", "app/main.py");
        };
    }
    SECTION("owner") {
        change = [&] {
            if (geteuid() != 0) {
                WARN("SKIPPED: only root can give files away");
                return;
            }
            for (const auto& item : fs::recursive_directory_iterator(tree.path())) {
                REQUIRE(lchown(item.path().c_str(), 12345, 54321) == 0);
            }
        };
    }
    SECTION("number of threads") {
        change = [&] { inputs.threads = 1; };
    }
    SECTION("remembered digests") {
        change = [&] {
            tree.directory("cache");
            inputs.cache_directory = tree.path("cache");
            (void)other.tags();
        };
    }
    SECTION("name of the root") {
        change = [&] {
            tree.symlink("root", ".");
            inputs.root = tree.path("root/");
        };
    }
    SECTION("spelling of the platform and the base") {
        change = [&] {
            inputs.platform = oci::Platform{"linux", "x86_64", ""};
            inputs.base = "docker.io/library/ubuntu:22.04@" + kBaseDigest.text();
            inputs.base_digest.reset();
        };
    }
    SECTION("files beside the sources") {
        change = [&] { tree.file("README.md", "text"); };
    }
    SECTION("ignored files") {
        change = [&] { tree.file("app/__pycache__/main.pyc", "code"); };
    }
    fill(other, backwards);
    change();
    const auto after = other.tags();
    CHECK(after.record == before.record);
    CHECK(after.source == before.source);
    CHECK(after.lock == before.lock);
    CHECK(after.versioned == before.versioned);
}

TEST_CASE("cooper tags: the locale does not matter", "[unit][build]") {
    Project project;
    fill(project);
    const auto before = project.tags();
    const std::string old = std::setlocale(LC_ALL, nullptr);
    bool tried = false;
    for (const char* const name : {"C.UTF-8", "C.utf8", "en_US.UTF-8", "tr_TR.UTF-8", "de_DE.ISO-8859-1"}) {
        if (std::setlocale(LC_ALL, name) != nullptr) {
            tried = true;
            CHECK(project.tags().record == before.record);
        }
    }
    std::setlocale(LC_ALL, old.c_str());
    CHECK(tried);
}

TEST_CASE("cooper tags: the base's name is in the versioned tag and in no hash", "[unit][build]") {
    Project project;
    fill(project);
    const auto before = project.tags();
    project.inputs.base = "mirror.example/ubuntu:22.04";
    const auto after = project.tags();
    CHECK(levels_that_differ(before, after) == std::set<TagLevel>{TagLevel::Versioned});
    CHECK(levels_explained(before, after) == std::set<TagLevel>{TagLevel::Versioned});
    CHECK(after.versioned.substr(after.versioned.size() - 20) == before.versioned.substr(before.versioned.size() - 20));
}

TEST_CASE("cooper tags: the suffix is in all tags and in no hash", "[unit][build]") {
    Project project;
    fill(project);
    const auto before = project.tags();
    project.inputs.suffix = "-dev";
    const auto after = project.tags();
    CHECK(after.source == before.source + "-dev");
    CHECK(after.lock == before.lock + "-dev");
    CHECK(after.versioned == before.versioned + "-dev");
    CHECK(levels_explained(before, after) == levels_from(TagLevel::Versioned));
}
