#include "cooper/delivery/side_files.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/lock.hpp"
#include "cooper/delivery/place_below.hpp"
#include "cooper/delivery/publish.hpp"

#include "delivery/delivery_support.hpp"
#include "s3/scene.hpp"
#include "support/fake_clock.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <thread>

using namespace cooper;
using namespace cooper::delivery;
using cooper::s3::testing::Scene;
using cooper::testing::count_of;
using cooper::testing::FakeClock;
using cooper::testing::LayerSpec;
using cooper::testing::memory_image;
using cooper::testing::MemoryPlace;
using cooper::testing::random_bytes;

namespace {

const std::string kFolder = "main/abc1234";

/// A tarball and its lock.
struct Delivered {
    std::string key;
    std::string bytes;
    std::string lock;
};

Delivered delivered(const std::string& name, const std::string& tag = "latest", const std::string& folder = kFolder) {
    const std::vector<oci::ArchiveImage> images = {
        {memory_image({{LayerSpec::Form::Gzip, random_bytes(2000, static_cast<unsigned>(name.size()))}}),
         {"docker.io/acme/" + name + ":" + tag}}};
    const auto plan = oci::ArchivePlan::make(images);
    const std::string bytes = read_all(*plan.open(), 1 << 20, name);
    const std::string tarball = tarball_name(name, tag);
    const Lock lock = make_lock({.plan = plan,
                                 .images = images,
                                 .origins = {},
                                 .format = oci::ArchiveFormat::Hybrid,
                                 .makers = {},
                                 .source = {},
                                 .name = safe_file_name(tarball),
                                 .sha256 = sha256(bytes),
                                 .tool_version = "1.0.0"});
    return {folder + "/" + tarball, bytes, lock_to_json(lock)};
}

void put(MemoryPlace& place, const Delivered& what) {
    place.set_text(what.key, what.bytes);
    place.set_text(lock_key(what.key), what.lock);
}

class Notices final : public Progress {
public:
    void notice(NoticeLevel /*level*/, std::string_view text) noexcept override { said += std::string(text) + "\n"; }
    std::string said;
};

/// Without waiting.
SideFilesResult write(Place& place, const SigningKey* key, Progress& progress = no_progress()) {
    FakeClock clock;
    Run run;
    run.clock = &clock;
    run.progress = &progress;
    return write_side_files(place, kFolder, key, run);
}

std::string in_folder(std::string_view name) {
    return kFolder + "/" + std::string(name);
}

/// Every file of the folder that SHA256SUMS names has that SHA-256, and the signature is the key's.
void check_consistent(const MemoryPlace& place, const SigningKey* key) {
    const Checksums checksums = Checksums::parse(place.text(in_folder(kChecksumsFile)), "SHA256SUMS");
    std::size_t tarballs = 0;
    for (const auto& [at, bytes] : place.contents()) {
        const std::string name = safe_file_name(at);
        if (name == kChecksumsFile || name == kSignatureFile || name == kPublicKeyFile) {
            continue;
        }
        tarballs += at.ends_with(".tar") ? 1U : 0U;
        REQUIRE(checksums.find(name) != nullptr);
        CHECK(*checksums.find(name) == sha256(bytes));
    }
    CHECK(checksums.entries().size() == 2 * tarballs + 2);
    CHECK(place.contents().count(in_folder(kSignatureFile)) == (key != nullptr ? 1 : 0));
    if (key != nullptr) {
        CHECK(place.text(in_folder(kPublicKeyFile)) == key->public_key());
        CHECK(verify_signature(key->public_key(), place.text(in_folder(kChecksumsFile)),
                               place.text(in_folder(kSignatureFile)), "key"));
        CHECK_THAT(place.text(in_folder(kVerifyFile)), Catch::Contains(std::string(key->fingerprint().hex())));
    }
}

}  // namespace

TEST_CASE("side files: all that lies in the folder is listed and signed", "[unit][delivery]") {
    MemoryPlace place;
    put(place, delivered("openhands"));
    put(place, delivered("api", "v1.2"));
    const SigningKey key = SigningKey::generate();
    const auto result = write(place, &key);
    CHECK(result.changed);
    CHECK(result.checksums_key == "main/abc1234/SHA256SUMS");
    CHECK(result.signature_key == "main/abc1234/SHA256SUMS.sig");
    CHECK(result.fingerprint == key.fingerprint().text());
    check_consistent(place, &key);
    const std::string verify = place.text(in_folder(kVerifyFile));
    CHECK_THAT(verify, Catch::Contains("api_v1.2.tar") && Catch::Contains("docker.io/acme/openhands:latest"));
}

TEST_CASE("side files: a second run writes nothing, with a key and without", "[unit][delivery]") {
    const SigningKey key = SigningKey::generate();
    for (const SigningKey* signer : {&key, static_cast<const SigningKey*>(nullptr)}) {
        MemoryPlace place;
        put(place, delivered("openhands"));
        CHECK(write(place, signer).changed);
        check_consistent(place, signer);
        const auto before = place.contents();
        place.forget_steps();
        CHECK_FALSE(write(place, signer).changed);
        CHECK(place.contents() == before);
        for (const std::string& step : place.steps()) {
            CHECK_FALSE(step.starts_with("put"));
            CHECK_FALSE(step.starts_with("remove"));
        }
    }
}

TEST_CASE("side files: a publisher without a key leaves a signature that fits", "[unit][delivery]") {
    MemoryPlace place;
    put(place, delivered("openhands"));
    const SigningKey key = SigningKey::generate();
    write(place, &key);
    const auto before = place.contents();
    const auto result = write(place, nullptr);
    CHECK_FALSE(result.changed);
    CHECK(result.fingerprint == key.fingerprint().text());
    CHECK(place.contents() == before);
}

TEST_CASE("side files: a signature that no longer fits is removed by a publisher without a key", "[unit][delivery]") {
    MemoryPlace place;
    put(place, delivered("openhands"));
    const SigningKey key = SigningKey::generate();
    write(place, &key);
    put(place, delivered("api"));
    Notices notices;
    const auto result = write(place, nullptr, notices);
    CHECK(result.changed);
    CHECK(result.signature_key.empty());
    CHECK(result.fingerprint.empty());
    CHECK_THAT(notices.said, Catch::Contains("no longer fits"));
    check_consistent(place, nullptr);
    CHECK(place.contents().count(in_folder(kPublicKeyFile)) == 0);
    CHECK_THAT(place.text(in_folder(kVerifyFile)), Catch::Contains("is not signed"));
    CHECK(write(place, &key, notices).changed);
    check_consistent(place, &key);
}

TEST_CASE("side files: another key takes over with a notice", "[unit][delivery]") {
    MemoryPlace place;
    put(place, delivered("openhands"));
    const SigningKey first = SigningKey::generate();
    const SigningKey second = SigningKey::generate();
    write(place, &first);
    Notices notices;
    CHECK(write(place, &second, notices).changed);
    CHECK_THAT(notices.said, Catch::Contains("another key") && Catch::Contains(second.fingerprint().text()));
    check_consistent(place, &second);
}

TEST_CASE("side files: whatever was damaged is written again", "[unit][delivery]") {
    MemoryPlace place;
    put(place, delivered("openhands"));
    const SigningKey key = SigningKey::generate();
    write(place, &key);
    for (const std::string_view name : {kChecksumsFile, kSignatureFile, kPublicKeyFile, kVerifyFile, kLoadFile}) {
        place.set_text(in_folder(name), "damaged");
        CHECK(write(place, &key).changed);
        check_consistent(place, &key);
    }
}

TEST_CASE("side files: a public key that is none is no reason to stop without a key", "[unit][delivery]") {
    MemoryPlace place;
    put(place, delivered("openhands"));
    place.set_text(in_folder(kPublicKeyFile), "no key");
    place.set_text(in_folder(kSignatureFile), "no signature");
    CHECK(write(place, nullptr).changed);
    check_consistent(place, nullptr);
}

TEST_CASE("side files: a damaged or foreign lock stops the signing", "[unit][delivery]") {
    const SigningKey key = SigningKey::generate();
    const Delivered good = delivered("openhands");
    MemoryPlace place;
    put(place, good);
    const auto fails_with = [&](ErrorCode code, const std::string& words) {
        try {
            write(place, &key);
            FAIL("signed: " + words);
        } catch (const Error& error) {
            CHECK(error.code() == code);
            CHECK_THAT(error.what(), Catch::Contains(words));
        }
        CHECK(place.contents().count(in_folder(kChecksumsFile)) == 0);
        put(place, good);
    };
    std::string damaged = good.lock;
    damaged[damaged.rfind("docker.io")] = 'D';
    place.set_text(lock_key(good.key), damaged);
    fails_with(ErrorCode::Integrity, "openhands_latest.tar.lock.json");
    place.set_text(lock_key(good.key), "{}");
    fails_with(ErrorCode::InvalidInput, "openhands_latest.tar.lock.json");
    place.set_text(lock_key(good.key), delivered("api").lock);
    fails_with(ErrorCode::Integrity, "lock of another tarball");
    place.set_text(good.key, good.bytes + "x");
    fails_with(ErrorCode::Integrity, "openhands:latest.tar");
    TarballFacts facts;
    facts.sha256 = sha256("other").hex();
    place.record_facts(good.key, facts, Run{});
    fails_with(ErrorCode::Integrity, "openhands:latest.tar is not what its lock says");
}

TEST_CASE("side files: two tarballs that would be saved under one name are refused", "[unit][delivery]") {
    MemoryPlace place;
    put(place, delivered("app", "a_b"));
    place.set_text(kFolder + "/app_a:b.tar", "x");
    CHECK_THROWS_WITH(write(place, nullptr), Catch::Contains("both be saved as"));
}

TEST_CASE("side files: tarballs without locks and locks without tarballs wait for their publisher",
          "[unit][delivery]") {
    MemoryPlace place;
    const Delivered waiting = delivered("api");
    place.set_text(waiting.key, waiting.bytes);
    CHECK(write(place, nullptr).checksums_key.empty());
    CHECK(place.contents().size() == 1);
    put(place, delivered("openhands"));
    place.set_text(lock_key(delivered("web").key), "not yet written");
    place.set_text(kFolder + "/.facts/x.json", "{}");
    place.set_text(kFolder + "/deeper/y.tar", "z");
    CHECK(write(place, nullptr).changed);
    const Checksums checksums = Checksums::parse(place.text(in_folder(kChecksumsFile)), "x");
    CHECK(checksums.entries().size() == 4);
    CHECK(checksums.find("openhands_latest.tar") != nullptr);
}

TEST_CASE("side files: publishers that write one folder at once agree in the end", "[unit][delivery]") {
    constexpr int kPublishers = 8;
    const SigningKey key = SigningKey::generate();
    MemoryPlace place(false);
    std::vector<Delivered> all;
    for (int i = 0; i < kPublishers; ++i) {
        all.push_back(delivered("app" + std::string(static_cast<std::size_t>(i), 'x')));
    }
    std::vector<std::thread> publishers;
    for (const Delivered& one : all) {
        publishers.emplace_back([&] {
            put(place, one);
            write(place, &key);
        });
    }
    for (std::thread& publisher : publishers) {
        publisher.join();
    }
    check_consistent(place, &key);
}

TEST_CASE("side files: a tarball that arrives between look and write is not forgotten", "[unit][delivery]") {
    MemoryPlace place(false);
    put(place, delivered("openhands"));
    const SigningKey key = SigningKey::generate();
    bool arrived = false;
    place.before = [&](const std::string& step, const std::string& at) {
        if (step == "put_text" && at == in_folder(kChecksumsFile) && !arrived) {
            arrived = true;
            put(place, delivered("api"));
            write(place, &key);
        }
    };
    write(place, &key);
    CHECK(arrived);
    check_consistent(place, &key);
}

TEST_CASE("side files: killed after any step, the next run puts all right", "[unit][delivery]") {
    const SigningKey key = SigningKey::generate();
    for (int survive = 0;; ++survive) {
        MemoryPlace place;
        put(place, delivered("openhands"));
        int steps = 0;
        place.before = [&](const std::string& /*step*/, const std::string& /*at*/) {
            if (steps++ == survive) {
                throw Error(ErrorCode::Unavailable, "killed");
            }
        };
        bool finished = true;
        try {
            write(place, &key);
        } catch (const Error&) {
            finished = false;
        }
        place.before = nullptr;
        write(place, &key);
        check_consistent(place, &key);
        if (finished) {
            CHECK(survive > 10);
            break;
        }
    }
}

TEST_CASE("side files: others who never stop writing are named", "[unit][delivery]") {
    MemoryPlace place(false);
    put(place, delivered("openhands"));
    const SigningKey ours = SigningKey::generate();
    const SigningKey theirs = SigningKey::generate();
    int depth = 0;
    place.before = [&](const std::string& step, const std::string& at) {
        if (step == "list" && at == kFolder + "/" && depth == 0) {
            ++depth;
            write(place, &theirs);
            --depth;
        }
    };
    CHECK_THROWS_AS(write(place, &ours), LostRace);
}

TEST_CASE("side files: a place that is a directory loses what is removed", "[unit][delivery]") {
    const TempDirectory directory;
    const auto place = make_directory_place(directory.path());
    place->put_text("main/abc1234/a", "x", Run{});
    place->remove_text("main/abc1234/a", Run{});
    place->remove_text("main/abc1234/a", Run{});
    CHECK_FALSE(place->find_text("main/abc1234/a", Run{}));
    CHECK_THROWS_AS(place->remove_text("../a", Run{}), Error);
}

TEST_CASE("side files: in a bucket, below a prefix, signed and unsigned again", "[unit][delivery]") {
    Scene scene;
    const auto place = make_place_below(make_bucket_place(scene.bucket), "team");
    const Delivered one = delivered("openhands");
    const auto upload = [&](const std::string& key, const std::string& bytes) {
        place->put_text(key, bytes, scene.run);
    };
    upload(one.key, one.bytes);
    upload(lock_key(one.key), one.lock);
    const SigningKey key = SigningKey::generate();
    CHECK(write(*place, &key).signature_key == in_folder(kSignatureFile));
    CHECK_FALSE(write(*place, &key).changed);
    CHECK(verify_signature(key.public_key(), scene.content("team/" + in_folder(kChecksumsFile)),
                           scene.content("team/" + in_folder(kSignatureFile)), "key"));
    const Delivered other = delivered("api");
    upload(other.key, other.bytes);
    upload(lock_key(other.key), other.lock);
    CHECK(write(*place, nullptr).signature_key.empty());
    CHECK_FALSE(place->find_text(in_folder(kSignatureFile), scene.run));
    CHECK_FALSE(write(*place, nullptr).changed);
}

TEST_CASE("load script: names that a shell could take for more are refused", "[unit][delivery]") {
    const auto script_of = [](const std::string& key_name, const std::string& name) {
        return load_script({{key_name, name, 1, sha256("x"), {}}});
    };
    CHECK_THAT(script_of("app:1.tar", "app_1.tar"), Catch::Contains("\"$@\" app_1.tar app:1.tar 1 "));
    for (const std::string evil :
         {"$(id).tar", "a;b.tar", "-a.tar", ".a.tar", "a b.tar", "a'.tar", "a\".tar", "a\n.tar", "a`.tar", "a&.tar",
          "a/b.tar", "*.tar", "a.txt", "", "\\.tar", "#.tar", "~.tar"}) {
        CHECK_THROWS_AS(script_of(evil, "app_1.tar"), Error);
        CHECK_THROWS_AS(script_of("app:1.tar", evil), Error);
    }
    CHECK_THROWS_AS(script_of("app:1.tar", "app:1.tar"), Error);
}

TEST_CASE("verify text: the same delivery gives the same words, and no line is for a terminal", "[unit][delivery]") {
    const std::vector<DeliveredFile> files = {{"app:1.tar", "app_1.tar", 7, sha256("x"), {"evil\x1b[31m:1"}}};
    const std::string text = verify_text(kFolder, files, sha256("key"));
    CHECK(text == verify_text(kFolder, files, sha256("key")));
    CHECK(text.find('\x1b') == std::string::npos);
    CHECK(count_of(text, std::string(sha256("key").hex())) == 1);
    CHECK(count_of(verify_text(kFolder, files, std::nullopt), "cooper.pub") == 0);
}
