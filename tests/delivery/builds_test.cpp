// Builds that were delivered: found again, withdrawn, linked to anew, and whose file it is.
#include "cooper/delivery/builds.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/checksums.hpp"
#include "cooper/delivery/job_summary.hpp"
#include "cooper/delivery/keys.hpp"

#include "delivery/delivery_support.hpp"
#include "s3/scene.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::delivery;
using cooper::s3::testing::fake_credentials;
using cooper::s3::testing::fake_settings;
using cooper::s3::testing::Notices;
using cooper::s3::testing::Scene;
using cooper::testing::count_of;
using cooper::testing::FakeClock;
using cooper::testing::FakeS3Options;
using cooper::testing::LayerSpec;
using cooper::testing::memory_image;
using cooper::testing::MemoryPlace;
using cooper::testing::random_bytes;

namespace {

const std::string kOld = "abc1234def5678abc1234def5678abc1234def56";
const std::string kNew = "def5678abc1234def5678abc1234def5678abc12";
const std::string kChangelog = "main/CHANGELOG.md";
const std::string kRepository = "https://github.com/acme/app";

struct Here {
    FakeClock clock;
    Notices notices;
    Run run{{}, &clock, &notices};
    [[nodiscard]] std::string said() const {
        std::string text;
        for (const std::string& notice : notices.all()) {
            text += notice + "\n";
        }
        return text;
    }
};

BuildInfo build_of(const std::string& commit, const std::string& branch = "main") {
    BuildInfo build;
    build.branch = branch;
    build.commit = commit;
    build.subject = "Subject of " + commit.substr(0, 7);
    build.notes = "Notes";
    build.repository = kRepository;
    build.commit_url = kRepository + "/commit/" + commit;
    return build;
}

/// Two images, as `cooper publish` delivers them.
Published publish_build(Place& place, const BuildInfo& build, const Run& run) {
    const auto seed = static_cast<unsigned>(build.commit[0]);
    std::vector<PublishImage> images;
    for (const char* name : {"app", "runtime"}) {
        oci::Image image =
            memory_image({{LayerSpec::Form::Gzip, random_bytes(3000, seed)}, {LayerSpec::Form::Plain, name}});
        images.push_back({std::move(image), name, "latest", {std::string("acme/") + name + ":latest"}, name});
    }
    return publish(images, build, place, {}, run);
}

/// The same with a release.json.
Published release_build(Place& place, const BuildInfo& build, const Run& run) {
    const Published published = publish_build(place, build, run);
    ReleaseRecord record;
    record.branch = build.branch;
    record.published = run.clock->now_seconds();
    record.commits = {{build.repository, build.commit, build.subject, ""}};
    for (const PublishedImage& image : published.images) {
        ReleasedImage released;
        released.name = image.name;
        released.tag = image.tag;
        released.key = image.key;
        released.file = image.file;
        released.size = image.size;
        released.sha256 = image.sha256;
        released.image_id = image.image_id;
        record.images.push_back(std::move(released));
    }
    write_release(place, branch_key(build.branch) + "/" + short_sha(build.commit), record, run);
    return published;
}

/// An older release and a newer publish.
void deliver_two(Place& place, Here& here) {
    release_build(place, build_of(kOld), here.run);
    here.clock.advance(std::chrono::hours(1));
    publish_build(place, build_of(kNew), here.run);
    here.clock.advance(std::chrono::hours(1));
}

template <class Body>
std::string error_of(Body&& body) {
    try {
        body();
    } catch (const Error& error) {
        return std::string(to_string(error.code())) + ": " + error.what();
    }
    return {};
}

std::string status_in(const MemoryPlace& place, const std::string& short_sha) {
    for (const ParsedEntry& entry : parse_changelog(place.text(kChangelog))) {
        if (entry.short_sha == short_sha) {
            return entry.status;
        }
    }
    return "(no such entry)";
}

}  // namespace

TEST_CASE("find_build: by its commit, with or without release.json, else the newest", "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    deliver_two(place, here);
    const FoundBuild old = find_build(place, "main", "abc1234", here.run);
    CHECK(old.folder == "main/abc1234");
    CHECK(old.commit == kOld);
    CHECK(old.repository == kRepository);
    REQUIRE(old.release);
    CHECK(old.tarballs == std::vector<std::string>{"main/abc1234/app:latest.tar", "main/abc1234/runtime:latest.tar"});
    CHECK_FALSE(old.withdrawn);
    CHECK(find_build(place, "main", kOld, here.run).folder == old.folder);

    const FoundBuild newest = find_build(place, "main", "", here.run);
    CHECK(newest.folder == "main/def5678");
    CHECK(newest.commit == kNew);
    CHECK_FALSE(newest.release);
    CHECK(newest.time == *old.time + std::chrono::hours(1));
}

TEST_CASE("find_build: what is not there is told with what is", "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    deliver_two(place, here);
    const std::string missing = error_of([&] { find_build(place, "main", "0badbad", here.run); });
    CHECK_THAT(missing, Catch::StartsWith("not-found: "));
    CHECK_THAT(missing, Catch::Contains("0badbad") && Catch::Contains(kOld) && Catch::Contains(kNew));
    CHECK_THAT(error_of([&] { find_build(place, "other", "abc1234", here.run); }), Catch::StartsWith("not-found: "));
    CHECK_THAT(error_of([&] { find_build(place, "other", "", here.run); }), Catch::StartsWith("not-found: "));
    CHECK_THAT(error_of([&] { find_build(place, "main", "abc", here.run); }), Catch::StartsWith("invalid-input: "));
    CHECK_THAT(error_of([&] { find_build(place, "../x", "abc1234", here.run); }), Catch::StartsWith("invalid-input: "));
}

TEST_CASE("find_build: digits of several builds are a question, more of them an answer", "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    const std::string other = "abc1234000000000000000000000000000000000";
    publish_build(place, build_of(kOld), here.run);
    publish_build(place, build_of(other), here.run);
    const std::string several = error_of([&] { find_build(place, "main", "abc1234", here.run); });
    CHECK_THAT(several, Catch::StartsWith("conflict: ") && Catch::Contains(kOld) && Catch::Contains(other));
    CHECK(find_build(place, "main", "abc1234d", here.run).commit == kOld);
    CHECK(find_build(place, "main", other, here.run).folder == "main/abc123400000");
}

TEST_CASE("find_build: a folder that the changelog does not know is found as well", "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    deliver_two(place, here);
    place.set_text(kChangelog, "");
    CHECK(find_build(place, "main", kOld, here.run).commit == kOld);  // as release.json says
    CHECK(find_build(place, "main", kNew, here.run).folder == "main/def5678");
    CHECK(error_of([&] { find_build(place, "main", "", here.run); }).starts_with("not-found: "));
}

TEST_CASE("find_build: a hostile release.json is refused, other people's files are no tarballs", "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    deliver_two(place, here);
    for (const char* name :
         {"-rf:x.tar", "a:b:c.tar", "no-colon.tar", "\x1b[31m:1.tar", "sub/app:1.tar", ".hidden:1.tar"}) {
        place.set_text(std::string("main/abc1234/") + name, "x");
    }
    CHECK(find_build(place, "main", kOld, here.run).tarballs.size() == 2);
    const std::string good = place.text("main/abc1234/release.json");
    std::string elsewhere = good;
    elsewhere.replace(elsewhere.find("main/abc1234/app"), 12, "main/0000000");
    for (const std::string& bad : {std::string("{}"), elsewhere, good.substr(0, 100)}) {
        place.set_text("main/abc1234/release.json", bad);
        CHECK(error_of([&] { find_build(place, "main", kOld, here.run); }).starts_with("invalid-input: "));
    }
}

TEST_CASE("withdraw: the changelog, release.json, the folder and the tarballs say it, and nothing is removed",
          "[unit][delivery]") {
    for (const bool conditional : {true, false}) {
        Here here;
        MemoryPlace place(conditional);
        deliver_two(place, here);
        const auto before = place.contents();
        place.forget_steps();
        const WithdrawResult result = withdraw_build(place, "main", "abc1234", "CVE-2024-1", here.run);
        std::vector<std::string> writes = place.steps();
        std::erase_if(writes,
                      [](const std::string& step) { return step.starts_with("find") || step.starts_with("list"); });
        CHECK(writes.front() == "put_text main/abc1234/WITHDRAWN.txt");
        CHECK_THAT(writes.back(), Catch::EndsWith("_text " + kChangelog));
        CHECK(result.changed);
        CHECK(result.labels_supported);
        CHECK(result.labelled == 2);
        CHECK(place.labels("main/abc1234/app:latest.tar").at("cooper-status") == "withdrawn");
        CHECK(place.labels("main/def5678/app:latest.tar").empty());
        const std::string status = status_in(place, "abc1234");
        CHECK(status.starts_with("WITHDRAWN 20"));
        CHECK(status.ends_with(" - CVE-2024-1"));
        CHECK(status_in(place, "def5678").empty());
        CHECK(find_release(place, "main/abc1234", here.run)->withdrawn->reason == "CVE-2024-1");
        CHECK_THAT(place.text("main/abc1234/WITHDRAWN.txt"), Catch::Contains("Reason: CVE-2024-1\n"));
        for (const auto& [key, text] : before) {
            const bool may_change = key == kChangelog || key.ends_with("release.json");
            CHECK((may_change || place.text(key) == text));
        }
        // Foreign bytes stay: but for the new line it is the same document.
        std::string changelog = place.text(kChangelog);
        const std::string line = "**Status**: " + status + "\n";
        changelog.erase(changelog.find(line), line.size());
        CHECK(changelog == before.at(kChangelog));

        const auto after = place.contents();
        here.clock.advance(std::chrono::hours(48));
        CHECK_FALSE(withdraw_build(place, "main", kOld, " CVE-2024-1\n", here.run).changed);
        CHECK(place.contents() == after);
        CHECK(find_build(place, "main", "", here.run).folder == "main/def5678");
    }
}

TEST_CASE("withdraw: another reason replaces the first, also within the second", "[unit][delivery]") {
    for (const bool conditional : {true, false}) {
        Here here;
        MemoryPlace place(conditional);
        deliver_two(place, here);
        for (const std::string& commit : {kOld, kNew}) {
            withdraw_build(place, "main", commit, "z", here.run);
            if (commit == kNew && !conditional) {
                here.clock.advance(std::chrono::seconds(1));  // only the entry objects know more than the day
            }
            CHECK(withdraw_build(place, "main", commit, "a\nworse", here.run).changed);
            CHECK(status_in(place, commit.substr(0, 7)).ends_with(" - a worse"));
            CHECK(find_build(place, "main", commit, here.run).withdrawn->reason == "a worse");
        }
        CHECK(find_release(place, "main/abc1234", here.run)->withdrawn->reason == "a worse");
        CHECK_THAT(error_of([&] { find_build(place, "main", "", here.run); }), Catch::StartsWith("not-found: "));
        CHECK(error_of([&] { withdraw_build(place, "main", kOld, " \n", here.run); }).starts_with("invalid-input: "));
        CHECK(error_of([&] { withdraw_build(place, "main", "", "x", here.run); }).starts_with("invalid-input: "));
    }
}

TEST_CASE("withdraw: a rebuilt changelog still says it, with all that was known of the build", "[unit][delivery]") {
    for (const bool conditional : {true, false}) {
        Here here;
        MemoryPlace place(conditional);
        deliver_two(place, here);
        withdraw_build(place, "main", kOld, "CVE-2024-1", here.run);
        const std::string before = place.text(kChangelog);
        place.set_text(kChangelog, "");
        CHECK(rebuild_changelog(place, "main", here.run));
        CHECK(place.text(kChangelog) == before);
        CHECK_FALSE(rebuild_changelog(place, "main", here.run));
        // And a slow writer that knew nothing of it does not undo it.
        if (!conditional) {
            std::string stale = before;
            const std::size_t begin = stale.find("**Status**");
            stale.erase(begin, stale.find('\n', begin) - begin + 1);
            place.set_text(kChangelog, stale);
            publish_build(place, build_of("1111111111111111111111111111111111111111"), here.run);
            CHECK(status_in(place, "abc1234").starts_with("WITHDRAWN"));
        }
    }
}

TEST_CASE("withdraw: without a repository the changelog knows less, and nothing is lost", "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    BuildInfo build = build_of(kOld);
    build.repository = build.commit_url = "";
    publish_build(place, build, here.run);
    CHECK(parse_changelog(place.text(kChangelog)).at(0).commit == "abc1234");
    CHECK(find_build(place, "main", "", here.run).commit == kOld);
    withdraw_build(place, "main", "abc1234", "CVE-2024-1", here.run);
    const std::string before = place.text(kChangelog);
    place.set_text(kChangelog, "");
    rebuild_changelog(place, "main", here.run);
    CHECK(place.text(kChangelog) == before);
}

TEST_CASE("withdraw: the build is not published again", "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    deliver_two(place, here);
    withdraw_build(place, "main", kNew, "CVE-2024-1", here.run);
    const auto before = place.contents();
    CHECK_THAT(error_of([&] { publish_build(place, build_of(kNew), here.run); }),
               Catch::StartsWith("conflict: ") && Catch::Contains("CVE-2024-1"));
    CHECK(place.contents() == before);
    publish_build(place, build_of(kNew, "other"), here.run);
}

TEST_CASE("withdraw: checksums, signature and texts of the folder stay as customers have them", "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    deliver_two(place, here);
    withdraw_build(place, "main", kOld, "CVE-2024-1", here.run);
    const auto before = place.contents();
    CHECK_FALSE(write_side_files(place, "main/abc1234", nullptr, here.run).changed);
    CHECK(place.contents() == before);
    CHECK(place.text("main/abc1234/SHA256SUMS").find("WITHDRAWN") == std::string::npos);
}

TEST_CASE("withdraw: cut at any step, it is done by running again", "[unit][delivery]") {
    class Crash {};
    for (const bool conditional : {true, false}) {
        for (const bool afterwards : {true, false}) {
            bool finished = false;
            for (int crash_at = 0; !finished; ++crash_at) {
                Here here;
                MemoryPlace place(conditional);
                deliver_two(place, here);
                int step = 0;
                (afterwards ? place.after : place.before) = [&](const std::string&, const std::string&) {
                    if (step++ == crash_at) {
                        throw Crash();
                    }
                };
                try {
                    withdraw_build(place, "main", kOld, "CVE-2024-1", here.run);
                    finished = true;
                } catch (const Crash&) {
                }
                place.before = nullptr;
                place.after = nullptr;
                here.clock.advance(std::chrono::hours(24));
                withdraw_build(place, "main", kOld, "CVE-2024-1", here.run);
                INFO("conditional " << conditional << ", afterwards " << afterwards << ", step " << crash_at);
                const auto record = find_release(place, "main/abc1234", here.run);
                REQUIRE((record && record->withdrawn));
                const std::string day = format_changelog(record->withdrawn->time).substr(0, 10);
                CHECK(status_in(place, "abc1234") == "WITHDRAWN " + day + " - CVE-2024-1");
                CHECK(place.text("main/abc1234/WITHDRAWN.txt").starts_with("WITHDRAWN on " + day + "\n"));
                CHECK(count_of(place.text(kChangelog), "**Status**") == 1);
                CHECK(place.labels("main/abc1234/runtime:latest.tar").size() == 1);
            }
        }
    }
}

TEST_CASE("withdraw: a place without labels, a broken release.json, no entry: each is told, none is an obstacle",
          "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    deliver_two(place, here);
    place.has_labels = false;
    place.set_text("main/abc1234/release.json", "{}");
    const WithdrawResult result = withdraw_build(place, "main", kOld, "CVE-2024-1", here.run);
    CHECK_FALSE(result.labels_supported);
    CHECK(result.labelled == 0);
    CHECK(status_in(place, "abc1234").starts_with("WITHDRAWN"));
    CHECK_THAT(here.said(), Catch::Contains("going on without it"));
    CHECK(place.text("main/abc1234/release.json") == "{}");

    place.set_text(kChangelog, "");
    withdraw_build(place, "main", kNew, "x", here.run);
    CHECK_THAT(here.said(), Catch::Contains("has no entry of def5678"));
    CHECK(place.text("main/def5678/WITHDRAWN.txt").starts_with("WITHDRAWN on"));
}

TEST_CASE("withdraw: objects of a bucket carry the mark, where the store has tags", "[unit][delivery]") {
    for (const auto tagging :
         {FakeS3Options::Tagging::Kept, FakeS3Options::Tagging::Refused, FakeS3Options::Tagging::Unknown}) {
        FakeS3Options options;
        options.tagging = tagging;
        Scene scene(options);
        const auto place = make_bucket_place(scene.bucket);
        const Published published = release_build(*place, build_of(kOld), scene.run);
        const std::string& key = published.images[0].key;
        const std::string content = scene.content(key);
        const WithdrawResult result = withdraw_build(*place, "main", kOld, "CVE-2024-1", scene.run);
        const bool kept = tagging == FakeS3Options::Tagging::Kept;
        CHECK(result.labels_supported == kept);
        CHECK(scene.store.find(key)->tags.size() == (kept ? 1U : 0U));
        CHECK((scene.content(key) == content));
        CHECK_THAT(scene.content("main/CHANGELOG.md"), Catch::Contains("**Status**: WITHDRAWN"));
    }
}

TEST_CASE("withdraw: tags of others that leave no room are no obstacle", "[unit][delivery]") {
    Scene scene;
    const auto place = make_bucket_place(scene.bucket);
    const Published published = publish_build(*place, build_of(kOld), scene.run);
    for (int i = 0; i < 10; ++i) {
        scene.store.put_tag(published.images[0].key, "tag" + std::to_string(i), "x");
    }
    const WithdrawResult result = withdraw_build(*place, "main", kOld, "CVE-2024-1", scene.run);
    CHECK(result.labelled == 1);
    CHECK(scene.store.find(published.images[0].key)->tags.size() == 10);
}

TEST_CASE("withdraw: in a directory the labels lie beside the tarball", "[unit][delivery]") {
    Here here;
    const TempDirectory root("cooper-test");
    const auto place = make_directory_place(root.path());
    const Published published = publish_build(*place, build_of(kOld), here.run);
    const auto labels = root.path() / "main/abc1234/.app:latest.tar.labels.json";
    CHECK(place->label(published.images[0].key, {{"team", "a"}}, here.run));
    CHECK(withdraw_build(*place, "main", kOld, "CVE-2024-1", here.run).labelled == 2);
    CHECK(read_file(labels, 1000) == "{\"cooper-status\":\"withdrawn\",\"team\":\"a\"}\n");
    CHECK(find_build(*place, "main", kOld, here.run).tarballs.size() == 2);
    CHECK(place->find_tarball(published.images[0].key, here.run)->sha256 == published.images[0].sha256);
    CHECK(error_of([&] { place->label("main/abc1234/no:1.tar", {{"a", "b"}}, here.run); }).starts_with("not-found"));
}

TEST_CASE("links: made anew for what is there, of all images or some", "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    release_build(place, build_of(kOld), here.run);
    const auto all = refresh_links(place, "main", "", {}, std::chrono::hours(1), false, here.run);
    REQUIRE(all.images.size() == 2);
    CHECK(all.images[0].name == "app");
    CHECK(all.images[0].file == "app_latest.tar");
    CHECK(all.images[0].sha256.size() == 64);
    CHECK(all.images[0].image_id.starts_with("sha256:"));
    CHECK(all.images[0].link.url == "https://store.example/main/abc1234/app%3Alatest.tar");
    CHECK(all.images[0].link.expires == here.clock.now_seconds() + std::chrono::hours(1));
    const auto some = [&](const std::vector<std::string>& names) {
        return refresh_links(place, "main", kOld, names, std::chrono::hours(1), false, here.run).images;
    };
    CHECK(some({"runtime"}).size() == 1);
    CHECK(some({"runtime:latest", "app"}).size() == 2);
    CHECK_THAT(error_of([&] {
                   some({"app", "typo"});
               }),
               Catch::StartsWith("not-found: ") && Catch::Contains("typo; it has app:latest, runtime:latest"));
    CHECK_THAT(error_of([&] { some({"app:v2"}); }), Catch::StartsWith("not-found: "));
}

TEST_CASE("links: none to a withdrawn build, to what is gone, or to other bytes than those that were released",
          "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    deliver_two(place, here);
    const auto refresh = [&](bool withdrawn_too = false) {
        return refresh_links(place, "main", kOld, {}, std::chrono::hours(1), withdrawn_too, here.run);
    };
    const std::string app = place.text("main/abc1234/app:latest.tar");
    place.set_text("main/abc1234/app:latest.tar", app + "x");
    CHECK_THAT(error_of([&] { refresh(); }), Catch::StartsWith("integrity: ") && Catch::Contains("app:latest.tar"));
    place.remove_text("main/abc1234/app:latest.tar", here.run);
    CHECK(refresh().images.size() == 1);
    CHECK_THAT(here.said(), Catch::Contains("app:latest.tar was released and is no longer there"));

    withdraw_build(place, "main", kOld, "CVE-2024-1", here.run);
    CHECK_THAT(error_of([&] { refresh(); }), Catch::StartsWith("conflict: ") && Catch::Contains("CVE-2024-1"));
    const auto links = refresh(true);
    CHECK(links.build.withdrawn);
    CHECK_THAT(links_summary(links, place.name()), Catch::Contains("**WITHDRAWN**: CVE-2024-1"));
}

TEST_CASE("links: an end that comes earlier is told as it is", "[unit][delivery]") {
    Scene first;
    const auto place = make_bucket_place(first.bucket);
    publish_build(*place, build_of(kOld), first.run);

    s3::Credentials credentials = fake_credentials();
    credentials.session_token = Secret("to/ken+=");
    credentials.expires = first.clock.now_seconds() + std::chrono::minutes(30);
    const auto provider = s3::make_fixed_credentials(std::move(credentials));
    first.store.change([](FakeS3Options& options) { options.session_token = "to/ken+="; });
    s3::Bucket bucket("bucket", fake_settings(), *first.http, *provider);
    const auto short_lived = make_bucket_place(bucket);
    const auto links = refresh_links(*short_lived, "main", "", {}, std::chrono::hours(24 * 7), false, first.run);
    CHECK(links.images[0].link.expires == first.clock.now_seconds() + std::chrono::minutes(29));  // less a margin
    CHECK_THAT(links.images[0].link.warning, Catch::Contains("earlier than asked"));
    const std::string summary = links_summary(links, short_lived->name());
    CHECK_THAT(summary, Catch::Contains(format_changelog(*links.images[0].link.expires)) &&
                            Catch::Contains("earlier than asked"));
    // Nothing that was published holds a link.
    for (const std::string& key : first.store.keys()) {
        CHECK((first.content(key).find("X-Amz-Signature") == std::string::npos));
    }
}

TEST_CASE("whose: a file's build is found by its SHA-256, newest first, in one branch or all", "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    deliver_two(place, here);
    publish_build(place, build_of(kNew, "main/sub"), here.run);
    const auto digest_of = [&](const std::string& key) { return std::string(sha256(place.text(key)).hex()); };

    const auto found = whose(place, "", digest_of("main/abc1234/app:latest.tar"), here.run);
    REQUIRE(found.size() == 1);
    CHECK(found[0].key == "main/abc1234/app:latest.tar");
    CHECK(found[0].file == "app_latest.tar");
    CHECK(found[0].build.commit == kOld);
    CHECK(found[0].build.release);
    CHECK_FALSE(found[0].build.withdrawn);

    const std::string lock = digest_of("main/abc1234/app_latest.tar.lock.json");
    CHECK(whose(place, "main", lock, here.run).at(0).file == "app_latest.tar.lock.json");

    const std::string twice = digest_of("main/def5678/app:latest.tar");
    const auto both = whose(place, "", twice, here.run);
    REQUIRE(both.size() == 2);
    CHECK(both[0].build.branch == "main/sub");
    CHECK(whose(place, "main", twice, here.run).size() == 1);
    CHECK(whose(place, "main/sub", twice, here.run).size() == 1);
    CHECK(whose(place, "other", twice, here.run).empty());
    CHECK(whose(place, "", std::string(64, '0'), here.run).empty());
    CHECK(error_of([&] { (void)whose(place, "", "abc", here.run); }).starts_with("invalid-input: "));

    withdraw_build(place, "main", kOld, "CVE-2024-1", here.run);
    CHECK(whose(place, "", lock, here.run).at(0).build.withdrawn->reason == "CVE-2024-1");
}

TEST_CASE("whose: lists that cannot be read or are contradicted are told, and hide no other", "[unit][delivery]") {
    Here here;
    MemoryPlace place;
    deliver_two(place, here);
    const std::string digest(sha256(place.text("main/def5678/app:latest.tar")).hex());
    place.set_text("main/0000000/SHA256SUMS", "\x1b[31mno list\n");
    place.set_text("main/not a folder/SHA256SUMS", digest + "  a.tar\n");
    place.set_text("SHA256SUMS", digest + "  a.tar\n");
    place.set_text("a..b/abc1234/SHA256SUMS", digest + "  a.tar\n");
    CHECK(whose(place, "", digest, here.run).size() == 1);
    CHECK_THAT(here.said(), Catch::Contains("not looked into: memory:/main/0000000/SHA256SUMS"));

    place.set_text("main/abc1234/SHA256SUMS", digest + "  app_latest.tar\n");
    CHECK(whose(place, "", digest, here.run).size() == 2);
    CHECK_THAT(here.said(), Catch::Contains("do not agree on app_latest.tar"));
}
