// Blobs through the store: what comes from where, what is kept, and what happens when it goes wrong.
#include "store_support.hpp"
#include "support/small_disk.hpp"

#include <catch2/catch.hpp>

#include <thread>

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kSize = 300'000;

/// A store, a base with one blob, and the one through the other.
struct Setting {
    TempDirectory directory;
    fs::path path = directory.path() / "store";
    std::shared_ptr<ScriptedBlobs> base = std::make_shared<ScriptedBlobs>();
    std::string content = random_bytes(kSize, 7);
    Descriptor blob = base->add(content);
    FakeClock clock;
    Warnings warnings;
    Run run{.stop = {}, .clock = &clock, .progress = &warnings};
    std::optional<Store> store{path};

    std::shared_ptr<const Blobs> through() const { return store->through(base); }
    /// As a process that starts anew.
    void reopen() {
        store.reset();
        store.emplace(path);
    }
    [[nodiscard]] bool is_kept() const { return fs::exists(blob_file(path, blob.digest)); }
    [[nodiscard]] std::vector<std::string> ingest() const { return names_in(path / "ingest"); }
    [[nodiscard]] fs::path partial() const { return path / "ingest" / ("sha256-" + std::string(blob.digest.hex())); }
};

using Offsets = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("store: a blob is fetched once and then comes from the store, verified", "[unit][oci]") {
    Setting s;
    REQUIRE(s.through()->verifies());
    CHECK_FALSE(s.store->has(s.blob.digest));
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(s.store->has(s.blob.digest));
    CHECK(s.store->find(s.blob.digest) == blob_file(s.path, s.blob.digest));
    CHECK(s.ingest().empty());
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(content_of(*s.store->through(nullptr), s.blob, s.run) == s.content);
    CHECK(content_of(*s.through(), s.blob, s.run, kSize - 5) == s.content.substr(kSize - 5));
    CHECK(s.base->opened() == Offsets{0});
    CHECK(s.warnings.texts().empty());
}

TEST_CASE("store: the last bytes are handed out when the blob is kept, not later", "[unit][oci]") {
    Setting s;
    const auto source = s.through()->open(s.blob, 0, s.run);
    CHECK(read_some(*source, kSize - 1).size() == kSize - 1);
    CHECK_FALSE(s.is_kept());
    CHECK(read_some(*source, 1).size() == 1);
    CHECK(s.is_kept());
}

TEST_CASE("store: an interrupted blob goes on where it stopped, in another process", "[unit][oci]") {
    Setting s;
    s.base->cut_at = 123'456;
    CHECK_THROWS_WITH(content_of(*s.through(), s.blob, s.run), "the connection broke");
    CHECK(fs::file_size(s.partial()) == 123'456);
    s.reopen();
    s.base->cut_at = 200'000;
    CHECK_THROWS_WITH(content_of(*s.through(), s.blob, s.run), "the connection broke");
    s.base->cut_at.reset();
    s.reopen();
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(s.base->opened() == Offsets{0, 123'456, 200'000});
    CHECK(s.base->served() == kSize);
    CHECK(s.is_kept());
    CHECK(s.ingest().empty());
}

TEST_CASE("store: a blob that was written whole before its process died needs nothing from the base", "[unit][oci]") {
    Setting s;
    write_file(s.partial(), s.content);
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(s.base->opened().empty());
    CHECK(s.is_kept());
}

TEST_CASE("store: a reader that stops in the middle leaves what it read for the next", "[unit][oci]") {
    Setting s;
    read_some(*s.through()->open(s.blob, 0, s.run), 10'000);
    CHECK_FALSE(s.is_kept());
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(s.base->opened() == Offsets{0, 10'000});
    CHECK(s.base->served() == kSize);
}

TEST_CASE("store: wrong bytes are refused at their end and not kept", "[unit][oci]") {
    Setting s;
    std::string wrong = s.content;
    SECTION("another byte") {
        wrong[kSize / 2] ^= 1;
    }
    SECTION("longer") {
        wrong += "x";
    }
    SECTION("shorter") {
        wrong.pop_back();
    }
    SECTION("nothing") {
        wrong.clear();
    }
    s.base->replace(s.blob.digest, wrong);
    s.base->step = 700;  // so that a read goes beyond the end
    CHECK_THROWS_AS(content_of(*s.through(), s.blob, s.run), IntegrityError);
    CHECK_FALSE(s.is_kept());
    CHECK(s.ingest().empty());
    s.base->replace(s.blob.digest, s.content);
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
}

TEST_CASE("store: a damaged beginning is dropped, and the error says to try again", "[unit][oci]") {
    Setting s;
    write_file(s.partial(), std::string(1000, '\0'));  // what a power loss leaves
    try {
        content_of(*s.through(), s.blob, s.run);
        FAIL("not refused");
    } catch (const IntegrityError& error) {
        CHECK_THAT(error.advice(), Catch::Contains("again"));
    }
    CHECK(s.ingest().empty());
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
}

TEST_CASE("store: a beginning that is longer than the blob is no beginning of it", "[unit][oci]") {
    Setting s;
    write_file(s.partial(), s.content + "more");
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(s.base->opened() == Offsets{0});
}

TEST_CASE("store: a damaged blob is found when it is read, dropped, and fetched by the next run", "[unit][oci]") {
    Setting s;
    std::string damaged = s.content;
    damaged[5] ^= 1;
    write_file(blob_file(s.path, s.blob.digest), damaged);
    const bool has_base = GENERATE(true, false);
    try {
        content_of(*s.store->through(has_base ? s.base : nullptr), s.blob, s.run);
        FAIL("not refused");
    } catch (const IntegrityError& error) {
        CHECK_THAT(error.advice(), Catch::Contains("cooper store verify --remove-damaged"));
    }
    CHECK_FALSE(s.is_kept());
    CHECK(s.base->opened().empty());
    CHECK_THROWS_WITH(content_of(*s.store->through(nullptr), s.blob, s.run), Catch::Contains("is not in the store"));
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
}

TEST_CASE("store: a blob of the wrong size is fetched again and replaced", "[unit][oci]") {
    Setting s;
    write_file(blob_file(s.path, s.blob.digest), "short");
    CHECK_THROWS_AS(content_of(*s.store->through(nullptr), s.blob, s.run), IntegrityError);
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(fs::file_size(blob_file(s.path, s.blob.digest)) == kSize);
}

TEST_CASE("store: something else in a blob's place is not followed", "[unit][oci]") {
    Setting s;
    write_file(s.directory.path() / "secret", s.content);
    fs::create_symlink(s.directory.path() / "secret", blob_file(s.path, s.blob.digest));
    CHECK_FALSE(s.store->has(s.blob.digest));
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(fs::is_regular_file(fs::symlink_status(blob_file(s.path, s.blob.digest))));
    CHECK(s.base->opened() == Offsets{0});
}

TEST_CASE("store: from the middle of a blob that is not there it comes from the base and is not kept", "[unit][oci]") {
    Setting s;
    CHECK(content_of(*s.through(), s.blob, s.run, 1000) == s.content.substr(1000));
    CHECK(s.base->opened() == Offsets{1000});
    CHECK(s.ingest().empty());
    CHECK_THROWS_AS(s.through()->open(s.blob, kSize + 1, s.run), Error);
}

TEST_CASE("store: what the base does not have leaves nothing behind", "[unit][oci]") {
    Setting s;
    Descriptor other = s.blob;
    other.digest = sha256("other");
    CHECK_THROWS_WITH(s.through()->open(other, 0, s.run), Catch::Contains("the base has no blob"));
    CHECK(s.ingest().empty());
}

TEST_CASE("store: empty blobs and other algorithms are kept as well", "[unit][oci]") {
    Setting s;
    const Descriptor empty = s.base->add("");
    const Descriptor other = s.base->add("content", DigestAlgorithm::Sha512);
    for (int round = 0; round < 2; ++round) {
        CHECK(content_of(*s.through(), empty, s.run).empty());
        CHECK(content_of(*s.through(), other, s.run) == "content");
    }
    CHECK(s.store->has(empty.digest));
    CHECK(fs::exists(s.path / "blobs/sha512" / other.digest.hex()));
    CHECK(s.base->opened() == Offsets{0, 0});
}

TEST_CASE("store: who follows a writer that finishes needs nothing from the base", "[unit][oci]") {
    Setting s;
    const auto writer = s.through()->open(s.blob, 0, s.run);
    const std::string begun = read_some(*writer, 100'000);
    const auto follower = Store(s.path).through(s.base)->open(s.blob, 0, s.run);
    const std::string followed = read_some(*follower, 50'000);
    CHECK(begun + read_some(*writer, kSize) == s.content);
    CHECK(followed + read_some(*follower, kSize) == s.content);
    CHECK(s.base->opened() == Offsets{0});
    CHECK(s.clock.sleeps().empty());
}

TEST_CASE("store: a follower takes over when the writer stops", "[unit][oci]") {
    Setting s;
    auto writer = s.through()->open(s.blob, 0, s.run);
    read_some(*writer, 100'000);
    const auto follower = s.through()->open(s.blob, 0, s.run);
    const std::string followed = read_some(*follower, 50'000);
    writer.reset();
    CHECK(followed + read_some(*follower, kSize) == s.content);
    CHECK(s.base->opened() == Offsets{0, 100'000});
    CHECK(s.base->served() == kSize);
    CHECK(s.is_kept());
    CHECK(s.ingest().empty());
}

TEST_CASE("store: a follower does not wait for ever for a writer that stands still", "[unit][oci]") {
    Setting s;
    const auto writer = s.through()->open(s.blob, 0, s.run);
    const std::string begun = read_some(*writer, 100'000);
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);  // in the thread that has to read on from `writer`
    CHECK(s.base->opened() == Offsets{0, 100'000});
    std::chrono::milliseconds waited{0};
    for (const auto pause : s.clock.sleeps()) {
        waited += pause;
    }
    CHECK(waited >= std::chrono::seconds(1));
    CHECK(waited <= std::chrono::seconds(10));
    CHECK_FALSE(s.is_kept());
    CHECK(begun + read_some(*writer, kSize) == s.content);
    CHECK(s.is_kept());
}

TEST_CASE("store: what comes through the store already does not follow itself", "[unit][oci]") {
    Setting s;
    CHECK(content_of(*s.store->through(s.through()), s.blob, s.run) == s.content);
    CHECK(s.base->opened() == Offsets{0});
    CHECK(s.clock.sleeps().empty());
    CHECK(s.is_kept());
}

TEST_CASE("store: a follower that waits stops on request", "[unit][oci]") {
    Setting s;
    const auto writer = s.through()->open(s.blob, 0, s.run);
    read_some(*writer, 1000);
    std::stop_source stop;
    const auto follower = s.through()->open(s.blob, 0, s.run.with_stop(stop.get_token()));
    CHECK(read_some(*follower, 1000).size() == 1000);
    stop.request_stop();
    std::array<std::byte, 1> byte{};
    CHECK_THROWS_AS(follower->read(byte), Cancelled);
}

TEST_CASE("store: a follower of a writer that was wrong fetches for itself", "[unit][oci]") {
    Setting s;
    const auto wrong = std::make_shared<ScriptedBlobs>();
    wrong->replace(s.blob.digest, random_bytes(kSize, 8));
    const auto writer = s.store->through(wrong)->open(s.blob, 0, s.run);
    const auto follower = s.through()->open(s.blob, 0, s.run);
    CHECK_THROWS_AS(read_all(*writer, kSize + 1, "blob"), IntegrityError);
    CHECK(read_all(*follower, kSize + 1, "blob") == s.content);
    CHECK(s.base->opened() == Offsets{0});
}

TEST_CASE("store: many threads get the same blobs, and one copy of each is kept", "[unit][oci]") {
    Setting s;
    std::vector<Descriptor> blobs;
    for (unsigned i = 0; i < 12; ++i) {
        blobs.push_back(s.base->add(random_bytes(20'000 + i, i)));
    }
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (unsigned thread = 0; thread < 8; ++thread) {
        threads.emplace_back([&, thread] {
            const Store own(s.path);
            for (std::size_t i = 0; i < blobs.size(); ++i) {
                const Descriptor& blob = blobs[(i + thread) % blobs.size()];
                right += sha256(content_of(*own.through(s.base), blob, s.run)) == blob.digest ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(right == 96);
    CHECK(names_in(s.path / "blobs/sha256").size() == 12);
    CHECK(s.ingest().empty());
    CHECK(names_in(s.path / "leases").size() == 1);
    CHECK(s.store->verify(false, s.run).damaged.empty());
}

TEST_CASE("store: where nothing can be kept blobs come all the same, with one warning", "[unit][oci][fault]") {
    Setting s;
    fs::remove(s.path / "ingest");
    write_file(s.path / "ingest", "in the way");
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(s.warnings.texts().size() == 1);
    s.reopen();
    CHECK(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(s.warnings.texts().size() == 2);
    CHECK_FALSE(s.is_kept());
    CHECK_THROWS_AS(s.store->keep(sha256("x"), "x"), Error);
    s.base->replace(s.blob.digest, random_bytes(kSize, 8));
    CHECK_THROWS_AS(content_of(*s.through(), s.blob, s.run), IntegrityError);  // verified nevertheless
}

TEST_CASE("store: a write that fails half way costs the copy, not the blob", "[unit][oci][fault]") {
    Setting s;
    for (const rlim_t limit : {0U, 1U, 1000U, 100'000U, 299'999U}) {
        const FileSizeLimit files(limit);
        s.reopen();
        REQUIRE(content_of(*s.through(), s.blob, s.run) == s.content);
        REQUIRE_FALSE(s.is_kept());
        REQUIRE(s.ingest().empty());
        REQUIRE_THROWS_AS(content_of(*s.store->through(s.base, Store::WhenFull::Fail), s.blob, s.run), SystemError);
    }
    CHECK(s.warnings.texts().size() == 5);
    CHECK_THAT(s.warnings.texts()[0], Catch::Contains("File too large"));
    s.reopen();
    REQUIRE(content_of(*s.through(), s.blob, s.run) == s.content);
    CHECK(s.is_kept());
}

TEST_CASE("store: a full disk costs the copies that do not fit, and nothing half is visible", "[unit][oci][fault]") {
    const SmallDisk disk;
    if (!disk.mounted()) {
        WARN("SKIPPED: only root can mount a small file system");
        return;
    }
    Setting s;
    const Store store(disk.path() / "store");
    const auto through = store.through(s.base);
    const Descriptor small = s.base->add(random_bytes(5000, 1));
    CHECK(content_of(*through, s.blob, s.run) == s.content);
    CHECK(content_of(*through, small, s.run).size() == 5000);
    CHECK(content_of(*through, s.blob, s.run) == s.content);
    CHECK(store.has(small.digest));
    CHECK_FALSE(store.has(s.blob.digest));
    CHECK(names_in(store.path() / "ingest").empty());
    REQUIRE(s.warnings.texts().size() == 1);
    CHECK_THAT(s.warnings.texts()[0], Catch::Contains("No space left on device"));
    CHECK(store.verify(false, s.run).damaged.empty());
    const auto must_keep = store.through(s.base, Store::WhenFull::Fail);
    CHECK_THROWS_AS(content_of(*must_keep, s.blob, s.run), SystemError);
    CHECK(names_in(store.path() / "ingest").empty());
}
