// One changelog, many writers, and an unreliable store.
#include "cooper/base/error.hpp"
#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/publish.hpp"

#include "delivery/delivery_support.hpp"
#include "support/fake_clock.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <random>
#include <thread>

using namespace cooper;
using namespace cooper::delivery;
using cooper::testing::count_of;
using cooper::testing::entry_of;
using cooper::testing::FakeClock;
using cooper::testing::MemoryPlace;

namespace {

const std::string kKey = "main/CHANGELOG.md";

class Fixture {
public:
    FakeClock clock;
    Run run{{}, &clock, &no_progress()};
};

/// The i-th of many builds, of two repositories in turn.
ChangelogEntry numbered(int i) {
    ChangelogEntry entry = entry_of("2024-01-15T00:00:00Z", std::to_string(1'000'000 + i));
    entry.time += std::chrono::seconds(i);
    if (i % 2 == 1) {
        entry.repository = "https://github.com/acme/runtime-api";
        entry.commit_url = entry.repository + "/commit/" + entry.commit;
    }
    return entry;
}

std::size_t entry_objects(const MemoryPlace& place) {
    std::size_t count = 0;
    for (const auto& [key, text] : place.contents()) {
        count += key.starts_with("main/.entries/") ? 1U : 0U;
    }
    return count;
}

void check_each_once(const MemoryPlace& place, int count) {
    const std::string text = place.text(kKey);
    const auto entries = parse_changelog(text);
    CHECK(entries.size() == static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        CHECK(count_of(text, "Z - " + std::to_string(1'000'000 + i) + "\n") == 1);
    }
    std::vector<ChangelogEntry> all;
    for (int i = 0; i < count; ++i) {
        all.push_back(numbered(i));
    }
    CHECK(text == "foreign\n\n" + merge_entries("", all));
}

/// Faults of a store, at random: an answer that never comes, before or after the deed.
class Unreliable {
public:
    explicit Unreliable(unsigned percent) : percent_(percent) {}
    void operator()(const std::string& step, const std::string& /*key*/) {
        const std::scoped_lock lock(mutex_);
        if (step == "replace_text" && random_() % 100 < percent_) {
            throw Error(ErrorCode::Unavailable, "503 SlowDown");
        }
    }

private:
    unsigned percent_;
    std::mutex mutex_;
    std::minstd_rand random_{7};
};

}  // namespace

TEST_CASE("update_changelog: writes the entry object first, then the changelog", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    CHECK(update_changelog(place, "main", numbered(0), fixture.run));
    CHECK(place.text(kKey) == merge_entry("", numbered(0)));
    REQUIRE(entry_objects(place) == 1);
    std::vector<std::string> writes;
    for (const std::string& step : place.steps()) {
        if (step.starts_with("replace_text")) {
            writes.push_back(step);
        }
    }
    REQUIRE(writes.size() == 2);
    CHECK(
        writes[0].starts_with("replace_text main/.entries/20240115T000000Z-1000000000000000000000000000000000000000-"));
    CHECK(writes[1] == "replace_text main/CHANGELOG.md");
}

TEST_CASE("update_changelog: the same entry again is one look and no write", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    update_changelog(place, "main", numbered(0), fixture.run);
    const auto before = place.contents();
    place.forget_steps();
    ChangelogEntry again = numbered(0);
    again.time += std::chrono::hours(1);
    CHECK_FALSE(update_changelog(place, "main", again, fixture.run));
    CHECK(place.contents() == before);
    CHECK(place.steps() == std::vector<std::string>{"find_text " + kKey});
}

TEST_CASE("update_changelog: more images of a build are merged into its entry", "[unit][delivery]") {
    const Fixture fixture;
    for (const bool conditional : {true, false}) {
        MemoryPlace place(conditional);
        update_changelog(place, "main", numbered(0), fixture.run);
        ChangelogEntry more = numbered(0);
        more.time += std::chrono::hours(1);
        more.images = {"another"};
        CHECK(update_changelog(place, "main", more, fixture.run));
        const auto entries = parse_changelog(place.text(kKey));
        REQUIRE(entries.size() == 1);
        CHECK(entries[0].time == numbered(0).time);
        CHECK(entries[0].images == std::vector<std::string>{"another", "openhands"});
        CHECK(entry_objects(place) == 2);
        place.set_text(kKey, "");
        CHECK(rebuild_changelog(place, "main", fixture.run));
        CHECK(parse_changelog(place.text(kKey)).at(0).images == entries[0].images);
    }
}

TEST_CASE("update_changelog: twenty publishers at once, twenty entries, each once", "[unit][delivery]") {
    for (const bool conditional : {true, false}) {
        for (const unsigned percent : {0U, 30U}) {
            FakeClock clock;
            const Run run{{}, &clock, &no_progress()};
            MemoryPlace place(conditional);
            place.set_text(kKey, "foreign\n");
            Unreliable before(percent);
            Unreliable after(percent);
            place.before = [&](const std::string& step, const std::string& key) {
                std::this_thread::yield();
                before(step, key);
            };
            place.after = [&](const std::string& step, const std::string& key) { after(step, key); };
            std::atomic<int> failed{0};
            {
                std::vector<std::jthread> publishers;
                for (int i = 0; i < 20; ++i) {
                    publishers.emplace_back([&, i] {
                        try {
                            // A command that fails on a store's 503 is run again, as a job would be.
                            for (int attempt = 0; attempt < 10; ++attempt) {
                                try {
                                    update_changelog(place, "main", numbered(i), run);
                                    return;
                                } catch (const Error& error) {
                                    if (error.code() != ErrorCode::Unavailable) {
                                        throw;
                                    }
                                }
                            }
                            ++failed;
                        } catch (const std::exception&) {
                            ++failed;
                        }
                    });
                }
            }
            INFO("conditional " << conditional << ", faults " << percent << " %");
            CHECK(failed == 0);
            check_each_once(place, 20);
            CHECK(entry_objects(place) == 20);
        }
    }
}

TEST_CASE("update_changelog: a write whose answer is lost is recognised as one's own", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    int lost = 0;
    place.after = [&](const std::string& step, const std::string& /*key*/) {
        if (step == "replace_text" && lost < 2) {
            ++lost;
            throw Error(ErrorCode::Unavailable, "connection reset");
        }
    };
    CHECK(update_changelog(place, "main", numbered(0), fixture.run));
    CHECK(lost == 2);
    CHECK(place.text(kKey) == merge_entry("", numbered(0)));
    CHECK(entry_objects(place) == 1);
}

TEST_CASE("update_changelog: a crash after any step is repaired by running again", "[unit][delivery]") {
    class Crash {};
    for (const bool conditional : {true, false}) {
        for (const bool afterwards : {true, false}) {
            int steps_in_all = 100;
            for (int crash_at = 0; crash_at < steps_in_all; ++crash_at) {
                const Fixture fixture;
                MemoryPlace place(conditional);
                place.set_text(kKey, "foreign\n");
                int step_number = 0;
                const auto crash = [&](const std::string& /*step*/, const std::string& /*key*/) {
                    if (step_number++ == crash_at) {
                        throw Crash();
                    }
                };
                (afterwards ? place.after : place.before) = crash;
                try {
                    update_changelog(place, "main", numbered(0), fixture.run);
                    steps_in_all = 0;  // nothing is left to crash at
                } catch (const Crash&) {
                }
                place.before = nullptr;
                place.after = nullptr;
                ChangelogEntry again = numbered(0);
                again.time += std::chrono::hours(1);
                update_changelog(place, "main", again, fixture.run);
                const auto entries = parse_changelog(place.text(kKey));
                INFO("conditional " << conditional << ", afterwards " << afterwards << ", step " << crash_at);
                REQUIRE(entries.size() == 1);
                CHECK(entry_objects(place) == 1);
                CHECK(place.text(kKey).starts_with("foreign\n\n"));
                // Whichever run's time it is, the changelog and the repair source agree.
                CHECK(place.contents().begin()->first.starts_with("main/.entries/" + format_amz(entries[0].time)));
            }
        }
    }
}

TEST_CASE("update_changelog: foreign text that comes in between is kept", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    bool edited = false;
    place.before = [&](const std::string& step, const std::string& key) {
        if (step == "replace_text" && key == kKey && !edited) {
            edited = true;
            place.set_text(kKey, "# Written by hand\r\n");
        }
    };
    update_changelog(place, "main", numbered(0), fixture.run);
    CHECK(place.text(kKey).starts_with("# Written by hand\r\n\r\n## Build History\r\n\r\n### "));
}

TEST_CASE("update_changelog: a race that is always lost ends, and says which", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    int edits = 0;
    place.before = [&](const std::string& step, const std::string& key) {
        if (step == "replace_text" && key == kKey) {
            place.set_text(kKey, "edit " + std::to_string(edits++));
        }
    };
    CHECK_THROWS_AS(update_changelog(place, "main", numbered(0), fixture.run), LostRace);
    CHECK(edits >= 20);
    CHECK(entry_objects(place) == 1);
    CHECK_FALSE(fixture.clock.sleeps().empty());
}

TEST_CASE("update_changelog: a store that is down is unavailable, not a lost race", "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place;
    place.before = [&](const std::string& step, const std::string& key) {
        if (step == "replace_text" && key == kKey) {
            throw Error(ErrorCode::Unavailable, "503");
        }
    };
    try {
        update_changelog(place, "main", numbered(0), fixture.run);
        FAIL("wrote to a store that is down");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Unavailable);
        CHECK_THAT(error.what(), Catch::Contains("503"));
    }
}

TEST_CASE("update_changelog: a stop request ends the waiting", "[unit][delivery]") {
    const Fixture fixture;
    std::stop_source stop;
    const Run run = fixture.run.with_stop(stop.get_token());
    MemoryPlace place;
    int edits = 0;
    place.before = [&](const std::string& step, const std::string& key) {
        if (step == "replace_text" && key == kKey) {
            place.set_text(kKey, "edit " + std::to_string(edits));
            if (++edits == 3) {
                stop.request_stop();
            }
        }
    };
    CHECK_THROWS_AS(update_changelog(place, "main", numbered(0), run), Cancelled);
    CHECK(edits == 3);
}

TEST_CASE("update_changelog: without conditional writes an entry that was overwritten comes back with the next",
          "[unit][delivery]") {
    const Fixture fixture;
    MemoryPlace place(false);
    place.set_text(kKey, "foreign\n");
    update_changelog(place, "main", numbered(0), fixture.run);
    place.set_text(kKey, "foreign\n");  // a slow writer that had read the old text
    update_changelog(place, "main", numbered(1), fixture.run);
    check_each_once(place, 2);
}

TEST_CASE("update_changelog: an object that is no entry is left out, not a stop for all", "[unit][delivery]") {
    class Notices final : public Progress {
    public:
        void notice(NoticeLevel level, std::string_view text) noexcept override {
            if (level == NoticeLevel::Warning) {
                warnings += text;
            }
        }
        std::string warnings;
    } notices;
    FakeClock clock;
    const Run run{{}, &clock, &notices};
    MemoryPlace place(false);
    place.set_text("main/.entries/20240101T000000Z-0badbad-000000000000.json", "{}");
    place.set_text("main/.entries/notes.txt", "x");
    CHECK(update_changelog(place, "main", numbered(0), run));
    CHECK(parse_changelog(place.text(kKey)).size() == 1);
    CHECK_THAT(notices.warnings, Catch::Contains("0badbad"));
}

TEST_CASE("rebuild_changelog: entries come back from their objects, foreign text stays", "[unit][delivery]") {
    const Fixture fixture;
    for (const bool conditional : {true, false}) {
        MemoryPlace place(conditional);
        for (int i = 0; i < 5; ++i) {
            update_changelog(place, "main", numbered(i), fixture.run);
        }
        place.set_text(kKey, "foreign\n");
        CHECK(rebuild_changelog(place, "main", fixture.run));
        check_each_once(place, 5);
        CHECK_FALSE(rebuild_changelog(place, "main", fixture.run));
        CHECK_FALSE(rebuild_changelog(place, "other", fixture.run));
    }
}
