// Tags of objects, on stores that have them and on stores that do not.
#include "s3/scene.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::s3;
using namespace cooper::s3::testing;
using Tags = std::map<std::string, std::string>;
using Tagging = FakeS3Options::Tagging;

namespace {

const Tags kMark{{"cooper-status", "withdrawn"}};

Tags tags_at(const Scene& scene, const std::string& key) {
    const auto object = scene.store.find(key);
    return object ? object->tags : Tags{};
}

}  // namespace

TEST_CASE("tagging: a tag is added, others stay, and the same again writes nothing", "[unit][s3]") {
    Scene scene;
    scene.put("a:b c+ü.tar", "content");
    CHECK(scene.bucket.add_tags("a:b c+ü.tar", {{"team", "a/b @home"}}, scene.run));
    CHECK(scene.bucket.add_tags("a:b c+ü.tar", kMark, scene.run));
    CHECK(tags_at(scene, "a:b c+ü.tar") == Tags{{"cooper-status", "withdrawn"}, {"team", "a/b @home"}});
    CHECK(scene.last("PutObjectTagging").query == "tagging=");
    CHECK(scene.bucket.add_tags("a:b c+ü.tar", kMark, scene.run));
    CHECK(scene.store.count("PutObjectTagging") == 2);
    CHECK(scene.content("a:b c+ü.tar") == "content");
}

TEST_CASE("tagging: foreign tags keep their characters", "[unit][s3]") {
    Scene scene;
    scene.put("k", "content");
    scene.store.put_tag("k", "<&>", "\"quoted\" & <b>");
    CHECK(scene.bucket.add_tags("k", kMark, scene.run));
    CHECK(scene.last("PutObjectTagging").status == 200);
    CHECK(tags_at(scene, "k").size() == 2);
}

TEST_CASE("tagging: a checksum comes along, whatever the settings say", "[unit][s3]") {
    Settings settings = fake_settings();
    settings.checksums = Settings::Checksums::WhenRequired;
    Scene scene({}, settings);
    scene.put("k", "content");
    CHECK(scene.bucket.add_tags("k", kMark, scene.run));
    CHECK(scene.last("PutObjectTagging").headers.contains("content-md5"));

    FakeS3Options refuses;
    refuses.refuses_crc = true;
    Scene other(refuses);
    other.put("k", "content");
    CHECK(other.bucket.add_tags("k", kMark, other.run));
    CHECK(tags_at(other, "k") == kMark);
}

TEST_CASE("tagging: a store without tags is told by the result, and the object is not touched", "[unit][s3]") {
    for (const Tagging tagging : {Tagging::Refused, Tagging::Unknown}) {
        for (const std::string& content :
             {std::string("content"), std::string("<a/>"), std::string(1 << 20, 'x'), std::string()}) {
            FakeS3Options options;
            options.tagging = tagging;
            Scene scene(options);
            scene.put("k", content);
            CHECK_FALSE(scene.bucket.add_tags("k", kMark, scene.run));
            CHECK((scene.content("k") == content));
        }
    }
}

TEST_CASE("tagging: a user without the right to tag is told by the result, an expired session is an error",
          "[unit][s3]") {
    for (const char* operation : {"GetObjectTagging", "PutObjectTagging"}) {
        Scene scene;
        scene.put("k", "content");
        scene.store.fail(operation, S3Fault::AccessDenied);
        CHECK_FALSE(scene.bucket.add_tags("k", kMark, scene.run));
        scene.store.fail(operation, S3Fault::ExpiredToken, 2);
        CHECK(error_of([&] { scene.bucket.add_tags("k", kMark, scene.run); }).starts_with("access-denied"));
    }
}

TEST_CASE("tagging: answers that are lost are asked for again", "[unit][s3]") {
    Scene scene;
    scene.put("k", "content");
    scene.store.fail("GetObjectTagging", S3Fault::CutBody);
    scene.store.fail("PutObjectTagging", S3Fault::LostReply);
    CHECK(scene.bucket.add_tags("k", kMark, scene.run));
    CHECK(tags_at(scene, "k") == kMark);
}

TEST_CASE("tagging: no object, no bucket, too many tags, tags that no store takes", "[unit][s3]") {
    Scene scene;
    CHECK(error_of([&] { scene.bucket.add_tags("missing", kMark, scene.run); }).starts_with("not-found"));
    scene.put("k", "content");
    for (int i = 0; i < 10; ++i) {
        scene.store.put_tag("k", "tag" + std::to_string(i), "");
    }
    CHECK(error_of([&] { scene.bucket.add_tags("k", kMark, scene.run); }).starts_with("conflict"));
    CHECK(tags_at(scene, "k").size() == 10);
    for (const Tags& bad :
         {Tags{{"", "x"}}, Tags{{"a<b", "x"}}, Tags{{"a", "x\n"}}, Tags{{std::string(129, 'a'), "x"}}}) {
        CHECK(error_of([&] { scene.bucket.add_tags("k", bad, scene.run); }).starts_with("invalid-input"));
    }
}
