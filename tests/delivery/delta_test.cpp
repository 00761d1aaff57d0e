#include "cooper/delivery/delta.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/tar.hpp"

#include <catch2/catch.hpp>

#include <functional>
#include <random>

using namespace cooper;
using namespace cooper::delivery;

namespace {

std::string noise(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    std::string text(size, '\0');
    for (char& byte : text) {
        byte = static_cast<char>(random());
    }
    return text;
}

using Members = std::vector<std::pair<std::string, std::string>>;  // name and content

std::string tar_of(const Members& members) {
    StringSink sink(1 << 24);
    TarWriter writer(sink);
    for (const auto& [name, content] : members) {
        TarEntry entry;
        entry.path = name;
        entry.size = content.size();
        MemorySource source(content);
        writer.add(entry, source);
    }
    writer.finish();
    return sink.take();
}

/// Files of one test.
struct Files {
    TempDirectory directory;
    std::filesystem::path old_file = directory.path() / "old.tar";
    std::filesystem::path new_file = directory.path() / "new.tar";
    std::filesystem::path delta = directory.path() / "d.cooper";
    std::filesystem::path out = directory.path() / "out.tar";

    Files(const std::string& before, const std::string& after) {
        write_file(old_file, before);
        write_file(new_file, after);
    }
    DeltaReport make() const { return make_delta(old_file, new_file, delta, {}); }
    DeltaReport apply() const { return apply_delta(old_file, delta, out, {}); }
    [[nodiscard]] std::string read(const std::filesystem::path& path) const { return read_file(path, 1 << 24); }
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(directory.path()),
                                                      std::filesystem::directory_iterator()));
    }
};

/// The error that `body` ends with; fails when there is none.
Error error_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error;
    }
    FAIL("nothing was thrown");
    throw Cancelled();
}

bool says(const Error& error, const std::string& words) {
    return std::string(error.what()).find(words) != std::string::npos;
}

const std::string kBase = noise(300'000, 1);
const std::string kApp = noise(100'000, 2);
const std::string kNextApp = noise(90'000, 3);

Members image(const std::string& app, const std::string& note) {
    return {{"manifest.json", "[" + note + "]"}, {"blobs/sha256/base", kBase}, {"blobs/sha256/app", app}, {"end", "x"}};
}

DeltaHead small_head() {
    const Digest some = sha256("x");
    return {{"old.tar", 100, sha256("old")},
            {"new.tar", 60, sha256("new")},
            {{10, 20, {}}, {0, 15, some}, {15, 5, some}, {0, 15, some}, {95, 5, {}}},
            {{0, 10, some}, {10, 90, some}}};
}

}  // namespace

TEST_CASE("delta: the new file comes back whatever both files are", "[unit][delivery]") {
    const std::string before = tar_of(image(kApp, "1"));
    const std::string after = tar_of(image(kNextApp, "2"));
    struct Case {
        const char* what;
        std::string before;
        std::string after;
        std::uint64_t largest;  // delta
    };
    const std::vector<Case> cases = {
        {"one blob changed", before, after, 96'000},
        {"nothing changed", before, before, 1'000},
        {"the other order", before, tar_of({{"app", kApp}, {"base", kBase}}), 4'000},
        {"a blob three times", tar_of({{"a", "a"}}), tar_of({{"a", kApp}, {"b", kApp}, {"c", kApp}}), 106'000},
        {"padded as GNU tar does", before, after + std::string(9'000, '\0'), 106'000},
        {"empty old", "", after, after.size() + 2'000},
        {"empty new", before, "", 1'000},
        {"no tar to a tar", kBase, after, after.size() + 2'000},
        {"a tar to no tar", before, kBase, kBase.size() + 2'000},
        {"the same, no tars", kBase, kBase, 1'000},
        {"a new tar that is cut", before, after.substr(0, 350'000), 60'000},
        {"an old tar that is cut", before.substr(0, 350'000), before, 105'000},
        {"a header that lies", before, std::string(before).replace(512 * 2 + 124, 11, "77777777777"),
         before.size() + 2'000},
    };
    for (const Case& each : cases) {
        INFO(each.what);
        const Files files(each.before, each.after);
        const DeltaReport made = files.make();
        const DeltaReport applied = files.apply();
        CHECK(files.read(files.out) == each.after);
        CHECK(applied.head == made.head);
        CHECK(applied.delta_size == std::filesystem::file_size(files.delta));
        CHECK(made.head.new_file.sha256 == sha256(each.after));
        CHECK(applied.delta_size <= each.largest);
    }
}

TEST_CASE("delta: ranges that lie together in the old file are one", "[unit][delivery]") {
    Members members{{"manifest.json", "1"}};
    for (unsigned i = 0; i < 20; ++i) {
        members.emplace_back("layer" + std::to_string(i), noise(5'000 + i, i));
    }
    const std::string before = tar_of(members);
    members[0].second = "2";
    const Files files(before, tar_of(members));
    const DeltaReport made = files.make();
    CHECK(made.head.segments.size() == 2);
    CHECK(made.head.assumed.size() == 20);
    CHECK(made.head.payload_size() < 2'000);
    files.apply();
    CHECK(files.read(files.out) == tar_of(members));
}

TEST_CASE("delta: of a plain layer only the files that changed are sent", "[unit][delivery]") {
    Members files_of_layer;
    for (unsigned i = 0; i < 30; ++i) {
        files_of_layer.emplace_back("srv/" + std::to_string(i), noise(5'000, 100 + i));
    }
    const auto before = tar_of({{"manifest.json", "1"}, {"layer.tar", tar_of(files_of_layer)}, {"base", kBase}});
    files_of_layer[17].second = noise(6'000, 99);
    const auto after = tar_of({{"manifest.json", "2"}, {"layer.tar", tar_of(files_of_layer)}, {"base", kBase}});
    const Files files(before, after);
    const DeltaReport made = files.make();
    CHECK(made.delta_size < 12'000);
    CHECK(made.head.assumed.size() == 1);
    files.apply();
    CHECK(files.read(files.out) == after);
}

TEST_CASE("delta: the same inputs make the same bytes, which name no paths", "[unit][delivery]") {
    const Files files(tar_of(image(kApp, "1")), tar_of(image(kNextApp, "2")));
    files.make();
    const std::string first = files.read(files.delta);
    files.make();
    CHECK(files.read(files.delta) == first);
    CHECK(first.substr(0, first.find('\n')).find(files.directory.path().string()) == std::string::npos);
}

TEST_CASE("delta: every changed byte and every cut of a delta is refused", "[unit][delivery]") {
    const std::string blob = noise(4'096, 7);
    const Files files(tar_of({{"a", "1"}, {"blob", blob}}), tar_of({{"a", "2"}, {"blob", blob}}));
    files.make();
    const std::string whole = files.read(files.delta);
    const std::size_t payload = whole.find('\n') + 1;
    REQUIRE(whole.size() - payload > 512);
    for (std::size_t i = 0; i < whole.size(); i += i < payload ? 1 : 97) {
        INFO("byte " << i);
        std::string changed = whole;
        changed[i] = static_cast<char>(changed[i] ^ 0x01);
        write_file(files.delta, changed);
        const Error error = error_of([&] { files.apply(); });
        const bool names_the_delta = says(error, files.delta.string());
        CHECK(names_the_delta);
        if (i >= payload) {
            CHECK(error.code() == ErrorCode::Integrity);
            CHECK(says(error, "its part for bytes"));
        }
        CHECK_FALSE(std::filesystem::exists(files.out));
    }
    for (std::size_t size = 0; size < whole.size(); size += size < payload + 2 ? 1 : 61) {
        INFO("cut at " << size);
        write_file(files.delta, whole.substr(0, size));
        CHECK(says(error_of([&] { files.apply(); }), files.delta.string()));
        CHECK_FALSE(std::filesystem::exists(files.out));
    }
    write_file(files.delta, whole + "x");
    CHECK(says(error_of([&] { files.apply(); }), "something after its end"));
    CHECK(files.count() == 3);
    write_file(files.delta, whole);
    files.apply();
    CHECK(files.read(files.out) == files.read(files.new_file));
}

TEST_CASE("delta: an old file that is another one is refused, and damage in it is named", "[unit][delivery]") {
    const std::string before = tar_of(image(kApp, "1"));
    const Files files(before, tar_of(image(kApp, "2")));
    files.make();
    SECTION("another size") {
        write_file(files.old_file, before + "x");
        CHECK(says(error_of([&] { files.apply(); }), "old.tar is not the file that the delta was made for"));
    }
    SECTION("another content") {
        write_file(files.old_file, noise(before.size(), 9));
        const Error error = error_of([&] { files.apply(); });
        CHECK(error.code() == ErrorCode::Integrity);
        CHECK(says(error, "expected sha256 " + std::string(sha256(before).hex())));
        CHECK_FALSE(says(error, "damaged in it"));
        CHECK(error.advice() == "the delta was made for old.tar");
    }
    SECTION("a damaged blob") {
        std::string damaged = before;
        damaged[1024 + 1024 + 300'000 + 2'000] ^= 1;
        write_file(files.old_file, damaged);
        CHECK(says(error_of([&] { files.apply(); }), "damaged in it: blobs/sha256/app"));
    }
    SECTION("damage where the new file takes nothing") {
        std::string damaged = before;
        damaged[513] ^= 1;
        write_file(files.old_file, damaged);
        CHECK(error_of([&] { files.apply(); }).code() == ErrorCode::Integrity);
    }
    SECTION("the new file already") {
        write_file(files.old_file, files.read(files.new_file));
        CHECK(error_of([&] { files.apply(); }).advice() == "it is the new file already: there is nothing to do");
    }
    CHECK_FALSE(std::filesystem::exists(files.out));
    CHECK(files.count() == 3);
}

TEST_CASE("delta: heads whose ranges do not fit are refused although they name themselves", "[unit][delivery]") {
    const DeltaHead good = small_head();
    REQUIRE(delta_head_from_json(delta_head_to_json(good), "d") == good);
    REQUIRE(good.payload_size() == 20);
    REQUIRE(good.reused() == 25);
    const std::vector<std::pair<const char*, std::function<void(DeltaHead&)>>> lies = {
        {"beyond the old file", [](DeltaHead& head) { head.segments[0].offset = 81; }},
        {"far beyond it", [](DeltaHead& head) { head.segments[0].offset = 1ULL << 60; }},
        {"larger than any file", [](DeltaHead& head) { head.segments[0].offset = ~0ULL; }},
        {"nothing", [](DeltaHead& head) { head.segments[0].size = 0; }},
        {"a gap in the payload", [](DeltaHead& head) { head.segments[2].offset = 16; }},
        {"payload that is not there yet", [](DeltaHead& head) { head.segments[1].offset = 5; }},
        {"a repeat beyond the payload", [](DeltaHead& head) { head.segments[3].offset = 6; }},
        {"too little", [](DeltaHead& head) { head.segments.pop_back(); }},
        {"too much",
         [](DeltaHead& head) {
             head.segments.push_back({0, 1, {}});
         }},
        {"an overlap", [](DeltaHead& head) { head.assumed[1].offset = 9; }},
        {"a blob beyond the old file", [](DeltaHead& head) { head.assumed[1].size = 91; }},
        {"a path", [](DeltaHead& head) { head.old_file.name = "a/b"; }},
        {"no name", [](DeltaHead& head) { head.new_file.name.clear(); }},
        {"a colon", [](DeltaHead& head) { head.new_file.name = "a:b"; }},
    };
    for (const auto& [what, lie] : lies) {
        INFO(what);
        DeltaHead head = good;
        lie(head);
        CHECK(error_of([&] { delta_head_from_json(delta_head_to_json(head), "d"); }).code() == ErrorCode::Integrity);
    }
}

TEST_CASE("delta: other versions, and what is no delta, are told apart", "[unit][delivery]") {
    std::string other = delta_head_to_json(small_head());
    other.replace(other.find("delta/v1") + 7, 1, "2");
    CHECK_THROWS_AS(delta_head_from_json(other, "d"), UnknownDeltaVersion);
    for (const std::string& text : {std::string(), std::string("{}"), std::string("[]"), tar_of({{"a", "b"}})}) {
        CHECK(error_of([&] { delta_head_from_json(text, "d"); }).code() == ErrorCode::InvalidInput);
    }
    const std::string spaced = "{ " + delta_head_to_json(small_head()).substr(1);
    CHECK(error_of([&] { delta_head_from_json(spaced, "d"); }).code() == ErrorCode::Integrity);
}

TEST_CASE("delta: what is read is never replaced, and a stop leaves nothing", "[unit][delivery]") {
    const Files files(tar_of(image(kApp, "1")), tar_of(image(kNextApp, "2")));
    CHECK_THROWS_WITH(make_delta(files.old_file, files.new_file, files.new_file, {}),
                      Catch::Contains("is what is read"));
    files.make();
    CHECK_THROWS_WITH(apply_delta(files.old_file, files.delta, files.old_file, {}), Catch::Contains("is what is read"));
    std::stop_source stopped;
    stopped.request_stop();
    CHECK_THROWS_AS(apply_delta(files.old_file, files.delta, files.out, {.stop = stopped.get_token()}), Cancelled);
    CHECK_THROWS_AS(make_delta(files.old_file, files.new_file, files.out, {.stop = stopped.get_token()}), Cancelled);
    CHECK(files.count() == 3);
    CHECK_THROWS_AS(make_delta(files.directory.path() / "none", files.new_file, files.out, {}), SystemError);
}
