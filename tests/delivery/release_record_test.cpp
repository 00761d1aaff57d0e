// release.json: its bytes, what is refused of it, how it is merged, and many who write it at once.
#include "cooper/delivery/release_record.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/delivery/publish.hpp"

#include "delivery/delivery_support.hpp"
#include "support/fake_clock.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <random>
#include <thread>

using namespace cooper;
using namespace cooper::delivery;
using cooper::testing::at;
using cooper::testing::FakeClock;
using cooper::testing::golden_file;
using cooper::testing::MemoryPlace;

namespace {

const std::string kFolder = "jps/x/abc1234";
const std::string kKey = kFolder + "/release.json";
const std::string kHex(64, 'a');
const std::string kOtherHex(64, 'b');

ReleasedImage image_called(const std::string& name, const std::string& hex = kHex) {
    ReleasedImage image;
    image.name = name;
    image.tag = "latest";
    image.key = kFolder + "/" + name + ":latest.tar";
    image.file = name + "_latest.tar";
    image.size = 1234;
    image.sha256 = hex;
    image.image_id = "sha256:" + hex;
    image.manifest = "sha256:" + hex;
    image.platform = "linux/amd64";
    image.lock_sha256 = hex;
    return image;
}

ReleaseRecord record_of(const std::vector<std::string>& names = {"openhands"}) {
    ReleaseRecord record;
    record.branch = "jps/x";
    record.published = at("2024-01-16T09:15:42Z");
    record.commits = {{"https://github.com/o/r", "abc1234def5678abc1234def5678abc1234def56", "Fix <login>",
                       "https://github.com/o/r/actions/runs/1/attempts/1"}};
    for (const std::string& name : names) {
        record.images.push_back(image_called(name));
    }
    return record;
}

/// Everything that a record can have.
ReleaseRecord full_record() {
    ReleaseRecord record = record_of({"runtime", "openhands"});
    record.version = "v1.2.3";
    record.images[0].pushed = {"ghcr.io/o/runtime:v1.2.3", "ghcr.io/o/runtime:latest"};
    record.images[0].gates = {{"test", "pytest", record.images[0].manifest},
                              {"digest", "", record.images[0].manifest},
                              {"scan", "trivy", kHex}};
    ReleasedImage pushed = image_called("only-pushed");
    pushed.key = pushed.file = pushed.sha256 = pushed.lock_sha256 = "";
    pushed.size = 0;
    record.images.push_back(pushed);
    record.commits.push_back({"", "abc1234", "", ""});
    record.withdrawn = Withdrawal{at("2024-02-01T00:00:00Z"), "CVE \"2024\" \xe2\x80\x93 worse"};
    record.signed_by = "sha256:" + kOtherHex;
    return record;
}

std::string message_of(const std::string& text) {
    try {
        release_from_json(text, "it");
    } catch (const Error& error) {
        return std::string(to_string(error.code())) + ": " + error.what();
    }
    return "read";
}

std::string with(const std::string& from, const std::string& to, const ReleaseRecord& record = record_of()) {
    std::string text = release_to_json(record);
    const std::size_t begin = text.find(from);
    REQUIRE(begin != std::string::npos);
    return text.replace(begin, from.size(), to);
}

struct Here {
    FakeClock clock;
    Run run{{}, &clock, &no_progress()};
};

}  // namespace

TEST_CASE("release record: the bytes of a release are kept for ever", "[unit][delivery]") {
    for (const auto& [file, record] : {std::pair("small.json", record_of()), std::pair("full.json", full_record())}) {
        const std::string golden = read_file(golden_file("release-v1") / file, 1 << 20);
        CHECK(release_to_json(record) == golden);
        CHECK(release_to_json(release_from_json(golden, file)) == golden);
    }
}

TEST_CASE("release record: order does not matter, and all that it says is read back", "[unit][delivery]") {
    const ReleaseRecord record = full_record();
    const ReleaseRecord read = release_from_json(release_to_json(record), "it");
    ReleaseRecord shuffled = record;
    std::reverse(shuffled.images.begin(), shuffled.images.end());
    std::reverse(shuffled.commits.begin(), shuffled.commits.end());
    std::reverse(shuffled.images[2].gates.begin(), shuffled.images[2].gates.end());
    CHECK(release_to_json(shuffled) == release_to_json(record));
    CHECK(read.images.size() == 3);
    CHECK(read.images[0].name == "only-pushed");
    CHECK(read.images[2].gates.size() == 3);
    CHECK(read.withdrawn == record.withdrawn);
    CHECK(read.signed_by == record.signed_by);
    CHECK(release_from_json(release_to_json(read), "it") == read);
}

TEST_CASE("release record: bytes that are no text are written as such", "[unit][delivery]") {
    ReleaseRecord record = record_of();
    record.commits[0].subject = "a\xff";
    const ReleaseRecord read = release_from_json(release_to_json(record), "it");
    CHECK(read.commits[0].subject == "a\xef\xbf\xbd");
}

TEST_CASE("release record: what is refused names the member", "[unit][delivery]") {
    CHECK(message_of("") != "read");
    CHECK_THAT(message_of("{}"), Catch::Contains("schema"));
    CHECK_THAT(message_of(with("cooper.release/v1", "cooper.lock/v1")), Catch::Contains("no record of a release"));
    CHECK_THAT(message_of(with("cooper.release/v1", "cooper.release/v2")), Catch::StartsWith("unsupported: "));
    CHECK_THAT(message_of(with("jps/x\"", "a..b\"")), Catch::Contains("a..b"));
    CHECK_THAT(message_of(with("2024-01-16T", "today T")), Catch::Contains("published"));
    CHECK_THAT(message_of(with("\"available\"", "\"fine\"")), Catch::Contains("status"));
    CHECK_THAT(message_of(with("\"available\"", "\"withdrawn\"")), Catch::Contains("withdrawn"));
    CHECK_THAT(message_of(with("abc1234def5678abc", "main")), Catch::Contains("commit"));
    CHECK_THAT(message_of(with("\"sha256\":\"aaaa", "\"sha256\":\"AAAA")), Catch::Contains("sha256"));
    CHECK_THAT(message_of(with("\"manifest\":\"sha256:a", "\"manifest\":\"sha256:x")), Catch::Contains("manifest"));
    CHECK_THAT(message_of(with("/openhands:latest.tar", "/other:latest.tar")), Catch::Contains("key"));
    CHECK_THAT(message_of(with("openhands_latest.tar", "../x")), Catch::Contains("file"));
    CHECK_THAT(message_of(with("\"name\":\"openhands\"", "\"name\":\"-rf\"")), Catch::Contains("-rf"));
    CHECK_THAT(message_of(with("1234,", "-1,")), Catch::Contains("size"));
    CHECK_THAT(message_of(with("\"images\":[", "\"images\":[7,")), Catch::StartsWith("invalid-input: "));
    CHECK_THAT(message_of(release_to_json(record_of({"a", "a"}))), Catch::Contains("an image is listed twice"));
    CHECK(message_of(with("\"images\":[", "\"of a later cooper\":[")) == "read");
    CHECK_THAT(message_of(std::string(kMaxReleaseRecord + 1, ' ')), Catch::Contains("16.8 MB"));
    std::string many = "[";
    for (int i = 0; i < 1001; ++i) {
        many += "{},";
    }
    CHECK_THAT(message_of(with("\"commits\":[", "\"commits\":" + many)), Catch::Contains("commits is not a list"));
}

TEST_CASE("release record: merging the same again changes nothing", "[unit][delivery]") {
    const ReleaseRecord record = release_from_json(release_to_json(full_record()), "it");
    CHECK(merge_releases(record, record) == record);
    ReleaseRecord again = record;
    again.published += std::chrono::hours(1);
    again.commits[1].run = "https://github.com/o/r/actions/runs/2/attempts/1";
    CHECK(merge_releases(record, again) == record);
}

TEST_CASE("release record: two publishers' images, commits and proofs add up", "[unit][delivery]") {
    ReleaseRecord there = record_of({"a", "b"});
    there.images[0].pushed = {"r/a:1"};
    there.images[0].gates = {{"digest", "", "x"}};
    there.commits = {{"", "abc1234def", "Subject", ""}};
    ReleaseRecord ours = record_of({"a", "c"});
    ours.published -= std::chrono::hours(1);
    ours.commits = {{"https://h/o/r", "abc1234def", "Other", "run"}, {"https://h/o/q", "abc1234def", "", ""}};
    ours.images[0].pushed = {"r/a:2"};
    const ReleaseRecord merged = merge_releases(there, ours);
    REQUIRE(merged.images.size() == 3);
    CHECK(merged.images[0].pushed == std::vector<std::string>{"r/a:1", "r/a:2"});
    CHECK(merged.images[0].gates.size() == 1);
    CHECK(merged.published == ours.published);
    REQUIRE(merged.commits.size() == 2);
    CHECK(merged.commits[1] == ReleaseCommit{"https://h/o/r", "abc1234def", "Subject", "run"});

    SECTION("what is known of another image under the name is forgotten") {
        ours.images[0] = image_called("a", kOtherHex);
        CHECK(merge_releases(there, ours).images[0] == ours.images[0]);
    }
    SECTION("an image that is only pushed keeps its tarball") {
        ours.images[0].key = ours.images[0].file = "";
        CHECK(merge_releases(there, ours).images[0].key == there.images[0].key);
    }
}

TEST_CASE("release record: a withdrawal stays, and of two the later", "[unit][delivery]") {
    ReleaseRecord available = record_of();
    ReleaseRecord first = record_of();
    first.withdrawn = Withdrawal{at("2024-02-01T00:00:00Z"), "b"};
    ReleaseRecord second = record_of();
    second.withdrawn = Withdrawal{at("2024-02-02T00:00:00Z"), "a"};
    CHECK(merge_releases(first, available).withdrawn == first.withdrawn);
    CHECK(merge_releases(first, second).withdrawn == second.withdrawn);
    CHECK(merge_releases(second, first).withdrawn == second.withdrawn);
}

TEST_CASE("write_release: written once, found again, never that of another folder", "[unit][delivery]") {
    for (const bool conditional : {true, false}) {
        const Here here;
        MemoryPlace place(conditional);
        CHECK_FALSE(find_release(place, kFolder, here.run));
        CHECK(write_release(place, kFolder, record_of(), here.run));
        CHECK(place.text(kKey) == release_to_json(record_of()));
        const auto before = place.contents();
        CHECK_FALSE(write_release(place, kFolder, record_of(), here.run));
        CHECK(place.contents() == before);
        CHECK(find_release(place, kFolder, here.run) == release_from_json(release_to_json(record_of()), "it"));

        CHECK_THROWS_AS(write_release(place, "jps/x/def5678", record_of(), here.run), Error);
        CHECK_THROWS_AS(write_release(place, "main/abc1234", record_of(), here.run), Error);
        ReleaseRecord bad = record_of();
        bad.images[0].sha256 = "x";
        CHECK_THROWS_AS(write_release(place, kFolder, bad, here.run), Error);
        CHECK(place.contents() == before);
        place.set_text("main/abc1234/release.json", release_to_json(record_of()));
        CHECK_THROWS_WITH(find_release(place, "main/abc1234", here.run), Catch::Contains("another branch"));
    }
}

TEST_CASE("write_release: what a later cooper wrote is not lost by an earlier one", "[unit][delivery]") {
    for (const auto& [from, to] : {std::pair("\"branch\"", "\"base\":{},\"branch\""),
                                   std::pair("\"name\":\"openhands\"", "\"name\":\"openhands\",\"sbom\":[]"),
                                   std::pair("\"subject\":", "\"signed\":true,\"subject\":")}) {
        const Here here;
        MemoryPlace place;
        place.set_text(kKey, with(from, to));
        const auto before = place.contents();
        CHECK(find_release(place, kFolder, here.run));
        CHECK_THROWS_WITH(write_release(place, kFolder, record_of({"more"}), here.run),
                          Catch::Contains("this cooper would lose"));
        CHECK(place.contents() == before);
    }
}

TEST_CASE("write_release: many at once, and answers that are lost: every image is in it once", "[unit][delivery]") {
    for (const bool conditional : {true, false}) {
        FakeClock clock;
        const Run run{{}, &clock, &no_progress()};
        MemoryPlace place(conditional);
        std::mutex mutex;
        std::minstd_rand random{7};
        place.before = [](const std::string&, const std::string&) { std::this_thread::yield(); };
        place.after = [&](const std::string& step, const std::string&) {
            const std::scoped_lock lock(mutex);
            if (step == "replace_text" && random() % 4 == 0) {
                throw Error(ErrorCode::Unavailable, "503 SlowDown");
            }
        };
        std::atomic<int> failed{0};
        {
            std::vector<std::jthread> writers;
            for (int i = 0; i < 16; ++i) {
                writers.emplace_back([&, i] {
                    try {
                        write_release(place, kFolder, record_of({"image" + std::to_string(i)}), run);
                    } catch (const std::exception&) {
                        ++failed;
                    }
                });
            }
        }
        place.after = nullptr;
        CHECK(failed == 0);
        const auto record = find_release(place, kFolder, run);
        REQUIRE(record);
        CHECK(record->images.size() == 16);
        CHECK(record->commits.size() == 1);
    }
}

TEST_CASE("write_release: a part that is no record is left out, not a stop for all", "[unit][delivery]") {
    const Here here;
    MemoryPlace place(false);
    place.set_text(kFolder + "/.release/20240101T000000Z-bad.json", "{}");
    place.set_text(kFolder + "/.release/20240102T000000Z-other.json", with("jps/x\"", "main\""));
    CHECK(write_release(place, kFolder, record_of(), here.run));
    CHECK(find_release(place, kFolder, here.run)->images.size() == 1);
}
