// Steps that were built before: found again, damaged, exported, imported, and forged.
#include "cooper/build/build_cache.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "build/cache/cache_documents.hpp"
#include "build/cache/step_records.hpp"
#include "oci/store_support.hpp"
#include "oci/upload_registry.hpp"

#include <catch2/catch.hpp>

#include <fstream>

using namespace cooper;
using namespace cooper::build;
using cooper::testing::content_of;
using cooper::testing::FakeClock;
using cooper::testing::make_older;
using cooper::testing::names_in;
using cooper::testing::random_bytes;
using cooper::testing::RegistryRig;
using cooper::testing::UploadRegistry;
using cooper::testing::Warnings;
namespace fs = std::filesystem;

namespace {

constexpr const char* kReference = "registry.example/acme/app:cache";

/// A machine: a store, and the records beside it.
struct CacheMachine {
    TempDirectory directory;
    fs::path steps = directory.path() / "store/build/steps";
    Warnings warnings;
    Run run{.stop = {}, .clock = &system_clock(), .progress = &warnings};
    std::optional<oci::Store> store{directory.path() / "store"};
    std::optional<BuildCache> cache{std::in_place, *store, steps};

    /// A step whose layer's blob is in the store.
    StepRecord step(const std::string& name, std::size_t size = 1000) const {
        const std::string content = random_bytes(
            size, static_cast<unsigned>(sha256(name).hex()[0]) * 131U + static_cast<unsigned>(name.size()));
        const Digest digest = sha256(name + content);
        store->keep(digest, name + content);
        return {
            sha256("key of " + name),
            sha256("diff of " + name),
            size * 2,
            "RUN " + name,
            oci::Descriptor{std::string(oci::media_type::kOciLayerGzip), digest, name.size() + size, {}, {}, {}, {}},
            "gzip/6"};
    }
    void import(const CachePlace& place, const oci::PlaceAccess& access = {}) { cache->import(place, access, run); }
    [[nodiscard]] std::string read(const StepRecord& record) const {
        return content_of(*cache->blobs(), *record.blob, run);
    }
    [[nodiscard]] bool was_warned(const std::string& word) const {
        const auto texts = warnings.texts();
        return std::any_of(texts.begin(), texts.end(),
                           [&](const std::string& text) { return text.find(word) != std::string::npos; });
    }
    [[nodiscard]] fs::path file_of(const StepRecord& record) const {
        return steps / (std::string(record.key.hex()) + ".step");
    }
};

bool are_same(const StepRecord& a, const StepRecord& b) {
    return step_to_json(a) == step_to_json(b);
}

CachePlace directory_to(const fs::path& directory) {
    return CachePlace::parse_to("type=local,dest=" + directory.string());
}
CachePlace directory_from(const fs::path& directory) {
    return CachePlace::parse_from("type=local,src=" + directory.string());
}

/// A registry in memory and a client of it.
struct CacheRegistry {
    UploadRegistry server;
    RegistryRig rig{server.handler()};
    oci::PlaceAccess access = make_access();

    oci::PlaceAccess make_access() {
        oci::PlaceAccess made;
        made.registry = [this]() -> oci::RegistryClient& { return rig.client; };
        return made;
    }
    /// Names a document that nobody checked.
    void put(const std::string& manifest) {
        const Digest digest = sha256(manifest);
        rig.client.put_manifest(oci::Reference::parse(kReference),
                                {manifest, std::string(oci::media_type::kOciManifest), digest}, rig.run);
    }
};

std::string described(std::string_view type, const std::string& content) {
    return R"({"mediaType":")" + std::string(type) + R"(","digest":")" + sha256(content).text() + R"(","size":)" +
           std::to_string(content.size()) + "}";
}

/// A cache with this config, and this as its layers.
std::string cache_manifest(const std::string& config, const std::string& layers) {
    return R"({"schemaVersion":2,"mediaType":")" + std::string(oci::media_type::kOciManifest) +
           R"(","artifactType":")" + std::string(kCacheArtifact) + R"(","config":)" + described(kCacheConfig, config) +
           R"(,"layers":[)" + layers + "]}";
}

}  // namespace

TEST_CASE("step key: what runs into each other elsewhere is told apart", "[unit][build]") {
    const auto key = [](auto&&... values) {
        StepKey made("run");
        (made.add(values.first, values.second), ...);
        return made.finish();
    };
    using Text = std::pair<std::string, std::string>;
    using List = std::pair<std::string, std::vector<std::string>>;
    CHECK(key(Text("a", "b")) == key(Text("a", "b")));
    CHECK(key(Text("a", "b")) != key(Text("ab", "")));
    CHECK(key(Text("a", "b"), Text("c", "d")) != key(Text("c", "d"), Text("a", "b")));
    CHECK(key(Text("a", "b")) != key(List("a", {"b"})));
    CHECK(key(List("a", {"b", "c"})) != key(List("a", {"bc"})));
    CHECK(key(List("a", {"b"}), List("c", {})) != key(List("a", {}), List("c", {"b"})));
    CHECK(key(List("a", {})) != key());
    CHECK(StepKey("run").finish() != StepKey("copy").finish());
}

TEST_CASE("step key: stays what it was, or every cache is lost", "[unit][build]") {
    const std::vector<std::string> arguments = {"/bin/sh", "-c", "make"};
    const Digest key = StepKey("run").add("parent", "sha256:0").add("arguments", arguments).finish();
    CHECK(key.text() == "sha256:258374a4eb8840b3fb78f2e6f01b2fee2843aab5356d7943a0910cc8bda83a20");
}

TEST_CASE("chain ID: as config.md has it", "[unit][build]") {
    const Digest a = sha256(std::string_view("a"));
    const Digest b = sha256(std::string_view("b"));
    CHECK(chain_id({}) == sha256(std::string_view()));
    CHECK(chain_id({a}) == a);
    CHECK(chain_id({a, b}) == sha256(a.text() + " " + b.text()));
    CHECK(chain_id({a, b, a}) == sha256(sha256(a.text() + " " + b.text()).text() + " " + a.text()));
}

TEST_CASE("build cache: what was remembered is found by everybody", "[unit][build]") {
    CacheMachine m;
    const StepRecord step = m.step("make");
    CHECK_FALSE(m.cache->find(step.key));
    m.cache->remember(step);
    REQUIRE(m.cache->find(step.key));
    CHECK(are_same(*m.cache->find(step.key), step));
    CHECK(are_same(*BuildCache(*m.store, m.steps).find(step.key), step));
    CHECK(names_in(m.steps).size() == 1);
    CHECK((fs::status(m.file_of(step)).permissions() & fs::perms(077)) == fs::perms::none);
}

TEST_CASE("build cache: a record that says the same stays, one that says more or otherwise replaces it",
          "[unit][build]") {
    CacheMachine m;
    StepRecord without = m.step("make");
    const StepRecord with = without;
    without.blob.reset();
    without.compressor.clear();
    m.cache->remember(without);
    CHECK_FALSE(m.cache->find(with.key)->blob);
    m.cache->remember(with);
    CHECK(are_same(*m.cache->find(with.key), with));
    make_older(m.file_of(with), std::chrono::minutes(10));
    const auto written = fs::last_write_time(m.file_of(with));
    m.cache->remember(with);
    m.cache->remember(without);
    CHECK(fs::last_write_time(m.file_of(with)) == written);
    CHECK(are_same(*m.cache->find(with.key), with));
    StepRecord other = without;
    other.diff_id = sha256(std::string_view("another layer"));
    m.cache->remember(other);
    CHECK(are_same(*m.cache->find(with.key), other));
}

TEST_CASE("build cache: texts of a record are cut and printable", "[unit][build]") {
    CacheMachine m;
    StepRecord step = m.step("make");
    step.instruction = "RUN \x1b[31m" + std::string(100'000, 'x') + "\xff";
    m.cache->remember(step);
    const auto found = m.cache->find(step.key);
    REQUIRE(found);
    CHECK(found->instruction.find('\x1b') == std::string::npos);
    CHECK(found->instruction.size() < 300);
}

TEST_CASE("build cache: a damaged record is none", "[unit][build]") {
    CacheMachine m;
    const StepRecord step = m.step("make");
    const StepRecord other = m.step("test");
    m.cache->remember(step);
    const std::string good = read_file(m.file_of(step), 10'000);
    const auto try_text = [&](const std::string& text) {
        std::ofstream(m.file_of(step), std::ios::binary | std::ios::trunc) << text;
        return m.cache->find(step.key).has_value();
    };
    CHECK(try_text(good));
    CHECK_FALSE(try_text(""));
    CHECK_FALSE(try_text(good.substr(0, good.size() / 2)));
    CHECK_FALSE(try_text("x" + good));
    CHECK_FALSE(try_text(good + std::string(100'000, ' ')));
    for (std::size_t i = 0; i < good.size(); i += 13) {
        std::string flipped = good;
        flipped[i] = static_cast<char>(flipped[i] ^ 1);
        CHECK_FALSE(try_text(flipped));
    }
    m.cache->remember(other);
    fs::copy_file(m.file_of(other), m.file_of(step), fs::copy_options::overwrite_existing);
    CHECK_FALSE(m.cache->find(step.key));
    m.cache->remember(step);
    CHECK(m.cache->find(step.key));
}

TEST_CASE("build cache: records that others could have written are not believed", "[unit][build]") {
    CacheMachine m;
    const StepRecord step = m.step("make");
    m.cache->remember(step);
    fs::permissions(m.file_of(step), fs::perms::others_write, fs::perm_options::add);
    CHECK_FALSE(m.cache->find(step.key));
    fs::permissions(m.file_of(step), fs::perms::others_write, fs::perm_options::remove);
    CHECK(m.cache->find(step.key));
    const fs::path elsewhere = m.directory.path() / "elsewhere";
    fs::rename(m.file_of(step), elsewhere);
    fs::create_symlink(elsewhere, m.file_of(step));
    CHECK_FALSE(m.cache->find(step.key));
}

TEST_CASE("build cache: a use is noted once an hour", "[unit][build]") {
    CacheMachine m;
    const StepRecord step = m.step("make");
    m.cache->remember(step);
    make_older(m.file_of(step), std::chrono::minutes(30));
    const auto before = fs::last_write_time(m.file_of(step));
    CHECK(m.cache->find(step.key));
    CHECK(fs::last_write_time(m.file_of(step)) == before);
    make_older(m.file_of(step), std::chrono::hours(2));
    CHECK(m.cache->find(step.key));
    CHECK(fs::last_write_time(m.file_of(step)) > before);
}

TEST_CASE("build cache: collects what is old, damaged, or has no layer any more", "[unit][build]") {
    CacheMachine m;
    const StepRecord in_store = m.step("in store");
    StepRecord in_snapshots = m.step("in snapshots");
    StepRecord nowhere = m.step("nowhere");
    StepRecord old = m.step("old");
    in_snapshots.blob.reset();
    nowhere.blob->digest = sha256(std::string_view("nobody has this"));
    for (const auto& step : {in_store, in_snapshots, nowhere, old}) {
        m.cache->remember(step);
    }
    make_older(m.file_of(old), std::chrono::hours(48));
    write_file(m.steps / ("0" + std::string(63, '1') + ".step"), "damaged");
    const auto collect = [&](bool dry_run, std::chrono::seconds max_age = std::chrono::hours(24)) {
        return m.cache->collect(
            max_age, [&](const Digest& diff_id) { return diff_id == in_snapshots.diff_id; }, dry_run, m.run);
    };
    CHECK(collect(true) == 3);
    CHECK(names_in(m.steps).size() == 5);
    CHECK(collect(false) == 3);
    CHECK(m.cache->find(in_store.key));
    CHECK(m.cache->find(in_snapshots.key));
    CHECK_FALSE(m.cache->find(nowhere.key));
    CHECK_FALSE(m.cache->find(old.key));
    CHECK(collect(false, std::chrono::seconds::max()) == 0);
    CHECK(collect(false, std::chrono::seconds(-100)) == 2);
    CHECK(BuildCache(*m.store, m.directory.path() / "never made").collect({}, {}, false, m.run) == 0);
}

TEST_CASE("build cache: an export to a registry is used on another machine, blobs when they are wanted",
          "[unit][build]") {
    CacheMachine ours;
    CacheRegistry registry;
    const StepRecord make = ours.step("make");
    const StepRecord test = ours.step("test", 5000);
    const auto to = CachePlace::parse_to(std::string(kReference) + ",mode=max");
    ours.cache->export_to(to, {make, test}, registry.access, ours.run);
    REQUIRE(registry.server.manifest("cache"));
    CHECK(registry.server.manifest("cache")->find(kCacheArtifact) != std::string::npos);

    CacheMachine theirs;
    theirs.import(CachePlace::parse_from(kReference), registry.access);
    CHECK(theirs.warnings.texts().empty());
    const auto found = theirs.cache->find(make.key);
    REQUIRE(found);
    CHECK(are_same(*found, make));
    CHECK_FALSE(theirs.store->has(make.blob->digest));
    CHECK(theirs.read(*found) == ours.read(make));
    CHECK(theirs.store->has(make.blob->digest));
    CHECK_FALSE(theirs.store->has(test.blob->digest));
    CHECK_FALSE(fs::exists(theirs.steps));
    CHECK_FALSE(BuildCache(*theirs.store, theirs.steps).find(make.key));
    theirs.cache->remember(*found);
    CHECK(BuildCache(*theirs.store, theirs.steps).find(make.key));
}

TEST_CASE("build cache: what was imported is exported again", "[unit][build]") {
    CacheMachine ours;
    const StepRecord make = ours.step("make");
    const fs::path first = ours.directory.path() / "first";
    ours.cache->export_to(directory_to(first), {make}, {}, ours.run);
    CacheMachine theirs;
    theirs.import(directory_from(first));
    const fs::path second = theirs.directory.path() / "second";
    theirs.cache->export_to(directory_to(second), {*theirs.cache->find(make.key)}, {}, theirs.run);
    CHECK(read_file(first / "index.json", 10'000) == read_file(second / "index.json", 10'000));
}

TEST_CASE("build cache: the same records give the same bytes in any order", "[unit][build]") {
    CacheMachine m;
    std::vector<StepRecord> steps = {m.step("one"), m.step("two"), m.step("three"), m.step("four")};
    StepRecord same_layer = steps[0];
    same_layer.key = sha256(std::string_view("another key"));
    steps.push_back(same_layer);
    const CacheGraph made = make_cache_graph(steps, m.cache->blobs());
    std::reverse(steps.begin(), steps.end());
    steps.push_back(steps.front());
    const CacheGraph again = make_cache_graph(steps, m.cache->blobs());
    CHECK(made.graph.root().bytes == again.graph.root().bytes);
    CHECK(made.records == 5);
    CHECK(again.records == 5);
    CHECK(made.graph.blobs.size() == 5);  // the config and four layers
}

TEST_CASE("build cache: a directory is written again and read as a whole", "[unit][build]") {
    CacheMachine m;
    const fs::path directory = m.directory.path() / "deep/er/cache";
    m.cache->export_to(directory_to(directory), {m.step("one")}, {}, m.run);
    m.cache->export_to(directory_to(directory), {m.step("two")}, {}, m.run);
    CacheMachine other;
    other.import(directory_from(directory));
    CHECK_FALSE(other.cache->find(m.step("one").key));
    CHECK(other.cache->find(m.step("two").key));
    m.cache->export_to(directory_to(directory), {}, {}, m.run);
    other.import(directory_from(directory));
    CHECK(other.warnings.texts().empty());
}

TEST_CASE("build cache: what does not fit is left out and said", "[unit][build]") {
    CacheMachine m;
    const StepRecord pattern = m.step("make");
    std::vector<StepRecord> steps;
    for (int i = 0; i < 1100; ++i) {
        steps.push_back(pattern);
        steps.back().key = sha256(std::to_string(i));
        steps.back().blob->digest = sha256("blob " + std::to_string(i));
    }
    steps[0].blob.reset();
    const CacheGraph made = make_cache_graph(steps, nullptr);
    CHECK(made.records == oci::kMaxLayers);
    CHECK(made.left_out == 100);
    for (auto& step : steps) {
        step.blob = pattern.blob;
        step.instruction = std::string(200, '"');
        step.compressor = step.instruction;
    }
    for (int i = 0; i < 5000; ++i) {
        steps.push_back(steps[1]);
        steps.back().key = sha256("more " + std::to_string(i));
    }
    const CacheGraph large = make_cache_graph(steps, nullptr);
    CHECK(large.graph.blobs[0].size <= oci::kMaxDocument);
    CHECK(large.records > 2500);
    CHECK(large.records + large.left_out == steps.size());
    CHECK(BuildCache::inline_annotation(steps).second.size() <= kMaxInlineCache);
}

TEST_CASE("build cache: what is missing or no cache is a warning", "[unit][build]") {
    CacheMachine m;
    CacheRegistry registry;
    m.import(CachePlace::parse_from(kReference), registry.access);
    CHECK(m.was_warned("is not used"));
    m.import(CachePlace::parse_from("registry.example/acme/app"));
    CHECK(m.was_warned("there is no registry client"));
    m.import(directory_from(m.directory.path() / "absent"));
    CHECK(m.was_warned("there is no directory"));
    registry.put(R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" +
                 described(oci::media_type::kOciConfig, "{}") + R"(,"layers":[]})");
    m.import(CachePlace::parse_from(kReference), registry.access);
    CHECK(m.was_warned("no build cache of cooper"));
    CHECK(m.warnings.texts().size() == 4);
}

TEST_CASE("build cache: a failed export is an error unless that is ignored", "[unit][build]") {
    CacheMachine m;
    write_file(m.directory.path() / "file", "no directory");
    const std::string place = "type=local,dest=" + (m.directory.path() / "file").string();
    CHECK_THROWS_AS(m.cache->export_to(CachePlace::parse_to(place), {m.step("make")}, {}, m.run), Error);
    CHECK(m.warnings.texts().empty());
    m.cache->export_to(CachePlace::parse_to(place + ",ignore-error=true"), {m.step("make")}, {}, m.run);
    CHECK(m.was_warned("writing the cache"));
    CHECK_THROWS_AS(m.cache->export_to(CachePlace::parse_to(kReference), {m.step("make")}, {}, m.run), Error);
}

TEST_CASE("build cache: an image carries its own steps", "[unit][build]") {
    CacheMachine ours;
    CacheRegistry registry;
    const StepRecord make = ours.step("make");
    StepRecord foreign = ours.step("of another image");
    const auto [key, value] = BuildCache::inline_annotation({make, foreign});
    CHECK(value.find("RUN") == std::string::npos);
    std::string quoted;
    for (const char c : value) {
        quoted += c == '"' ? std::string("\\\"") : std::string(1, c);
    }
    const std::string layer = ours.read(make);
    testing::PushedImage image({layer}, R"(,"annotations":{")" + key + R"(":")" + quoted + R"("})",
                               std::string(oci::media_type::kOciLayerGzip));
    registry.rig.client.push(oci::Reference::parse(kReference), image.graph, {}, registry.rig.run);

    CacheMachine theirs;
    theirs.import(CachePlace::parse_from("type=inline,ref=" + std::string(kReference)), registry.access);
    REQUIRE(theirs.cache->find(make.key));
    CHECK(theirs.read(*theirs.cache->find(make.key)) == layer);
    CHECK_FALSE(theirs.cache->find(foreign.key));  // its layer is none of the image's
    CHECK(theirs.was_warned("1 steps"));
}

TEST_CASE("build cache: forged caches neither crash nor poison", "[unit][build]") {
    CacheMachine good;
    const StepRecord make = good.step("make");
    const std::string layer = good.read(make);
    const std::string config = records_to_json({make});
    const std::string layers = described(oci::media_type::kOciLayerGzip, layer);

    const auto imported = [&](const std::string& records, const std::string& listed, const std::string& blob) {
        CacheRegistry registry;
        CacheMachine m;
        registry.server.hold(records);
        registry.server.hold(blob);
        registry.put(cache_manifest(records, listed));
        m.import(CachePlace::parse_from(kReference), registry.access);
        const auto found = m.cache->find(make.key);
        CHECK(found.has_value() == m.warnings.texts().empty());
        if (found) {
            CHECK(m.read(*found) == layer);
        }
        return found.has_value();
    };
    const auto replaced = [&](const std::string& from, const std::string& to) {
        std::string text = config;
        const std::size_t at = text.find(from);
        REQUIRE(at != std::string::npos);
        return text.replace(at, from.size(), to);
    };
    const std::string size = "\"size\":" + std::to_string(layer.size());

    CHECK(imported(config, layers, layer));
    CHECK_FALSE(imported(config, "", layer));
    CHECK_FALSE(imported(replaced(size, "\"size\":1"), layers, layer));
    CHECK_FALSE(imported(replaced(size, "\"size\":-1"), layers, layer));
    CHECK_FALSE(imported(replaced(size, "\"size\":1e300"), layers, layer));
    CHECK_FALSE(imported(replaced(size, "\"size\":18446744073709551615"), layers, layer));
    CHECK_FALSE(imported(replaced("\"key\":\"sha256", "\"key\":\"sha257"), layers, layer));
    CHECK_FALSE(imported(replaced("\"key\":\"sha256:", "\"key\":\"sha256:../../"), layers, layer));
    CHECK_FALSE(imported(replaced("tar+gzip", "tar+evil"), layers, layer));
    CHECK_FALSE(imported(replaced("cache/1", "cache/2"), layers, layer));
    CHECK_FALSE(imported(replaced("\"tar_size\"", "\"more\":1,\"tar_size\""), layers, layer));
    CHECK_FALSE(imported(replaced("[{", "[{},{"), layers, layer));
    CHECK_FALSE(imported(std::string(100'000, '['), layers, layer));
    CHECK_FALSE(imported(config + std::string(oci::kMaxDocument, ' '), layers, layer));
    const std::string item = config.substr(config.find('{', 1), config.rfind(']') - config.find('{', 1));
    CHECK_FALSE(imported(replaced(item, item + "," + item), layers, layer));
}

TEST_CASE("build cache: a layer that is not what the record says is refused when it is read", "[unit][build]") {
    CacheMachine ours;
    CacheRegistry registry;
    const StepRecord make = ours.step("make");
    ours.cache->export_to(CachePlace::parse_to(kReference), {make}, registry.access, ours.run);
    const std::string evil(make.blob->size, 'e');
    registry.server.intercept = [&](const testing::SentRequest& sent) -> std::optional<testing::FakeReply> {
        if (sent.url.find(make.blob->digest.text()) == std::string::npos) {
            return std::nullopt;
        }
        return testing::FakeReply{200, {}, evil};
    };
    CacheMachine theirs;
    theirs.import(CachePlace::parse_from(kReference), registry.access);
    const auto found = theirs.cache->find(make.key);
    REQUIRE(found);
    CHECK_THROWS_AS(theirs.read(*found), IntegrityError);
    CHECK_FALSE(theirs.store->has(make.blob->digest));
}

TEST_CASE("build cache: local records count first, and imported ones where the layer is gone", "[unit][build]") {
    CacheMachine ours;
    const StepRecord make = ours.step("make");
    const fs::path exported = ours.directory.path() / "cache";
    ours.cache->export_to(directory_to(exported), {make}, {}, ours.run);

    CacheMachine theirs;
    theirs.import(directory_from(exported));
    StepRecord local = make;
    local.diff_id = sha256(std::string_view("made here"));
    local.blob.reset();
    theirs.cache->remember(local);
    CHECK(theirs.cache->find(make.key)->diff_id == local.diff_id);
    local.diff_id = make.diff_id;
    theirs.cache->remember(local);
    CHECK(theirs.cache->find(make.key)->blob);
}

TEST_CASE("build cache: a blob that gc took is not promised", "[unit][build]") {
    CacheMachine m;
    const StepRecord make = m.step("make");
    m.cache->remember(make);
    fs::remove(testing::blob_file(m.store->path(), make.blob->digest));
    const auto found = m.cache->find(make.key);
    REQUIRE(found);
    CHECK(found->diff_id == make.diff_id);
    CHECK_FALSE(found->blob);
}

TEST_CASE("cache places: as buildx spells them", "[unit][build]") {
    using Type = CachePlace::Type;
    const auto from = [](const std::string& text) { return CachePlace::parse_from(text); };
    CHECK(from("registry/app:cache").type == Type::Registry);
    CHECK(from("registry/app:cache").reference == "registry/app:cache");
    CHECK(from("docker://registry/app:cache").reference == "registry/app:cache");
    CHECK(from("type=registry,ref=registry/app:cache").reference == "registry/app:cache");
    CHECK(from(" type=registry , ref=registry/app:cache").reference == "registry/app:cache");
    CHECK(from("type=local,src=/tmp/cache").directory == "/tmp/cache");
    CHECK(from("type=local,\"src=/tmp/a,\"\"b\"\"\"").directory == "/tmp/a,\"b\"");
    CHECK(from("type=inline,ref=app").type == Type::Inline);
    const auto to = CachePlace::parse_to(
        "type=registry,ref=r/app:c,mode=max,ignore-error=true,compression=zstd,image-manifest=true,oci-mediatypes=1");
    CHECK(to.max);
    CHECK(to.ignore_error);
    CHECK_FALSE(CachePlace::parse_to("type=inline").max);
    CHECK(CachePlace::parse_to("registry/app:cache,mode=max").max);
    CHECK_FALSE(CachePlace::parse_to("type=local,dest=DIR,mode=min").max);
}

TEST_CASE("cache places: what cannot be is said", "[unit][build]") {
    for (const char* text : {"", ",", "type=registry", "type=local", "type=local,dest=d", "type=inline", "type=",
                             "type=registry,ref=", "ref=a", "type=registry,ref=A B", "type=registry,ref=a,mode=most",
                             "type=registry,ref=a,ignore-error=maybe", "type=registry,ref=a,ref=b",
                             "type=registry,ref=a,rev=b", "a,b", "type=registry,\"ref=a", "type=lokal,src=d"}) {
        INFO(text);
        try {
            static_cast<void>(CachePlace::parse_from(text));
            FAIL_CHECK("taken");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::InvalidInput);
        }
    }
    for (const char* text : {"type=gha", "type=s3,bucket=b", "type=azblob"}) {
        INFO(text);
        try {
            static_cast<void>(CachePlace::parse_to(text));
            FAIL_CHECK("taken");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::Unsupported);
            CHECK(error.advice().find("type=registry") != std::string::npos);
        }
    }
}
