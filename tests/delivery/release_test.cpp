// Releases into a place that fails at any step: the old one or the new one, and the new one in the end.
#include "cooper/delivery/release.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/delivery/builds.hpp"

#include "delivery/delivery_support.hpp"
#include "delivery/release/journal.hpp"
#include "support/fake_clock.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace cooper;
using namespace cooper::delivery;
using cooper::testing::at;
using cooper::testing::count_of;
using cooper::testing::FakeClock;
using cooper::testing::LayerSpec;
using cooper::testing::memory_image;
using cooper::testing::MemoryPlace;
using cooper::testing::random_bytes;

namespace {

const std::string kCommit = "abc1234def5678abc1234def5678abc1234def56";
const std::string kEarlier = "0123456def5678abc1234def5678abc1234def56";
const std::string kFolder = "jps/x/abc1234/";

ReleaseImage release_image(const std::string& name, unsigned seed = 1) {
    const oci::Image image = memory_image({{LayerSpec::Form::Gzip, random_bytes(30'000, seed)},
                                           {LayerSpec::Form::Plain, random_bytes(7'000, seed + 50)}});
    PublishImage published{image, name, "v1", {"docker.io/library/" + name + ":v1"}, name + ":v1"};
    return {.image = std::move(published), .graph = oci::graph_of(image), .pushes = {}, .mount_from = {}};
}

std::vector<ReleaseImage> three_images(unsigned seed = 1) {
    return {release_image("api", seed), release_image("app", seed + 1), release_image("web", seed + 2)};
}

BuildInfo release_build(const std::string& commit = kCommit) {
    BuildInfo build;
    build.branch = "jps/x";
    build.commit = commit;
    build.subject = "Subject";
    build.repository = "https://github.com/acme/openhands";
    return build;
}

/// A place with an earlier release in it.
class Releases {
public:
    Releases() {
        release(three_images(100), release_build(kEarlier), &place, nullptr, options, run);
        before = visible();
        clock.advance(std::chrono::hours(400));
        place.forget_steps();
    }

    Released make(const std::string& commit = kCommit) {
        return release(three_images(), release_build(commit), &place, nullptr, options, run);
    }

    /// What a reader sees: not cooper's own records.
    [[nodiscard]] std::map<std::string, std::string> visible() const {
        std::map<std::string, std::string> contents = place.contents();
        std::erase_if(contents, [](const auto& item) { return item.first.find("/.") != std::string::npos; });
        return contents;
    }

    [[nodiscard]] std::string changelog() const { return place.text("jps/x/CHANGELOG.md"); }
    [[nodiscard]] bool is_new() const { return changelog().find("- abc1234") != std::string::npos; }

    /// The old release or the new one, whole.
    void check_reader() const {
        const auto now = visible();
        for (const auto& [key, bytes] : before) {
            INFO(key);
            CHECK((key == "jps/x/CHANGELOG.md" || (now.contains(key) && now.at(key) == bytes)));
        }
        if (!is_new()) {
            CHECK(changelog() == before.at("jps/x/CHANGELOG.md"));
            return;
        }
        const auto record = release_from_json(place.text(kFolder + "release.json"), "release.json");
        REQUIRE(record.images.size() == 3);
        for (const ReleasedImage& image : record.images) {
            CHECK(sha256(now.at(image.key)).hex() == image.sha256);
            CHECK(sha256(now.at(kFolder + image.file + ".lock.json")).hex() == image.lock_sha256);
            CHECK(now.at(kFolder + "SHA256SUMS").find(image.sha256) != std::string::npos);
        }
    }

    FakeClock clock{at("2024-01-15T14:30:25Z")};
    Run run{{}, &clock, &no_progress()};
    MemoryPlace place;
    ReleaseOptions options;
    std::map<std::string, std::string> before;
};

std::size_t index_of(const std::vector<std::string>& steps, const std::string& begin, bool last = false) {
    const auto fits = [&](const std::string& step) { return step.starts_with(begin); };
    if (last) {
        const auto found = std::find_if(steps.rbegin(), steps.rend(), fits);
        REQUIRE(found != steps.rend());
        return static_cast<std::size_t>(steps.rend() - found) - 1;
    }
    const auto found = std::find_if(steps.begin(), steps.end(), fits);
    REQUIRE(found != steps.end());
    return static_cast<std::size_t>(found - steps.begin());
}

/// Visible state and steps of a release that nothing disturbs.
struct Undisturbed {
    std::map<std::string, std::string> visible;
    std::size_t steps = 0;
};
Undisturbed undisturbed() {
    Releases releases;
    std::size_t steps = 0;
    releases.place.before = [&](const std::string&, const std::string&) { ++steps; };
    releases.make();
    return {releases.visible(), steps};
}

}  // namespace

TEST_CASE("release: everything is staged, then named, and the changelog is the last that readers see",
          "[unit][delivery]") {
    Releases releases;
    const Released released = releases.make();
    CHECK(released.changed);
    CHECK(released.published.images.size() == 3);
    CHECK(released.record_key == kFolder + "release.json");
    releases.check_reader();
    CHECK(releases.is_new());
    CHECK(releases.place.staged() == 0);

    const auto steps = releases.place.steps();
    const std::size_t journal = index_of(steps, "replace_text jps/x/.releases/");
    CHECK(index_of(steps, "stage ", true) < journal);
    CHECK(journal < index_of(steps, "complete_staged "));
    CHECK(index_of(steps, "complete_staged ", true) < index_of(steps, "put_text " + kFolder + "SHA256SUMS"));
    CHECK(index_of(steps, "put_text ", true) < index_of(steps, "replace_text " + kFolder + "release.json"));
    CHECK(index_of(steps, "replace_text " + kFolder + "release.json") <
          index_of(steps, "replace_text jps/x/CHANGELOG.md"));
    CHECK(index_of(steps, "replace_text jps/x/CHANGELOG.md") < index_of(steps, "remove_text jps/x/.releases/"));
    CHECK(unfinished_releases(releases.place, "jps/x", releases.run).empty());
}

TEST_CASE("release: the same again writes nothing", "[unit][delivery]") {
    Releases releases;
    releases.make();
    const auto contents = releases.place.contents();
    releases.place.forget_steps();
    const Released again = releases.make();
    CHECK_FALSE(again.changed);
    CHECK(again.published.images.at(0).already_there);
    CHECK(releases.place.contents() == contents);
    for (const std::string& step : releases.place.steps()) {
        INFO(step);
        CHECK((step.starts_with("find") || step.starts_with("list")));
    }
}

TEST_CASE("release: killed before any step, readers see the old one or the new one, and a re-run makes it the new one",
          "[unit][delivery]") {
    const Undisturbed whole = undisturbed();
    bool was_cut_with_journal = false;
    for (std::size_t cut = 0; cut < whole.steps; ++cut) {
        INFO("killed before step " << cut);
        Releases releases;
        std::size_t steps = 0;
        // A dead process does nothing more, cleaning up included.
        releases.place.before = [&](const std::string&, const std::string&) {
            if (steps++ >= cut) {
                throw Error(ErrorCode::Unavailable, "killed");
            }
        };
        CHECK_THROWS_AS(releases.make(), Error);
        releases.place.before = nullptr;
        releases.check_reader();
        was_cut_with_journal |= !unfinished_releases(releases.place, "jps/x", releases.run).empty();
        const bool was_new = releases.is_new();
        CHECK(releases.make().published.images.size() == 3);
        CHECK(releases.visible() == whole.visible);
        CHECK(unfinished_releases(releases.place, "jps/x", releases.run).empty());
        CHECK((!was_new || releases.is_new()));
    }
    CHECK(was_cut_with_journal);
}

TEST_CASE("release: an answer that is lost at any step costs nothing", "[unit][delivery]") {
    const Undisturbed whole = undisturbed();
    for (std::size_t lost = 0; lost < whole.steps; ++lost) {
        INFO("the answer of step " << lost << " is lost");
        Releases releases;
        std::size_t steps = 0;
        releases.place.after = [&](const std::string&, const std::string&) {
            if (steps++ == lost) {
                throw Error(ErrorCode::Unavailable, "no answer");
            }
        };
        try {
            releases.make();
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::Unavailable);
        }
        releases.place.after = nullptr;
        releases.check_reader();
        releases.make();
        CHECK(releases.visible() == whole.visible);
    }
}

TEST_CASE("release: a failure for good while names appear takes all of them back", "[unit][delivery]") {
    for (const std::string step : {"complete_staged", "put_text"}) {
        INFO(step);
        Releases releases;
        int seen = 0;
        releases.place.before = [&](const std::string& name, const std::string& key) {
            if (name == step && key.starts_with(kFolder) && ++seen == 2) {
                throw Error(ErrorCode::AccessDenied, "not by you");
            }
        };
        CHECK_THROWS_WITH(releases.make(), Catch::Contains("not by you") && Catch::Contains("taken back"));
        CHECK(releases.visible() == releases.before);
        CHECK(releases.place.staged() == 0);
        CHECK(unfinished_releases(releases.place, "jps/x", releases.run).empty());
        releases.place.before = nullptr;
        releases.make();
        releases.check_reader();
    }
}

TEST_CASE("release: a gate that says no leaves nothing, and sees the tarball that is sent", "[unit][delivery]") {
    Releases releases;
    const TempDirectory logs;
    const TempDirectory spool;
    releases.options.logs = logs.path();
    releases.options.spool = [&] { return spool.path(); };
    const std::map<std::string, std::string, std::less<>> variables{{"PATH", "/usr/bin:/bin"}};
    releases.options.environment = Environment(variables);
    SECTION("no") {
        releases.options.gates = {GateCommand::parse(GateKind::Scan, "grep -q PAX-NOTHING {tar}")};
        CHECK_THROWS_AS(releases.make(), GateSaidNo);
        CHECK(releases.visible() == releases.before);
        CHECK(releases.place.staged() == 0);
    }
    SECTION("yes") {
        releases.options.gates = {GateCommand::parse(GateKind::Scan, "grep -q manifest.json {tar}")};
        const Released released = releases.make();
        REQUIRE(released.gates.size() == 3);
        for (std::size_t i = 0; i < 3; ++i) {
            CHECK(released.gates[i].passed.subject == released.published.images[i].sha256);
        }
        const auto record = find_release(releases.place, "jps/x/abc1234", releases.run).value();
        CHECK(record.images[0].gates == std::vector{released.gates[0].passed});
        SECTION("also when the tarball is there already") {
            CHECK(releases.make().gates[2].passed.subject == released.published.images[2].sha256);
        }
    }
    CHECK(std::filesystem::is_empty(spool.path()));
}

TEST_CASE("release: other bytes under a key are refused before anything is visible", "[unit][delivery]") {
    Releases releases;
    releases.make();
    const auto contents = releases.visible();
    auto images = three_images();
    images[2] = release_image("web", 77);
    images.push_back(release_image("new", 78));
    CHECK_THROWS_AS(release(images, release_build(), &releases.place, nullptr, releases.options, releases.run),
                    DifferentBytes);
    CHECK(releases.visible() == contents);
    CHECK(releases.place.staged() == 0);
}

TEST_CASE("release: a withdrawn build is not released again", "[unit][delivery]") {
    Releases releases;
    releases.make();
    withdraw_build(releases.place, "jps/x", kCommit, "CVE-2024-1", releases.run);
    CHECK_THROWS_WITH(releases.make(), Catch::Contains("CVE-2024-1"));
}

TEST_CASE("release: one that was cut is taken back on request, and told to others", "[unit][delivery]") {
    Releases releases;
    bool dead = false;
    releases.place.before = [&](const std::string& name, const std::string& key) {
        dead |= name == "put_text" && key.ends_with("SHA256SUMS");
        if (dead) {
            throw Error(ErrorCode::Unavailable, "killed");
        }
    };
    CHECK_THROWS(releases.make());
    releases.place.before = nullptr;
    const auto unfinished = unfinished_releases(releases.place, "jps/x", releases.run);
    REQUIRE(unfinished.size() == 1);
    CHECK(unfinished[0].commit == kCommit);
    CHECK(unfinished[0].images == std::vector<std::string>{"api:v1", "app:v1", "web:v1"});
    CHECK(releases.visible() != releases.before);

    SECTION("undo") {
        CHECK(undo_release(releases.place, "jps/x", kCommit, nullptr, releases.run) == 1);
        CHECK(releases.visible() == releases.before);
        CHECK(undo_release(releases.place, "jps/x", kCommit, nullptr, releases.run) == 0);
    }
    SECTION("an undo that is cut is gone on with by the next release") {
        int removals = 0;
        releases.place.before = [&](const std::string& name, const std::string&) {
            if (name == "remove_tarball" && ++removals == 2) {
                throw Error(ErrorCode::Unavailable, "killed");
            }
        };
        CHECK_THROWS(undo_release(releases.place, "jps/x", kCommit, nullptr, releases.run));
        releases.place.before = nullptr;
        CHECK(unfinished_releases(releases.place, "jps/x", releases.run).at(0).undoing);
        releases.make();
        releases.check_reader();
        CHECK(releases.is_new());
    }
}

TEST_CASE("journal: both ways, and nothing outside of its folder", "[unit][delivery]") {
    Journal journal;
    journal.folder = "jps/x/abc1234";
    journal.entry = cooper::testing::entry_of("2024-01-15T14:30:25Z", "abc1234");
    journal.begun = journal.entry.time;
    TarballFacts facts;
    facts.size = 7;
    facts.identity = std::string(64, 'a');
    facts.sha256 = std::string(64, 'b');
    journal.tarballs = {{kFolder + "app:v1.tar", facts, "upload 1"}};
    journal.locks = {{kFolder + "app_v1.tar.lock.json", "{}"}};
    journal.tags = {{"ghcr.io/acme/app:v1", sha256("new"), sha256("old"), false},
                    {"ghcr.io/acme/app:latest", sha256("new"), std::nullopt, true}};
    journal.record.branch = "jps/x";
    const std::string text = journal_to_json(journal);
    const Journal read = journal_from_json(text, "a journal");
    CHECK(journal_to_json(read) == text);
    CHECK(read.tarballs == journal.tarballs);
    CHECK(read.tags.at(0).before == sha256("old"));
    CHECK(read.tags.at(1).moving);

    journal.tarballs[0].key = "other/abc1234/app:v1.tar";
    CHECK_THROWS_WITH(journal_from_json(journal_to_json(journal), "a journal"), Catch::Contains("not in its folder"));
    CHECK_THROWS_AS(journal_from_json("{\"schema\":\"cooper.journal/v9\"}", "a journal"), Error);
}
