#include "cooper/delivery/publish.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/changelog.hpp"

#include "delivery/delivery_support.hpp"
#include "support/fake_clock.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>

using namespace cooper;
using namespace cooper::delivery;
using cooper::testing::at;
using cooper::testing::count_of;
using cooper::testing::FakeClock;
using cooper::testing::LayerSpec;
using cooper::testing::memory_image;
using cooper::testing::MemoryBlobs;
using cooper::testing::MemoryPlace;
using cooper::testing::random_bytes;

namespace fs = std::filesystem;

namespace {

const std::string kCommit = "abc1234def5678abc1234def5678abc1234def56";
const std::string kFolder = "jps/x/abc1234/";

struct Sample {
    std::shared_ptr<MemoryBlobs> blobs;
    PublishImage image;
};

Sample sample(const std::string& name, unsigned seed = 1, LayerSpec::Form form = LayerSpec::Form::Gzip,
              std::size_t size = 300'000) {
    std::shared_ptr<MemoryBlobs> blobs;
    oci::Image image = memory_image(
        {{form, random_bytes(size, seed)}, {LayerSpec::Form::Plain, random_bytes(size / 4, seed + 50)}}, &blobs);
    return {blobs, {std::move(image), name, "latest", {"docker.io/library/" + name + ":latest"}, name + ":latest"}};
}

BuildInfo build_of(const std::string& commit = kCommit) {
    BuildInfo build;
    build.branch = "jps/x";
    build.commit = commit;
    build.subject = "Initial feature implementation";
    build.repository = "https://github.com/acme/openhands";
    build.commit_url = build.repository + "/commit/" + commit;
    return build;
}

class Fixture {
public:
    FakeClock clock{at("2024-01-15T14:30:25Z")};
    Run run{{}, &clock, &no_progress()};
};

std::string tarball_of(const PublishImage& image) {
    const auto plan = oci::ArchivePlan::make({{image.image, image.repo_tags}});
    return read_all(*plan.open(), 1 << 28, "tarball");
}

std::size_t tarballs_in(const std::map<std::string, std::string>& contents) {
    return static_cast<std::size_t>(
        std::count_if(contents.begin(), contents.end(), [](const auto& item) { return item.first.ends_with(".tar"); }));
}

}  // namespace

TEST_CASE("publish: tarballs lie at BRANCH/SHORT_SHA/NAME:TAG.tar, and the changelog tells", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    const Sample first = sample("openhands");
    const Sample second = sample("runtime-api", 2);
    const Published published = publish({first.image, second.image}, build_of(), place, {}, fixture.run);
    const std::string tarball = tarball_of(first.image);
    CHECK(place.text(kFolder + "openhands:latest.tar") == tarball);
    CHECK(place.text(kFolder + "runtime-api:latest.tar") == tarball_of(second.image));
    REQUIRE(published.images.size() == 2);
    const PublishedImage& image = published.images[0];
    CHECK(image.key == kFolder + "openhands:latest.tar");
    CHECK(image.file == "openhands_latest.tar");
    CHECK(image.size == tarball.size());
    CHECK(image.sha256 == sha256(tarball).hex());
    CHECK(image.image_id == first.image.image.config.image_id().text());
    CHECK_FALSE(image.already_there);
    CHECK(image.link.url == "https://store.example/jps/x/abc1234/openhands%3Alatest.tar");
    CHECK(image.link.expires == at("2024-01-16T02:30:25Z"));
    CHECK(published.changelog_key == "jps/x/CHANGELOG.md");
    CHECK(published.changelog_changed);
    CHECK(place.text("jps/x/CHANGELOG.md") ==
          "## Build History\n\n### 2024-01-15 14:30:25Z - abc1234\n"
          "**Commit**: `abc1234` - Initial feature implementation\n"
          "**Images**: openhands, runtime-api\n"
          "**Links**: [commit](https://github.com/acme/openhands/commit/" +
              kCommit +
              "), [files](abc1234/)\n"
              "**Repository**: https://github.com/acme/openhands\n");
}

TEST_CASE("publish: the changelog is the last write, after all tarballs", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    publish({sample("a").image, sample("b", 2).image}, build_of(), place, {}, fixture.run);
    const auto steps = place.steps();
    const auto position = [&](const std::string& step) {
        return std::find(steps.begin(), steps.end(), step) - steps.begin();
    };
    CHECK(position("complete " + kFolder + "a:latest.tar") < position("complete " + kFolder + "b:latest.tar"));
    CHECK(position("complete " + kFolder + "b:latest.tar") < position("replace_text jps/x/CHANGELOG.md"));
    CHECK(position("replace_text jps/x/CHANGELOG.md") < std::ssize(steps));
}

TEST_CASE("publish: again and unchanged, it pulls nothing and writes nothing", "[unit][delivery]") {
    for (const LayerSpec::Form form : {LayerSpec::Form::Gzip, LayerSpec::Form::Zstd}) {
        for (const oci::LayerForm layers : {oci::LayerForm::Keep, oci::LayerForm::Uncompressed}) {
            const Fixture fixture;
            MemoryPlace place;
            const Sample image = sample("openhands", 1, form);
            PublishOptions options;
            options.layers = layers;
            const Published first = publish({image.image}, build_of(), place, options, fixture.run);
            const auto contents = place.contents();
            const int opened = image.blobs->opened();
            place.forget_steps();
            const Published second = publish({image.image}, build_of(), place, options, fixture.run);
            CHECK(image.blobs->opened() == opened);
            CHECK(place.contents() == contents);
            CHECK(place.steps().size() == 4);  // the changelog, the tarball, its lock, SHA256SUMS
            CHECK(second.images[0].already_there);
            CHECK(second.images[0].sha256 == first.images[0].sha256);
            CHECK(second.images[0].size == first.images[0].size);
            CHECK_FALSE(second.changelog_changed);
        }
    }
}

TEST_CASE("publish: other bytes for the same commit are refused, and nothing is overwritten", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    publish({sample("openhands", 1).image}, build_of(), place, {}, fixture.run);
    const auto contents = place.contents();
    const Sample other = sample("openhands", 2);
    try {
        publish({other.image}, build_of(), place, {}, fixture.run);
        FAIL("overwrote a delivery");
    } catch (const DifferentBytes& error) {
        CHECK(error.code() == ErrorCode::Conflict);
        CHECK_THAT(error.what(), Catch::Contains("openhands:latest.tar has other bytes for commit abc1234"));
        CHECK_FALSE(error.advice().empty());
    }
    CHECK(place.contents() == contents);
    CHECK(other.blobs->opened() == 0);
}

TEST_CASE("publish: more images of a commit join its entry", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    const Sample first = sample("openhands");
    publish({first.image}, build_of(), place, {}, fixture.run);
    const Published published =
        publish({first.image, sample("runtime-api", 2).image}, build_of(), place, {}, fixture.run);
    CHECK(published.images[0].already_there);
    CHECK_FALSE(published.images[1].already_there);
    const auto entries = parse_changelog(place.text("jps/x/CHANGELOG.md"));
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].images == std::vector<std::string>{"openhands", "runtime-api"});
}

TEST_CASE("publish: a layer that is not what its digest says leaves nothing visible", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    const Sample good = sample("a");
    const Sample lying = sample("b", 2);
    const oci::Descriptor& layer = lying.image.image.manifest.layers[1];
    std::string bytes = random_bytes(layer.size, 99);
    SECTION("other bytes") {}
    SECTION("too short") {
        bytes.pop_back();
    }
    SECTION("too long") {
        bytes += "x";
    }
    lying.blobs->replace(layer.digest, bytes);
    try {
        publish({good.image, lying.image}, build_of(), place, {}, fixture.run);
        FAIL("delivered a lie");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Integrity);
        CHECK_THAT(
            error.what(),
            Catch::Contains("publishing b:latest (2 of 2; complete: a:latest.tar; the changelog was not written)"));
    }
    CHECK(place.contents().size() == 2);
    CHECK(place.text(kFolder + "a:latest.tar") == tarball_of(good.image));
    CHECK_FALSE(place.text(kFolder + "a_latest.tar.lock.json").empty());
}

TEST_CASE("publish: a crash at any step leaves the state before or after, and running again completes it",
          "[unit][delivery]") {
    class Crash {};
    const Sample first = sample("a");
    const Sample second = sample("b", 2);
    for (const bool afterwards : {true, false}) {
        bool crashed = true;
        for (int crash_at = 0; crashed; ++crash_at) {
            const Fixture fixture;
            MemoryPlace place;
            place.part_bytes = 128 * 1024;
            std::atomic<int> step_number{0};
            (afterwards ? place.after : place.before) = [&](const std::string& /*step*/, const std::string& /*key*/) {
                if (step_number++ == crash_at) {
                    throw Crash();
                }
            };
            crashed = false;
            try {
                publish({first.image, second.image}, build_of(), place, {}, fixture.run);
            } catch (const Crash&) {
                crashed = true;
            }
            place.before = nullptr;
            place.after = nullptr;
            INFO("afterwards " << afterwards << ", step " << crash_at);
            for (const auto& [key, bytes] : place.contents()) {
                if (key.ends_with(".tar")) {
                    CHECK(bytes == tarball_of(key.ends_with("a:latest.tar") ? first.image : second.image));
                }
            }
            if (!place.text("jps/x/CHANGELOG.md").empty()) {
                CHECK(tarballs_in(place.contents()) == 2);
            }
            publish({first.image, second.image}, build_of(), place, {}, fixture.run);
            CHECK(tarballs_in(place.contents()) == 2);
            // Two tarballs, their locks, three files for those who receive them, one entry, one changelog.
            CHECK(place.contents().size() == 9);
            CHECK(parse_changelog(place.text("jps/x/CHANGELOG.md")).size() == 1);
        }
    }
}

TEST_CASE("publish: another publisher that was faster with the same bytes is as good", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    const Sample image = sample("openhands");
    bool raced = false;
    place.before = [&](const std::string& step, const std::string& /*key*/) {
        if (step == "complete" && !raced) {
            raced = true;
            publish({image.image}, build_of(), place, {}, fixture.run);
        }
    };
    const Published published = publish({image.image}, build_of(), place, {}, fixture.run);
    CHECK(raced);
    CHECK(published.images[0].already_there);
    CHECK(published.images[0].sha256 == sha256(tarball_of(image.image)).hex());
}

TEST_CASE("publish: another publisher that was faster with other bytes wins, and is not overwritten",
          "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    const Sample faster = sample("openhands", 7);
    bool raced = false;
    place.before = [&](const std::string& step, const std::string& /*key*/) {
        if (step == "complete" && !raced) {
            raced = true;
            publish({faster.image}, build_of(), place, {}, fixture.run);
        }
    };
    CHECK_THROWS_AS(publish({sample("openhands").image}, build_of(), place, {}, fixture.run), DifferentBytes);
    CHECK(place.text(kFolder + "openhands:latest.tar") == tarball_of(faster.image));
}

TEST_CASE("publish: twenty publishers of one branch, each entry once", "[unit][delivery]") {
    FakeClock clock;
    const Run run{{}, &clock, &no_progress()};
    MemoryPlace place;
    {
        std::vector<std::jthread> publishers;
        for (unsigned i = 0; i < 20; ++i) {
            publishers.emplace_back([&, i] {
                const Sample image = sample("openhands", i);
                publish({image.image}, build_of(std::to_string(10 + i) + kCommit.substr(2)), place, {}, run);
            });
        }
    }
    const std::string text = place.text("jps/x/CHANGELOG.md");
    CHECK(parse_changelog(text).size() == 20);
    CHECK(tarballs_in(place.contents()) == 20);
    for (int i = 10; i < 30; ++i) {
        CHECK(count_of(text, " - " + std::to_string(i) + "c1234\n") == 1);
    }
}

TEST_CASE("publish: two commits with one short SHA get folders of their own", "[unit][delivery]") {
    const Fixture fixture;
    const std::string other = "abc1234" + std::string(33, 'f');
    const Sample first = sample("openhands", 1);
    const Sample second = sample("openhands", 2);
    MemoryPlace place;
    SECTION("known from the changelog") {
        publish({first.image}, build_of(), place, {}, fixture.run);
    }
    SECTION("known from the tarball alone, as that run did not get to its end") {
        place.before = [](const std::string& step, const std::string& /*key*/) {
            if (step == "list") {
                throw Error(ErrorCode::Unavailable, "503");
            }
        };
        CHECK_THROWS_AS(publish({first.image}, build_of(), place, {}, fixture.run), Error);
        place.before = nullptr;
    }
    const Published published = publish({second.image}, build_of(other), place, {}, fixture.run);
    CHECK(published.images[0].key == "jps/x/abc1234fffff/openhands:latest.tar");
    CHECK_FALSE(published.images[0].already_there);
    CHECK(count_of(place.text("jps/x/CHANGELOG.md"), "[files](abc1234fffff/)") == 1);
    CHECK(publish({second.image}, build_of(other), place, {}, fixture.run).images[0].already_there);
    publish({first.image}, build_of(), place, {}, fixture.run);
    CHECK(parse_changelog(place.text("jps/x/CHANGELOG.md")).size() == 2);
    CHECK(tarballs_in(place.contents()) >= 2);
}

TEST_CASE("publish: a build stays in the folder that the changelog names", "[unit][delivery]") {
    const Fixture fixture;
    const std::string other = "abc1234" + std::string(33, 'f');
    const Sample image = sample("openhands", 2);
    MemoryPlace first;
    publish({sample("openhands", 1).image}, build_of(), first, {}, fixture.run);
    publish({image.image}, build_of(other), first, {}, fixture.run);
    // Here the build that had the short folder was taken out by hand.
    MemoryPlace place;
    const std::string text = first.text("jps/x/CHANGELOG.md");
    const auto entries = parse_changelog(text);
    REQUIRE(entries.size() == 2);
    const ParsedEntry& own = entries[0].short_sha == "abc1234fffff" ? entries[0] : entries[1];
    place.set_text("jps/x/CHANGELOG.md", "## Build History\n\n" + text.substr(own.begin, own.end - own.begin));
    CHECK(publish({image.image}, build_of(other), place, {}, fixture.run).images[0].key ==
          "jps/x/abc1234fffff/openhands:latest.tar");
}

TEST_CASE("publish: a record that got lost is made anew if the bytes agree", "[unit][delivery]") {
    const Fixture fixture;
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path());
    const Sample image = sample("openhands");
    const Published first = publish({image.image}, build_of(), *place, {}, fixture.run);
    const fs::path facts = directory.path() / kFolder / ".openhands:latest.tar.json";
    REQUIRE(fs::remove(facts));
    const Published second = publish({image.image}, build_of(), *place, {}, fixture.run);
    CHECK(second.images[0].already_there);
    CHECK(second.images[0].sha256 == first.images[0].sha256);
    CHECK(fs::exists(facts));
    const int opened = image.blobs->opened();
    publish({image.image}, build_of(), *place, {}, fixture.run);
    CHECK(image.blobs->opened() == opened);
    fs::remove(facts);
    CHECK_THROWS_AS(publish({sample("openhands", 3).image}, build_of(), *place, {}, fixture.run), DifferentBytes);
    CHECK_FALSE(fs::exists(facts));
}

TEST_CASE("publish: an object under the key that nobody recorded is not taken for ours", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    const Sample image = sample("openhands");
    place.set_text(kFolder + "openhands:latest.tar", tarball_of(image.image));
    CHECK_THROWS_AS(publish({image.image}, build_of(), place, {}, fixture.run), DifferentBytes);
    place.set_text(kFolder + "openhands:latest.tar", "something else");
    CHECK_THROWS_AS(publish({image.image}, build_of(), place, {}, fixture.run), DifferentBytes);
    CHECK(place.text(kFolder + "openhands:latest.tar") == "something else");
}

TEST_CASE("publish: what cannot be delivered is refused before anything is touched", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    const Sample image = sample("openhands");
    CHECK_THROWS_AS(publish({}, build_of(), place, {}, fixture.run), Error);
    CHECK_THROWS_WITH(publish({image.image, image.image}, build_of(), place, {}, fixture.run),
                      Catch::Contains("openhands:latest"));
    PublishImage hostile = image.image;
    hostile.name = "../../etc/passwd";
    CHECK_THROWS_AS(publish({hostile}, build_of(), place, {}, fixture.run), Error);
    BuildInfo build = build_of();
    build.branch = "../x";
    CHECK_THROWS_AS(publish({image.image}, build, place, {}, fixture.run), Error);
    build = build_of();
    build.commit = "main";
    CHECK_THROWS_AS(publish({image.image}, build, place, {}, fixture.run), Error);
    CHECK(place.steps().empty());
}

TEST_CASE("publish: every evil branch name is delivered, and its changelog tells", "[unit][delivery]") {
    const Fixture fixture;
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path());
    const Sample image = sample("a", 1, LayerSpec::Form::Gzip, 100);
    std::set<std::string> keys;
    for (const std::string& name : cooper::testing::evil_branches()) {
        BuildInfo build = build_of();
        build.branch = name;
        build.subject = name;
        build.notes = name + "\n" + name;
        INFO(name);
        if (std::any_of(name.begin(), name.end(),
                        [n = 0](char c) mutable { return c == '/' ? (n = 0, false) : ++n > 80; })) {
            continue;  // as a key one part may be longer than a file system's 255 bytes
        }
        const Published published = publish({image.image}, build, *place, {}, fixture.run);
        keys.insert(published.changelog_key);
        const auto text = place->find_text(published.changelog_key, fixture.run);
        REQUIRE(text);
        CHECK(parse_changelog(text->text).size() == 1);
    }
    CHECK(keys.size() > 200);
}
