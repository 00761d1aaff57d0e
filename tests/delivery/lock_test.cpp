#include "cooper/delivery/lock.hpp"

#include "cooper/base/files.hpp"

#include "delivery/lock_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::delivery;
using namespace cooper::testing;

namespace {

std::string replaced(std::string text, std::string_view what, std::string_view with) {
    const std::size_t at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), with);
}

/// As somebody would change it who knows of the digest.
std::string named_again(std::string text) {
    const std::string_view start = R"("digest":"sha256:)";
    const std::size_t at = text.find(start);
    const std::size_t length = start.size() + 64 + 2;  // the quote and the comma
    const std::string without = text.substr(0, at) + text.substr(at + length);
    return replaced(text, text.substr(at, length), R"("digest":")" + sha256(without).text() + R"(",)");
}

}  // namespace

TEST_CASE("lock: what is written is read again, to the byte", "[unit][delivery]") {
    const TempDirectory directory;
    const LockedTarball made = locked_tarball(directory.path() / "app.tar");
    const Lock again = lock_from_json(made.text, "lock");
    CHECK(lock_to_json(again) == made.text);
    CHECK(again.images.size() == 2);
    CHECK(again.layers.size() == 3);
    CHECK(again.images[0].base->layers == 1);
    CHECK(again.layers[2].compressor.starts_with("isal-"));
    CHECK(again.source.commit == "abc1234");
    CHECK(plan_of(again, nullptr).identity() == made.lock.output.plan);
    CHECK(made.text.find('\n') == std::string::npos);
    CHECK(made.text.starts_with(R"({"archive_format":"hybrid","digest":"sha256:)"));  // keys sorted
}

TEST_CASE("lock: of an image that cooper built it says what of, and of others nothing more", "[unit][delivery]") {
    const TempDirectory directory;
    LockedTarball made = locked_tarball(directory.path() / "app.tar");
    const std::string without = made.text;
    CHECK(without.find("\"build\"") == std::string::npos);
    build::BuildRecord record{.dockerfile = sha256(std::string_view("FROM debian")),
                              .target = "final",
                              .epoch = 1,
                              .scrub = {},
                              .args = {{"VERSION", "1"}, {"TOKEN", "canary"}},
                              .secret_args = {},
                              .secrets = {},
                              .bases = {},
                              .fetched = {},
                              .checkouts = {},
                              .steps = {},
                              .results = {}};
    record.bases = {{"debian", "linux/amd64", sha256(std::string_view("debian"))}};
    record.results = {{"linux/amd64", made.lock.images[0].manifest.digest}};
    made.lock.images[0].build = record;
    const std::string with = lock_to_json(made.lock);
    CHECK(with.find("canary") == std::string::npos);
    const Lock again = lock_from_json(with, "lock");
    REQUIRE(again.images[0].build);
    CHECK(again.images[0].build->json() == record.json());
    CHECK_FALSE(again.images[1].build);
    CHECK(lock_to_json(again) == with);
    CHECK(with.find(record.json()) != std::string::npos);
    const std::string forged = named_again(replaced(with, R"("epoch":1,)", R"("epoch":"1",)"));
    CHECK_THROWS_AS(lock_from_json(forged, "lock"), Error);
}

TEST_CASE("lock: layers are named with image, number and base", "[unit][delivery]") {
    const TempDirectory directory;
    const Lock lock = locked_tarball(directory.path() / "app.tar").lock;
    CHECK(lock.owner_of(lock.layers[0].blob.digest) ==
          "docker.io/acme/app:1, layer 1 of 3, of its base docker.io/library/debian:12");
    CHECK(lock.owner_of(lock.layers[2].blob.digest) == "docker.io/acme/app:1, layer 3 of 3");
}

TEST_CASE("lock: a change of any byte is found", "[unit][delivery]") {
    const TempDirectory directory;
    const std::string text = locked_tarball(directory.path() / "app.tar").text;
    for (std::size_t i = 0; i < text.size(); ++i) {
        std::string changed = text;
        changed[i] = static_cast<char>(changed[i] ^ 1);
        INFO("byte " << i << " of " << text.size());
        CHECK_THROWS_AS(lock_from_json(changed, "lock"), Error);
    }
    CHECK_THROWS_AS(lock_from_json(text + "\n", "lock"), IntegrityError);
    CHECK_THROWS_AS(lock_from_json(text.substr(0, text.size() - 1), "lock"), Error);
}

TEST_CASE("lock: other versions are refused by an error of their own", "[unit][delivery]") {
    const TempDirectory directory;
    const std::string text = locked_tarball(directory.path() / "app.tar").text;
    CHECK_THROWS_AS(lock_from_json(named_again(replaced(text, "cooper.lock/v1", "cooper.lock/v2")), "lock"),
                    UnknownLockVersion);
    CHECK_THROWS_AS(
        lock_from_json(named_again(replaced(text, R"("format_version":1)", R"("format_version":2)")), "lock"),
        UnknownLockVersion);
    CHECK(refusal_of([&] {
              return lock_from_json(replaced(text, "cooper.lock/v1", "other.lock/v1"), "the lock x");
          }).find("the lock x is no lock") != std::string::npos);
}

TEST_CASE("lock: one that contradicts itself is refused although its digest is right", "[unit][delivery]") {
    const TempDirectory directory;
    const LockedTarball made = locked_tarball(directory.path() / "app.tar");
    const auto refused = [&](auto change) {
        Lock lock = made.lock;
        change(lock);
        CHECK_THROWS_AS(lock_from_json(lock_to_json(lock), "lock"), Error);
    };
    refused([](Lock& lock) { lock.layers.pop_back(); });
    refused([](Lock& lock) { ++lock.layers[0].blob.size; });
    refused([](Lock& lock) { lock.layers[0].diff_id = lock.layers[1].diff_id; });
    refused([](Lock& lock) { lock.segments[1].size += 512; });
    refused([](Lock& lock) { lock.segments.pop_back(); });
    refused([](Lock& lock) { ++lock.output.size; });
    refused([](Lock& lock) { lock.output.plan = sha256(std::string_view("x")); });
    refused([](Lock& lock) { lock.images[0].config += " "; });
    refused([](Lock& lock) { lock.images[0].repo_tags[0] = lock.images[1].repo_tags[0]; });
    refused([](Lock& lock) { lock.images.clear(); });
    refused([](Lock& lock) { lock.format = oci::ArchiveFormat::Docker; });
}

TEST_CASE("lock: what is no lock at all is refused", "[unit][delivery]") {
    for (const std::string_view text : {"", "{}", "[]", "null", R"({"schema":1})", R"({"schema":"cooper.lock/v1"})",
                                        R"({"schema":"cooper.lock/v1","format_version":1,"images":{}})"}) {
        INFO(text);
        CHECK_THROWS_AS(lock_from_json(text, "lock"), Error);
    }
}
