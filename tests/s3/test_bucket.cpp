#include "cooper/base/text.hpp"

#include "s3/scene.hpp"

#include <catch2/catch.hpp>

using namespace cooper;               // NOLINT(google-build-using-namespace)
using namespace cooper::s3;           // NOLINT(google-build-using-namespace)
using namespace cooper::s3::testing;  // NOLINT(google-build-using-namespace)

TEST_CASE("bucket: what is put can be looked at, read, listed and deleted, whatever its key", "[unit][s3]") {
    Scene scene;
    for (const std::string key :
         {"plain", "a b/c:d+e=f&g", "ünï/日本語.tar", "a//b/./../c", "100%25", "quote\"'<>&", "dir/", "~tilde!*()"}) {
        INFO(key);
        ObjectHeaders headers;
        headers.content_type = "application/x-tar";
        headers.content_disposition = attachment_disposition("a:b.tar");
        headers.metadata = {{"Sha256", "abc"}, {"subject", "grün 100%"}};
        const auto body = std::make_shared<MemoryRanged>("content of " + key);
        const WriteResult written = scene.bucket.put(key, body, headers, WriteCondition::none(), scene.run);
        CHECK(written.outcome == WriteOutcome::Done);

        const auto info = scene.bucket.head(key, scene.run);
        REQUIRE(info);
        CHECK(info->size == body->size());
        CHECK(info->etag == written.etag);
        CHECK(info->content_type == "application/x-tar");
        CHECK(info->metadata.at("sha256") == "abc");
        CHECK(info->metadata.at("subject") == "gr%C3%BCn 100%25");
        CHECK(info->last_modified == scene.clock.now_seconds());

        const auto text = scene.bucket.find_text(key, 1000, scene.run);
        REQUIRE(text);
        CHECK(text->text == "content of " + key);
        CHECK(read_all(*scene.bucket.open(key, 8, scene.run), 1000, "it") == "of " + key);
        const auto listed = scene.bucket.list(key, scene.run);
        REQUIRE(listed.size() == 1);
        CHECK(listed[0].key == key);
        CHECK(listed[0].size == body->size());

        scene.bucket.remove(key, scene.run);
        CHECK_FALSE(scene.bucket.head(key, scene.run));
        CHECK_FALSE(scene.bucket.find_text(key, 1000, scene.run));
        CHECK_NOTHROW(scene.bucket.remove(key, scene.run));
    }
}

TEST_CASE("bucket: a file name for browsers has no colon and survives other alphabets", "[unit][s3]") {
    CHECK(attachment_disposition("openhands:main-abc1234.tar") ==
          "attachment; filename=\"openhands_main-abc1234.tar\"");
    CHECK(attachment_disposition("a/b\\c*d?e\"f<g>h|i\r\n.tar") == "attachment; filename=\"a_b_c_d_e_f_g_h_i__.tar\"");
    CHECK(attachment_disposition("ü:1.tar") == "attachment; filename=\"___1.tar\"; filename*=UTF-8''%C3%BC_1.tar");
    CHECK(attachment_disposition("") == "attachment; filename=\"download\"");
}

TEST_CASE("bucket: headers that cannot be sent, keys and metadata beyond the limits are refused", "[unit][s3]") {
    Scene scene;
    const auto body = std::make_shared<MemoryRanged>("x");
    ObjectHeaders injected;
    injected.content_type = "text/plain\r\nx-amz-acl: public-read";
    CHECK(error_of([&] { scene.bucket.put("k", body, injected, {}, scene.run); }).starts_with("invalid-input"));
    ObjectHeaders large;
    large.metadata["note"] = std::string(3000, 'x');
    CHECK(error_of([&] { scene.bucket.put("k", body, large, {}, scene.run); }).find("2048") != std::string::npos);
    CHECK(error_of([&] { scene.put("", "x"); }).starts_with("invalid-input"));
    CHECK(error_of([&] { scene.put(std::string(1025, 'k'), "x"); }).starts_with("invalid-input"));
    CHECK(error_of([&] { scene.put("\xFF", "x"); }).starts_with("invalid-input"));
    CHECK(scene.store.seen().empty());
}

TEST_CASE("bucket: a text beyond the limit is an error, not a cut text", "[unit][s3]") {
    Scene scene;
    scene.store.put("k", std::string(100, 'x'));
    CHECK(scene.bucket.find_text("k", 100, scene.run)->text.size() == 100);
    CHECK(error_of([&] { (void)scene.bucket.find_text("k", 99, scene.run); }).starts_with("invalid-input"));
}

TEST_CASE("bucket: no such bucket is an error, no such object is not", "[unit][s3]") {
    Scene scene;
    Bucket other("other", fake_settings(), *scene.http, *scene.provider);
    const std::string error = error_of([&] { (void)other.find_text("k", 10, scene.run); });
    CHECK(error.starts_with("not-found: reading s3://other/k"));
    CHECK(error.find("NoSuchBucket") != std::string::npos);
    CHECK(error_of([&] { (void)scene.bucket.open("missing", 0, scene.run); }).starts_with("not-found"));
}

TEST_CASE("bucket: a wrong secret is told without any signature", "[unit][s3]") {
    Credentials wrong = fake_credentials();
    wrong.secret_access_key = Secret("something-else");
    Scene scene({}, fake_settings(), wrong);
    const std::string error = error_of([&] { scene.put("k", "x"); });
    CHECK(error.starts_with("access-denied: writing s3://bucket/k"));
    CHECK(error.find("SignatureDoesNotMatch") != std::string::npos);
    CHECK(error.find("FAKE0REQUEST") != std::string::npos);
    CHECK(error.find("Signature=") == std::string::npos);
    CHECK(scene.store.count("PutObject") == 1);
}

TEST_CASE("bucket: session tokens and the expected owner are sent and signed", "[unit][s3]") {
    Credentials session = fake_credentials();
    session.session_token = Secret("IQoJ/+=token");
    Settings settings = fake_settings();
    settings.expected_bucket_owner = "111122223333";
    Scene scene({.session_token = "IQoJ/+=token"}, settings, session);
    scene.put("k", "x");
    CHECK(scene.content("k") == "x");
    CHECK(scene.last("PutObject").headers.at("x-amz-expected-bucket-owner") == "111122223333");
}

TEST_CASE(
    "bucket: payloads are hashed when small or over plain http to elsewhere, and left unsigned where that is safe",
    "[unit][s3]") {
    const std::string large(200'000, 'x');
    const auto hash_sent = [&large](const std::string& endpoint, Settings::PayloadSigning signing,
                                    const std::string& text) {
        Settings settings = fake_settings();
        settings.endpoint = endpoint;
        settings.payload_signing = signing;
        Scene scene({}, settings);
        scene.put("k", text);
        CHECK(scene.content("k").size() == text.size());
        return scene.last("PutObject").headers.at("x-amz-content-sha256");
    };
    using Signing = Settings::PayloadSigning;
    CHECK(hash_sent("http://127.0.0.1:9000", Signing::Auto, large) == "UNSIGNED-PAYLOAD");
    CHECK(hash_sent("https://store.example", Signing::Auto, large) == "UNSIGNED-PAYLOAD");
    CHECK(hash_sent("http://store.example", Signing::Auto, large).size() == 64);
    CHECK(hash_sent("https://store.example", Signing::Always, large).size() == 64);
    CHECK(hash_sent("https://store.example", Signing::Auto, "small").size() == 64);
    CHECK(hash_sent("http://store.example", Signing::Never, large) == "UNSIGNED-PAYLOAD");
}

TEST_CASE("list: all pages, in order, decoded once, whatever the store does to keys", "[unit][s3]") {
    FakeS3Options options;
    options.page = 2;
    SECTION("encoded as AWS does") {}
    SECTION("encoded without saying so") {
        options.encodes_silently = true;
    }
    SECTION("never encoded") {
        options.never_encodes = true;
    }
    Scene scene(options);
    const std::vector<std::string> keys{"p/1 one", "p/2+two", "p/3%20three", "p/4&<>", "p/5", "p/ü"};
    for (const std::string& key : keys) {
        scene.store.put(key, "x");
    }
    scene.store.put("q", "x");
    std::vector<std::string> found;
    for (const ObjectInfo& info : scene.bucket.list("p/", scene.run)) {
        found.push_back(info.key);
    }
    CHECK(found == keys);
    CHECK(scene.bucket.list("nothing", scene.run).empty());
    CHECK(error_of([&] { (void)scene.bucket.list("p/", scene.run, 5); }).find("more than 5") != std::string::npos);
}

TEST_CASE("open: goes on where the connection broke", "[unit][s3]") {
    Scene scene;
    std::string content;
    for (int i = 0; i < 5000; ++i) {
        content += std::to_string(i) + ",";
    }
    scene.store.put("k", content);
    scene.store.fail("GetObject", S3Fault::CutBody, 3);
    CHECK(read_all(*scene.bucket.open("k", 0, scene.run), 1U << 20, "it") == content);
    CHECK(scene.store.count("GetObject") == 4);
    CHECK(scene.last("GetObject").headers.contains("if-match"));
    CHECK(read_all(*scene.bucket.open("k", content.size() - 3, scene.run), 100, "it") ==
          content.substr(content.size() - 3));
    CHECK(read_all(*scene.bucket.open("k", content.size(), scene.run), 100, "it").empty());
}

TEST_CASE("open: an object that was replaced meanwhile is not glued together", "[unit][s3]") {
    Scene scene;
    scene.store.put("k", "the first content, long enough");
    scene.store.fail("GetObject", S3Fault::CutBody, 1);
    const auto source = scene.bucket.open("k", 0, scene.run);
    std::vector<std::byte> buffer(4);
    (void)source->read(buffer);
    scene.store.put("k", "the second content, long enough");
    const std::string error = error_of([&] { (void)read_all(*source, 1000, "it"); });
    CHECK(error.starts_with("conflict"));
    CHECK(error.find("replaced") != std::string::npos);
}

TEST_CASE("conditions: create only when absent, replace only what was read", "[unit][s3]") {
    Scene scene;
    CHECK(scene.put("k", "1", WriteCondition::if_absent()).outcome == WriteOutcome::Done);
    CHECK(scene.put("k", "2", WriteCondition::if_absent()).outcome == WriteOutcome::ConditionFailed);
    const std::string etag = scene.bucket.head("k", scene.run)->etag;
    const WriteResult replaced = scene.put("k", "3", WriteCondition::if_match(etag));
    CHECK(replaced.outcome == WriteOutcome::Done);
    CHECK(scene.put("k", "4", WriteCondition::if_match(etag)).outcome == WriteOutcome::ConditionFailed);
    CHECK(scene.put("gone", "5", WriteCondition::if_match(etag)).outcome == WriteOutcome::ConditionFailed);
    CHECK(scene.content("k") == "3");
    scene.store.fail("PutObject", S3Fault::Conflict);
    CHECK(scene.put("k", "6", WriteCondition::if_match(replaced.etag)).outcome == WriteOutcome::ConditionFailed);
}

TEST_CASE("conditions: a lost or late answer is ambiguous and never tried again blindly", "[unit][s3]") {
    for (const S3Fault fault : {S3Fault::LostReply, S3Fault::Late500, S3Fault::Reset, S3Fault::InternalError}) {
        Scene scene;
        scene.store.fail("PutObject", fault);
        CHECK(scene.put("k", "1", WriteCondition::if_absent()).outcome == WriteOutcome::Ambiguous);
        CHECK(scene.store.count("PutObject") == 1);
        const bool written = fault == S3Fault::LostReply || fault == S3Fault::Late500;
        CHECK(scene.store.find("k").has_value() == written);
    }
}

TEST_CASE("conditions: SlowDown did nothing, so a conditional write goes on", "[unit][s3]") {
    Scene scene;
    scene.store.fail("PutObject", S3Fault::SlowDown, 2);
    CHECK(scene.put("k", "1", WriteCondition::if_absent()).outcome == WriteOutcome::Done);
    CHECK(scene.clock.sleeps().size() == 2);
}

TEST_CASE("conditions: a store that compares ETags without quotes is found out and remembered", "[unit][s3]") {
    Scene scene({.bare_etags = true});
    const std::string first = scene.put("k", "1").etag;
    const WriteResult second = scene.put("k", "2", WriteCondition::if_match(first));
    CHECK(second.outcome == WriteOutcome::Done);
    CHECK(scene.store.count("HeadObject") == 1);
    CHECK(scene.put("k", "3", WriteCondition::if_match(second.etag)).outcome == WriteOutcome::Done);
    CHECK(scene.put("k", "4", WriteCondition::if_match(first)).outcome == WriteOutcome::ConditionFailed);
    CHECK(scene.store.count("HeadObject") == 1);
    CHECK(scene.content("k") == "3");
}

TEST_CASE("conditions: the probe tells stores that have them from those that refuse, ignore, or half have them",
          "[unit][s3]") {
    using Conditions = FakeS3Options::Conditions;
    const std::map<Conditions, ConditionalWrites> verdicts{{Conditions::Honoured, ConditionalWrites::Supported},
                                                           {Conditions::CreateOnly, ConditionalWrites::CreateOnly},
                                                           {Conditions::Ignored, ConditionalWrites::Unsupported},
                                                           {Conditions::Refused, ConditionalWrites::Unsupported}};
    for (const auto& [conditions, verdict] : verdicts) {
        Scene scene({.conditions = conditions});
        CHECK(scene.bucket.conditional_writes(scene.run) == verdict);
        CHECK(scene.store.keys().empty());
        const std::size_t requests = scene.store.seen().size();
        CHECK(scene.bucket.conditional_writes(scene.run) == verdict);
        CHECK(scene.store.seen().size() == requests);
        CHECK(scene.notices.all().empty());
    }
}

TEST_CASE("conditions: a probe whose answer was lost proves nothing and is made again", "[unit][s3]") {
    Scene scene;
    scene.store.fail("PutObject", S3Fault::LostReply);
    CHECK(scene.bucket.conditional_writes(scene.run) == ConditionalWrites::Supported);
    CHECK(scene.store.keys().empty());
}

TEST_CASE("conditions: asking a store that refuses them is an error that says so", "[unit][s3]") {
    Scene scene({.conditions = FakeS3Options::Conditions::Refused});
    const std::string error = error_of([&] { scene.put("k", "1", WriteCondition::if_absent()); });
    CHECK(error.starts_with("unsupported"));
    CHECK(scene.store.count("PutObject") == 1);
}
