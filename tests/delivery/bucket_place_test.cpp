// The bucket as a place, on a store that fails on request.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/publish.hpp"

#include "delivery/delivery_support.hpp"
#include "s3/scene.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <random>
#include <thread>

using namespace cooper;
using namespace cooper::delivery;
using cooper::s3::testing::Scene;
using cooper::testing::count_of;
using cooper::testing::FakeS3;
using cooper::testing::FakeS3Options;
using cooper::testing::LayerSpec;
using cooper::testing::memory_image;
using cooper::testing::MemoryBlobs;
using cooper::testing::random_bytes;
using cooper::testing::S3Fault;
using Conditions = FakeS3Options::Conditions;

namespace {

const std::string kCommit = "abc1234def5678abc1234def5678abc1234def56";
const std::string kKey = "main/abc1234/openhands:latest.tar";
const std::string kChangelog = "main/CHANGELOG.md";

struct Sample {
    std::shared_ptr<MemoryBlobs> blobs;
    PublishImage image;
};

Sample sample(unsigned seed = 1, std::size_t size = 100'000) {
    std::shared_ptr<MemoryBlobs> blobs;
    oci::Image image =
        memory_image({{LayerSpec::Form::Gzip, random_bytes(size, seed)}, {LayerSpec::Form::Plain, "x"}}, &blobs);
    return {blobs,
            {std::move(image), "openhands", "latest", {"docker.io/library/openhands:latest"}, "openhands:latest"}};
}

BuildInfo build_of(const std::string& commit = kCommit) {
    BuildInfo build;
    build.branch = "main";
    build.commit = commit;
    build.subject = "Subject";
    return build;
}

std::string tarball_of(const PublishImage& image) {
    const auto plan = oci::ArchivePlan::make({{image.image, image.repo_tags}});
    return read_all(*plan.open(), 1 << 28, "tarball");
}

FakeS3Options with(Conditions conditions) {
    FakeS3Options options;
    options.conditions = conditions;
    return options;
}

std::vector<std::string> keys_with(const FakeS3& store, const std::string& part) {
    std::vector<std::string> keys;
    for (const std::string& key : store.keys()) {
        if (key.find(part) != std::string::npos) {
            keys.push_back(key);
        }
    }
    return keys;
}

Published publish_to(Scene& scene, const PublishImage& image, const BuildInfo& build = build_of()) {
    const auto place = make_bucket_place(scene.bucket);
    return publish({image}, build, *place, {}, scene.run);
}

}  // namespace

TEST_CASE("bucket place: a published tarball has its name to save under, its metadata and its facts",
          "[unit][delivery]") {
    Scene scene;
    const Sample image = sample();
    const Published published = publish_to(scene, image.image);
    const std::string tarball = tarball_of(image.image);
    const auto object = scene.store.find(kKey);
    REQUIRE(object);
    CHECK(object->content == tarball);
    CHECK(object->headers.at("content-disposition") == "attachment; filename=\"openhands_latest.tar\"");
    CHECK(object->headers.at("content-type") == "application/x-tar");
    const std::string identity = object->headers.at("x-amz-meta-cooper-identity");
    CHECK(object->headers.at("x-amz-meta-cooper-commit") == kCommit);
    CHECK(object->headers.at("x-amz-meta-cooper-image-ids") == published.images[0].image_id);
    const std::string sha = std::string(sha256(tarball).hex());
    CHECK(scene.content("main/abc1234/.facts/" + identity + ".json") ==
          R"({"schema":"cooper.tarball/v1","size":)" + std::to_string(tarball.size()) + R"(,"sha256":")" + sha +
              R"(","image_ids":")" + published.images[0].image_id + R"(","identity":")" + identity + "\"}\n");
    CHECK(published.images[0].sha256 == sha);
    CHECK_THAT(published.images[0].link.url,
               Catch::Contains("X-Amz-Signature=") && Catch::Contains("openhands_latest.tar"));
    CHECK(published.images[0].link.expires.has_value());
    CHECK(scene.store.pending_uploads() == 0);
}

TEST_CASE("bucket place: again and unchanged is one HEAD, two small GETs and no write", "[unit][delivery]") {
    Scene first;
    const Sample image = sample();
    const Published before = publish_to(first, image.image);
    // Another process: nothing is remembered of the store.
    s3::Bucket bucket("bucket", s3::testing::fake_settings(), *first.http, *first.provider);
    const auto place = make_bucket_place(bucket);
    const std::size_t requests = first.store.seen().size();
    const int opened = image.blobs->opened();
    const Published after = publish({image.image}, build_of(), *place, {}, first.run);
    CHECK(after.images[0].already_there);
    CHECK(after.images[0].sha256 == before.images[0].sha256);
    CHECK_FALSE(after.changelog_changed);
    CHECK(image.blobs->opened() == opened);
    std::vector<std::string> operations;
    const auto seen = first.store.seen();
    for (std::size_t i = requests; i < seen.size(); ++i) {
        operations.push_back(seen[i].operation + " " + seen[i].key.substr(seen[i].key.rfind('/') + 1, 12));
    }
    INFO("requests of an unchanged publish: " << operations.size());
    CHECK(operations.size() == 5);  // the changelog, the tarball, its facts, its lock, SHA256SUMS
    for (const std::string& operation : operations) {
        CHECK((operation.starts_with("HeadObject") || operation.starts_with("GetObject")));
    }
}

TEST_CASE("bucket place: big tarballs go up in parts of 8 MiB, larger only where 10,000 would not do",
          "[unit][delivery]") {
    Scene scene;
    const auto place = make_bucket_place(scene.bucket);
    CHECK(place->part_size(1) == 8ULL << 20);
    CHECK(place->part_size(80'000ULL << 20) == 8ULL << 20);
    CHECK(place->part_size(1ULL << 40) * 10'000 >= 1ULL << 40);
    const Sample image = sample(3, 9 << 20);
    publish_to(scene, image.image);
    CHECK(scene.store.count("UploadPart") == 2);
    CHECK(scene.content(kKey) == tarball_of(image.image));
}

TEST_CASE("bucket place: a lying layer aborts the upload, and nothing is visible", "[unit][delivery]") {
    Scene scene;
    const Sample image = sample();
    const oci::Descriptor& layer = image.image.image.manifest.layers[0];
    image.blobs->replace(layer.digest, random_bytes(layer.size, 99));
    CHECK_THROWS_AS(publish_to(scene, image.image), IntegrityError);
    CHECK(keys_with(scene.store, "main/").empty());
    CHECK(scene.store.pending_uploads() == 0);
    CHECK(scene.store.count("AbortMultipartUpload") >= 1);
}

TEST_CASE("bucket place: other bytes for the same commit are refused without an upload", "[unit][delivery]") {
    Scene scene;
    publish_to(scene, sample(1).image);
    const std::string before = scene.content(kKey);
    const std::size_t created = scene.store.count("CreateMultipartUpload");
    CHECK_THROWS_AS(publish_to(scene, sample(2).image), DifferentBytes);
    CHECK(scene.content(kKey) == before);
    CHECK(scene.store.count("CreateMultipartUpload") == created);
}

TEST_CASE("bucket place: other bytes that came in between are not overwritten", "[unit][delivery]") {
    for (const Conditions conditions :
         {Conditions::Honoured, Conditions::CreateOnly, Conditions::Ignored, Conditions::Refused}) {
        Scene scene(with(conditions));
        const Sample faster = sample(2);
        std::atomic<bool> raced{false};
        scene.store.set_chaos([&](const std::string& operation, const std::string& key) {
            if (operation == "UploadPart" && key == kKey && !raced.exchange(true)) {
                Scene* const shared = &scene;
                std::jthread([shared, &faster] { publish_to(*shared, faster.image); }).join();
            }
            return S3Fault::None;
        });
        INFO("conditions " << static_cast<int>(conditions));
        CHECK_THROWS_AS(publish_to(scene, sample(1).image), DifferentBytes);
        CHECK(raced);
        CHECK(scene.content(kKey) == tarball_of(faster.image));
        CHECK(scene.store.pending_uploads() == 0);
    }
}

TEST_CASE("bucket place: facts that were removed are made anew, without an upload", "[unit][delivery]") {
    Scene scene;
    const Sample image = sample();
    const Published before = publish_to(scene, image.image);
    const auto facts = keys_with(scene.store, "/.facts/");
    REQUIRE(facts.size() == 1);
    scene.bucket.remove(facts[0], scene.run);
    const std::size_t created = scene.store.count("CreateMultipartUpload");
    const Published after = publish_to(scene, image.image);
    CHECK(after.images[0].already_there);
    CHECK(after.images[0].sha256 == before.images[0].sha256);
    CHECK(keys_with(scene.store, "/.facts/") == facts);
    CHECK(scene.store.count("CreateMultipartUpload") == created);
}

TEST_CASE("bucket place: facts that lie about themselves are not believed", "[unit][delivery]") {
    Scene scene;
    const Sample image = sample();
    const Published before = publish_to(scene, image.image);
    const std::string facts = keys_with(scene.store, "/.facts/").at(0);
    for (const std::string& text : {std::string("{}"), std::string("not JSON"),
                                    std::string(R"({"schema":"cooper.tarball/v1","size":1,"sha256":"0"})")}) {
        scene.store.put(facts, text);
        CHECK(publish_to(scene, image.image).images[0].sha256 == before.images[0].sha256);
    }
}

TEST_CASE("bucket place: an object that is not ours is not taken for ours", "[unit][delivery]") {
    Scene scene;
    const Sample image = sample();
    scene.store.put(kKey, tarball_of(image.image));
    CHECK_THROWS_AS(publish_to(scene, image.image), DifferentBytes);
}

TEST_CASE("bucket place: each fault of a store ends in a delivery or in nothing", "[unit][delivery]") {
    const Sample image = sample();
    const std::string tarball = tarball_of(image.image);
    for (const std::string operation : {"HeadObject", "GetObject", "PutObject", "ListObjectsV2",
                                        "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}) {
        for (const S3Fault fault : {S3Fault::SlowDown, S3Fault::InternalError, S3Fault::Late500, S3Fault::Reset,
                                    S3Fault::LostReply, S3Fault::Conflict, S3Fault::RequestTimeout, S3Fault::ErrorIn200,
                                    S3Fault::DoneErrorIn200, S3Fault::EmptyIn200}) {
            const bool is_complete = operation == "CompleteMultipartUpload";
            const bool in_200 =
                fault == S3Fault::ErrorIn200 || fault == S3Fault::DoneErrorIn200 || fault == S3Fault::EmptyIn200;
            const bool conditional = is_complete || operation == "PutObject";
            const bool has_body = conditional || operation == "UploadPart";
            if ((in_200 && !is_complete) || (fault == S3Fault::Conflict && !conditional) ||
                (fault == S3Fault::RequestTimeout && !has_body)) {
                continue;  // no store answers so
            }
            Scene scene;
            scene.store.fail(operation, fault, 2);
            INFO(operation << ", fault " << static_cast<int>(fault));
            try {
                publish_to(scene, image.image);
            } catch (const Error& error) {
                INFO(error.what());
                CHECK((error.code() == ErrorCode::Unavailable || error.code() == ErrorCode::Conflict ||
                       error.code() == ErrorCode::InvalidInput));
                CHECK(scene.store.find(kChangelog) == std::nullopt);
                publish_to(scene, image.image);
            }
            CHECK(scene.content(kKey) == tarball);
            CHECK(parse_changelog(scene.content(kChangelog)).size() == 1);
            CHECK(keys_with(scene.store, "/.entries/").size() == 1);
            CHECK(keys_with(scene.store, "/.facts/").size() == 1);
        }
    }
}

TEST_CASE("bucket place: twenty publishers of one branch, on stores good and bad: twenty entries, each once",
          "[unit][delivery]") {
    for (const Conditions conditions :
         {Conditions::Honoured, Conditions::CreateOnly, Conditions::Ignored, Conditions::Refused}) {
        Scene scene(with(conditions));
        scene.store.put(kChangelog, "foreign\n");
        std::mutex mutex;
        std::minstd_rand random(11);
        scene.store.set_chaos([&](const std::string& /*operation*/, const std::string& key) {
            std::this_thread::yield();
            const std::scoped_lock lock(mutex);
            const S3Fault faults[] = {S3Fault::Late500, S3Fault::LostReply, S3Fault::SlowDown, S3Fault::Conflict};
            return key == kChangelog && random() % 10 == 0 ? faults[random() % 4] : S3Fault::None;
        });
        std::atomic<int> failed{0};
        {
            std::vector<std::jthread> publishers;
            for (unsigned i = 0; i < 20; ++i) {
                publishers.emplace_back([&, i] {
                    const Sample image = sample(i, 1000);
                    for (int attempt = 0; attempt < 5; ++attempt) {
                        try {
                            publish_to(scene, image.image, build_of(std::to_string(10 + i) + kCommit.substr(2)));
                            return;
                        } catch (const std::exception&) {  // what it left, the next attempt has to live with
                        }
                    }
                    ++failed;
                });
            }
        }
        INFO("conditions " << static_cast<int>(conditions));
        CHECK(failed == 0);
        const std::string text = scene.content(kChangelog);
        CHECK(text.starts_with("foreign\n\n## Build History\n\n"));
        CHECK(parse_changelog(text).size() == 20);
        for (int i = 10; i < 30; ++i) {
            CHECK(count_of(text, "Z - " + std::to_string(i) + "c1234\n") == 1);
        }
        CHECK(keys_with(scene.store, "/.entries/").size() == 20);
    }
}

TEST_CASE("bucket place: no published text or metadata holds a signature", "[unit][delivery]") {
    Scene scene;
    publish_to(scene, sample().image);
    for (const std::string& key : scene.store.keys()) {
        const auto object = scene.store.find(key);
        REQUIRE(object);
        CHECK(object->content.find("X-Amz-Signature") == std::string::npos);
        for (const auto& [name, value] : object->headers) {
            CHECK(value.find("X-Amz-Signature") == std::string::npos);
        }
    }
}

TEST_CASE("bucket place: a store without conditional writes says so when asked for one", "[unit][delivery]") {
    Scene scene(with(Conditions::Ignored));
    const auto place = make_bucket_place(scene.bucket);
    CHECK_FALSE(place->has_conditional_writes(scene.run));
    try {
        place->replace_text(kChangelog, "x", std::nullopt, scene.run);
        FAIL("wrote without the condition");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Unsupported);
    }
    place->put_text(kChangelog, "x", scene.run);
    CHECK(place->find_text(kChangelog, scene.run)->text == "x");
    CHECK(place->name() == "s3://bucket");
}
