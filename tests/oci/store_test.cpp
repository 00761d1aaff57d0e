// The store as a whole: names, what gc keeps and takes, what verify finds.
#include "cooper/oci/store.hpp"

#include "store_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;
namespace fs = std::filesystem;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

constexpr seconds kDay{24 * 3600};

/// A store whose clock can be set ahead: times of files are real.
struct Setting {
    TempDirectory directory;
    fs::path path = directory.path() / "store";
    FakeClock clock{std::chrono::floor<seconds>(std::chrono::system_clock::now())};
    Warnings warnings;
    Run run{.stop = {}, .clock = &clock, .progress = &warnings};
    std::optional<Store> store{path};

    /// Pulls an image of these layers and names it.
    Graph pull(const std::string& name, const std::vector<std::string>& layers) const {
        std::vector<LayerSpec> specs;
        for (const std::string& layer : layers) {
            specs.push_back({LayerSpec::Form::Plain, layer});
        }
        const Graph graph = graph_of(memory_image(specs));
        for (const Descriptor& blob : graph.blobs) {
            content_of(*store->through(graph.source), blob, run);
        }
        store->name(graph, name, run);
        return graph;
    }
    void age_all(seconds by) const {
        for (const auto& entry : fs::recursive_directory_iterator(path / "blobs")) {
            make_older(entry.path(), by);
        }
    }
    Store::Collected gc(const Store::GcOptions& options) const { return store->gc(options, run); }
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& named : store->names(run)) {
            names.push_back(named.name);
        }
        return names;
    }
    [[nodiscard]] std::size_t blobs() const { return names_in(path / "blobs/sha256").size(); }
    void damage(const Digest& digest, const std::string& bytes) const { write_file(blob_file(path, digest), bytes); }
};

using Names = std::vector<std::string>;

constexpr const char* kFirst = "docker.io/library/first:1";
constexpr const char* kSecond = "docker.io/library/second:1";

Store::GcOptions without_grace() {
    return {.max_bytes = {}, .max_age = {}, .grace = seconds(0)};
}

}  // namespace

TEST_CASE("store: its default place", "[unit][oci]") {
    const auto place = [](std::map<std::string, std::string, std::less<>> variables) {
        return Store::default_directory(Environment(std::move(variables)));
    };
    CHECK(place({{"HOME", "/home/a"}}) == "/home/a/.local/share/cooper/store");
    CHECK(place({{"HOME", "/home/a"}, {"XDG_DATA_HOME", "/data"}}) == "/data/cooper/store");
    CHECK(place({{"HOME", "/home/a"}, {"XDG_DATA_HOME", "data"}}) == "/home/a/.local/share/cooper/store");
    CHECK(place({{"HOME", "/home/a"}, {"COOPER_STORE", "here"}}) == "here");
    CHECK(place({{"HOME", "/"}}) == std::nullopt);
}

TEST_CASE("store: a new one is a valid layout for its owner alone", "[unit][oci]") {
    Setting s;
    CHECK(s.store->layout().index().manifests.empty());
    CHECK((fs::status(s.path).permissions() & fs::perms::all) == fs::perms::owner_all);
    CHECK(names_in(s.path / "leases").size() == 1);
    s.store.reset();
    CHECK(names_in(s.path / "leases").empty());
    s.store.emplace(s.path);
    CHECK(s.names().empty());
}

TEST_CASE("store: a directory that is something else is left alone", "[unit][oci]") {
    const TempDirectory directory;
    write_file(directory.path() / "letter.txt", "dear");
    CHECK_THROWS_AS(Store(directory.path()), Error);
    CHECK(names_in(directory.path()) == Names{"letter.txt"});
    CHECK_THROWS_AS(Store(directory.path() / "letter.txt"), Error);
}

TEST_CASE("store: what is named is listed and read as from any layout", "[unit][oci]") {
    Setting s;
    const Graph graph = s.pull(kFirst, {"one", "two"});
    const Graph read = s.store->layout().graph(kFirst, s.run);
    CHECK(read.root().bytes == graph.root().bytes);
    for (const Descriptor& blob : read.blobs) {
        CHECK(sha256(content_of(*read.source, blob)) == blob.digest);
    }
    const auto named = s.store->names(s.run);
    REQUIRE(named.size() == 1);
    CHECK(named[0].root.digest == graph.root().digest);
    CHECK(named[0].missing == 0);
    CHECK(named[0].bytes == graph.root().bytes.size() + graph.blobs[0].size + 6);
    REQUIRE(named[0].platforms.size() == 1);
    CHECK(named[0].platforms[0].text() == "linux/amd64");
    CHECK(named[0].last_used + hours(1) > s.clock.now_seconds());
}

TEST_CASE("store: names move and go", "[unit][oci]") {
    Setting s;
    s.pull(kFirst, {"one"});
    const Graph graph = s.pull(kFirst, {"two"});
    s.pull(kSecond, {"two"});
    CHECK(s.names() == Names{kFirst, kSecond});
    CHECK(s.store->names(s.run)[0].root.digest == graph.root().digest);
    CHECK(s.store->remove(kFirst, s.run));
    CHECK_FALSE(s.store->remove(kFirst, s.run));
    CHECK(s.names() == Names{kSecond});
    CHECK_THROWS_AS(s.store->name(graph, "", s.run), Error);
    CHECK_THROWS_AS(s.store->name(graph, "a\nb", s.run), Error);
}

TEST_CASE("store: bytes and files of our own are kept", "[unit][oci]") {
    Setting s;
    CHECK_THROWS_AS(s.store->keep(sha256("a"), "b"), IntegrityError);
    s.store->keep(sha256("a"), "a");
    s.store->keep(sha256("a"), "a");
    const fs::path file = s.directory.path() / "layer";
    write_file(file, "layer");
    s.store->adopt(sha256("layer"), file);
    s.store->adopt(sha256("layer"), file);
    fs::remove(file);
    CHECK(read_file(*s.store->find(sha256("layer")), 10) == "layer");
    const fs::path memory = "/dev/shm/cooper-store-test-" + std::to_string(getpid());
    write_file(memory, "elsewhere");  // another file system: no link is possible
    s.store->adopt(sha256("elsewhere"), memory);
    fs::remove(memory);
    CHECK(read_file(*s.store->find(sha256("elsewhere")), 10) == "elsewhere");
    CHECK(s.blobs() == 3);
    CHECK(names_in(s.path / "ingest").empty());
}

TEST_CASE("store gc: what is named stays, the rest goes when it is old enough", "[unit][oci]") {
    Setting s;
    s.pull(kFirst, {"one", "both"});
    s.pull(kSecond, {"two", "both"});
    s.store->keep(sha256("stray"), "stray");
    CHECK(s.blobs() == 8);
    CHECK(s.gc({}).blobs == 0);
    s.clock.advance(hours(2));
    const auto usage = s.store->usage(s.run);
    CHECK(usage.blobs == 8);
    CHECK(usage.unreferenced_blobs == 1);
    CHECK(usage.unreferenced_bytes == 5);
    CHECK(s.gc({.max_bytes = {}, .max_age = {}, .dry_run = true}).bytes == 5);
    CHECK(s.blobs() == 8);
    CHECK(s.gc({}).bytes == 5);
    s.store->remove(kSecond, s.run);
    CHECK(s.gc({}).blobs == 3);
    CHECK_FALSE(s.store->has(sha256("two")));
    CHECK(s.store->has(sha256("both")));
    CHECK(s.store->verify(false, s.run).missing.empty());
}

TEST_CASE("store gc: what a living process counts on stays", "[unit][oci]") {
    Setting s;
    s.store->keep(sha256("used"), "used");
    s.store->keep(sha256("unused"), "unused");
    s.age_all(kDay);
    {
        const Store other(s.path);
        CHECK(other.has(sha256("used")));
        other.keep(sha256("new"), "new");
        const auto collected = s.gc(without_grace());
        CHECK(collected.in_use);
        CHECK(collected.blobs == 1);
        CHECK(other.has(sha256("used")));
        CHECK(other.has(sha256("new")));
    }
    const auto collected = s.gc(without_grace());
    CHECK_FALSE(collected.in_use);
    CHECK(collected.blobs == 2);
}

TEST_CASE("store gc: a clock that was set back takes nothing from a living process", "[unit][oci]") {
    Setting s;
    const Store other(s.path);
    for (const auto& lease : fs::directory_iterator(s.path / "leases")) {
        make_older(lease.path(), -kDay);  // both began when the clock was a day ahead
    }
    const Store later(s.path);
    later.keep(sha256("x"), "x");
    CHECK(s.gc(without_grace()).blobs == 0);
    s.clock.advance(-5 * kDay);
    CHECK(s.gc({}).blobs == 0);
    CHECK(s.gc({.max_bytes = {}, .max_age = seconds(1)}).names.empty());
}

TEST_CASE("store gc: names that were not used for long go with what they alone need", "[unit][oci]") {
    Setting s;
    s.pull(kFirst, {"one", "both"});
    s.age_all(2 * kDay);
    s.pull(kSecond, {"two", "both"});
    const Store::GcOptions options{.max_bytes = {}, .max_age = kDay};
    CHECK(s.gc({.max_bytes = {}, .max_age = kDay, .dry_run = true}).names == Names{kFirst});
    CHECK(s.names() == Names{kFirst, kSecond});
    const auto collected = s.gc(options);
    CHECK(collected.names == Names{kFirst});
    CHECK(collected.blobs == 3);
    CHECK(s.names() == Names{kSecond});
    CHECK(s.store->verify(false, s.run).missing.empty());
}

TEST_CASE("store gc: the least recently used names go until the store is small enough", "[unit][oci]") {
    Setting s;
    const std::string large(10'000, 'x');
    const Graph first = s.pull(kFirst, {large + "1"});
    s.age_all(kDay);
    s.pull(kSecond, {large + "2"});
    s.age_all(kDay);
    s.pull("docker.io/library/third:1", {large + "3"});
    s.age_all(kDay);
    s.store.emplace(s.path);
    content_of(*s.store->through(nullptr),  // the first one is used again
               {"", first.root().digest, first.root().bytes.size(), {}, {}, {}, {}});
    CHECK(s.gc({.max_bytes = 40'000, .max_age = {}}).names.empty());
    CHECK(s.gc({.max_bytes = 25'000, .max_age = {}}).names == Names{kSecond});
    CHECK(s.store->usage(s.run).bytes <= 25'000);
    CHECK(s.gc({.max_bytes = 15'000, .max_age = {}}).names == Names{"docker.io/library/third:1"});
    CHECK(s.gc({.max_bytes = 0, .max_age = {}}).names == Names{kFirst});
    CHECK(s.blobs() == 0);
}

TEST_CASE("store gc: a limit takes no image that a living process has just opened", "[unit][oci]") {
    Setting s;
    const Graph graph = s.pull(kFirst, {"one"});
    s.age_all(kDay);
    const Store other(s.path);
    CHECK(other.has(graph.root().digest));
    CHECK(s.gc({.max_bytes = 0, .max_age = seconds(1)}).names.empty());
    CHECK(s.names() == Names{kFirst});
}

TEST_CASE("store gc: what killed processes left goes, what others write stays", "[unit][oci]") {
    Setting s;
    const auto base = std::make_shared<ScriptedBlobs>();
    const Descriptor blob = base->add(random_bytes(10'000, 1));
    const Store other(s.path);
    const auto writer = other.through(base)->open(blob, 0, s.run);
    read_some(*writer, 5000);
    write_file(s.path / "ingest" / ("sha256-" + std::string(64, '0')), "left over");
    write_file(s.path / "leases" / "1.0123456789abcdef", "");
    write_file(s.path / ".index.json.0123456789abcdef.tmp", "{");
    write_file(s.path / "memory" / "layer", "memory");
    CHECK(s.store->usage(s.run).partial_bytes == 5009);
    CHECK(s.store->usage(s.run).other_bytes == 6);
    s.gc({});
    CHECK(names_in(s.path / "ingest").size() == 2);
    CHECK(names_in(s.path / "leases").size() == 2);
    s.clock.advance(hours(2));
    CHECK(s.gc({}).bytes == 10);
    CHECK(names_in(s.path / "ingest").size() == 1);
    CHECK_FALSE(fs::exists(s.path / ".index.json.0123456789abcdef.tmp"));
    CHECK(fs::exists(s.path / "memory" / "layer"));
    s.clock.advance(hours(100 * 24));
    s.gc({});
    CHECK_FALSE(fs::exists(s.path / "memory" / "layer"));
    CHECK(read_some(*writer, 10'000).size() == 5000);
    CHECK(other.has(blob.digest));
}

TEST_CASE("store gc: a damaged document stops it, for nobody knows what its image needs", "[unit][oci]") {
    Setting s;
    const Graph graph = s.pull(kFirst, {"one"});
    s.age_all(kDay);
    s.damage(graph.root().digest, "{}");
    CHECK_THROWS_WITH(s.gc({}), Catch::Contains(std::string(graph.root().digest.hex())) && Catch::Contains("damaged"));
    CHECK(s.blobs() == 3);
    CHECK(s.store->usage(s.run).blobs == 3);
    CHECK(s.store->verify(true, s.run).damaged.size() == 1);
    CHECK(s.gc({}).blobs == 2);
    CHECK(s.names() == Names{kFirst});  // pulling it again makes it whole
}

TEST_CASE("store verify: damage is named with the images that have it", "[unit][oci]") {
    Setting s;
    const Graph graph = s.pull(kFirst, {"one", "both"});
    s.pull(kSecond, {"two", "both"});
    CHECK(s.store->verify(false, s.run).blobs == 7);
    CHECK(s.store->verify(false, s.run).damaged.empty());
    s.damage(sha256("both"), "Both");
    s.damage(sha256("one"), "on");
    fs::remove(blob_file(s.path, sha256("two")));
    for (const bool remove : {false, true}) {
        const auto verified = s.store->verify(remove, s.run);
        REQUIRE(verified.damaged.size() == 2);
        const bool both_first = sha256("both") < sha256("one");
        const auto& both = verified.damaged[both_first ? 0 : 1];
        const auto& one = verified.damaged[both_first ? 1 : 0];
        CHECK(both.path == blob_file(s.path, sha256("both")));
        CHECK(both.why == "is " + sha256("Both").text());
        CHECK(both.images == Names{kFirst, kSecond});
        CHECK(one.why == "2 bytes instead of 3");
        REQUIRE(verified.missing.size() == 1);
        CHECK(verified.missing[0].images == Names{kSecond});
    }
    CHECK_FALSE(s.store->has(sha256("both")));
    const auto again = s.store->verify(false, s.run);
    CHECK(again.damaged.empty());
    CHECK(again.missing.empty());  // it is known by now
    s.pull(kFirst, {"one", "both"});
    fs::remove(blob_file(s.path, sha256("one")));
    CHECK(s.store->verify(false, s.run).missing.size() == 1);
    CHECK(s.store->names(s.run)[0].missing == 1);
}

TEST_CASE("store verify: an image that was named before its blobs came is not damaged", "[unit][oci]") {
    Setting s;
    const Graph graph = graph_of(memory_image({{LayerSpec::Form::Plain, "late"}}));
    s.store->name(graph, kFirst, s.run);
    CHECK(s.store->verify(false, s.run).missing.empty());
    s.clock.advance(hours(2));
    CHECK(s.gc({}).blobs == 0);
    for (const Descriptor& blob : graph.blobs) {
        content_of(*s.store->through(graph.source), blob, s.run);
    }
    s.clock.advance(hours(2));
    CHECK(s.gc({}).blobs == 0);
}
