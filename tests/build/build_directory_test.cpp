// What builds keep beside a store: counted and collected together.
#include "cooper/build/build_directory.hpp"

#include "cooper/base/files.hpp"

#include "oci/store_support.hpp"

#include <catch2/catch.hpp>

#include <fstream>

using namespace cooper;
using namespace cooper::build;
namespace fs = std::filesystem;

namespace {

constexpr const char* kForm = "chroot";

struct BuildsSetting {
    TempDirectory directory;
    fs::path store_path = directory.path() / "store";
    fs::path builds = store_path / "build";
    oci::Store store{store_path};
    Confinement how = make_confinement();
    CacheMounts mounts{builds / "mounts", how};
    Run run;

    static Confinement make_confinement() {
        Confinement made;
        made.isolation = Isolation::Chroot;
        return made;
    }
    /// Something that lies where an unpacked layer would; of it only name and age count here.
    void layer(const Digest& diff_id, std::chrono::hours age) const {
        const fs::path path = builds / "layers" / kForm / "layers" / std::string(diff_id.hex());
        fs::create_directories(path);
        fs::create_directories(builds / "layers" / kForm / "work");
        std::ofstream(path / "index") << std::string(1000, 'i');
        testing::make_older(path, age);
    }
    void mount(const std::string& id, std::size_t size, std::chrono::hours age) {
        CacheMounts::Wanted wanted;
        wanted.id = id;
        const fs::path tree = mounts.acquire(wanted, run)->path();
        write_file(tree / "file", std::string(size, 'm'));
        testing::make_older(tree.parent_path(), age);
    }
    void step(const std::string& name, const Digest& diff_id) const {
        BuildCache(store, builds / "steps").remember({sha256(name), diff_id, 1, name, std::nullopt, {}});
    }
    BuildUsage collect(const BuildGcOptions& options) const { return collect_builds(builds, options, run); }
};

Digest layer_of(const std::string& name) {
    return sha256("layer " + name);
}

}  // namespace

TEST_CASE("build directory: nothing is there before the first build", "[unit][build]") {
    const TempDirectory directory;
    CHECK(build_usage(directory.path() / "build", {}).bytes() == 0);
    CHECK(collect_builds(directory.path() / "build", {}, {}).bytes() == 0);
    CHECK_FALSE(fs::exists(directory.path() / "build"));
}

TEST_CASE("build directory: layers, mounts and steps are counted", "[unit][build]") {
    BuildsSetting s;
    s.layer(layer_of("a"), std::chrono::hours(0));
    s.mount("m", 50'000, std::chrono::hours(0));
    s.step("make", layer_of("a"));
    const BuildUsage usage = build_usage(s.builds, s.run);
    CHECK(usage.layers.layers == 1);
    CHECK(usage.layers.bytes >= 1000);
    CHECK(usage.mounts.mounts == 1);
    CHECK(usage.mounts.bytes >= 50'000);
    CHECK(usage.steps == 1);
    CHECK(usage.bytes() == usage.layers.bytes + usage.mounts.bytes);
}

TEST_CASE("build directory: without a limit nothing that is whole goes", "[unit][build]") {
    BuildsSetting s;
    s.layer(layer_of("a"), std::chrono::hours(24 * 1000));
    s.mount("m", 1000, std::chrono::hours(24 * 1000));
    const BuildUsage gone = s.collect({});
    CHECK(gone.layers.layers == 0);
    CHECK(gone.mounts.mounts == 0);
}

TEST_CASE("build directory: what nobody used for so long goes, and its steps with it", "[unit][build]") {
    BuildsSetting s;
    s.layer(layer_of("old"), std::chrono::hours(100));
    s.layer(layer_of("new"), std::chrono::hours(1));
    s.mount("old", 1000, std::chrono::hours(100));
    s.mount("new", 1000, std::chrono::hours(1));
    s.step("old", layer_of("old"));
    s.step("new", layer_of("new"));
    const BuildGcOptions by_age{std::chrono::hours(50), std::nullopt, true};
    CHECK(s.collect(by_age).layers.layers == 1);
    CHECK(s.collect(by_age).mounts.mounts == 1);
    CHECK(collect_steps(s.builds, s.store, std::nullopt, false, s.run) == 0);
    const BuildUsage gone = s.collect({by_age.max_age, std::nullopt, false});
    CHECK(gone.layers.layers == 1);
    CHECK(gone.mounts.mounts == 1);
    CHECK(collect_steps(s.builds, s.store, std::nullopt, true, s.run) == 1);
    CHECK(collect_steps(s.builds, s.store, std::nullopt, false, s.run) == 1);
    const BuildUsage left = build_usage(s.builds, s.run);
    CHECK(left.layers.layers == 1);
    CHECK(left.mounts.mounts == 1);
    CHECK(left.steps == 1);
}

TEST_CASE("build directory: to be small enough, the oldest go first", "[unit][build]") {
    BuildsSetting s;
    for (const int days : {40, 10, 3, 0}) {
        s.mount(std::to_string(days), 100'000, std::chrono::hours(24 * days));
    }
    const auto names_left = [&] { return build_usage(s.builds, s.run).mounts.mounts; };
    CHECK(s.collect({std::nullopt, 1'000'000, false}).mounts.mounts == 0);
    CHECK(s.collect({std::nullopt, 250'000, true}).mounts.mounts == 2);
    CHECK(names_left() == 4);
    CHECK(s.collect({std::nullopt, 350'000, false}).mounts.mounts == 1);
    CHECK(s.collect({std::nullopt, 150'000, false}).mounts.mounts == 2);
    CHECK(names_left() == 1);
    CHECK(s.collect({std::nullopt, 0, false}).mounts.mounts == 0);  // it was used within the hour
}
