#include "s3/scene.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

using namespace cooper;               // NOLINT(google-build-using-namespace)
using namespace cooper::s3;           // NOLINT(google-build-using-namespace)
using namespace cooper::s3::testing;  // NOLINT(google-build-using-namespace)

TEST_CASE("retry: passing failures are tried again until they pass", "[unit][s3]") {
    for (const S3Fault fault :
         {S3Fault::SlowDown, S3Fault::InternalError, S3Fault::Reset, S3Fault::LostReply, S3Fault::RequestTimeout}) {
        Scene scene;
        scene.store.fail("PutObject", fault, 3);
        scene.put("k", "content");
        CHECK(scene.content("k") == "content");
        CHECK(scene.store.count("PutObject") == 4);
        CHECK(scene.clock.sleeps().size() == 3);
    }
}

TEST_CASE("retry: tries end, and the error names what was done and the store's last word", "[unit][s3]") {
    Scene scene;
    scene.store.fail("", S3Fault::SlowDown, 100);
    const std::string error = error_of([&] { scene.put("k", "content"); });
    CHECK(error.starts_with("unavailable: writing s3://bucket/k"));
    CHECK(error.find("503 SlowDown") != std::string::npos);
    CHECK(scene.store.count("PutObject") == static_cast<std::size_t>(RetryPolicy().attempts));
}

TEST_CASE("retry: without any answer the error names what was done and why", "[unit][s3]") {
    Scene scene;
    scene.store.fail("", S3Fault::Reset, 100);
    const std::string error = error_of([&] { (void)scene.bucket.head("k", scene.run); });
    CHECK(error.starts_with("unavailable: looking at s3://bucket/k"));
    CHECK(error.find("reset") != std::string::npos);
}

TEST_CASE("retry: a refusal is final", "[unit][s3]") {
    Scene scene;
    scene.store.fail("PutObject", S3Fault::AccessDenied);
    CHECK(error_of([&] { scene.put("k", "content"); }).starts_with("access-denied"));
    CHECK(scene.store.count("PutObject") == 1);
    CHECK(scene.clock.sleeps().empty());
}

TEST_CASE("retry: damage on the way is sent once more", "[unit][s3]") {
    Scene scene;
    scene.store.fail("PutObject", S3Fault::BadDigest);
    scene.put("k", "content");
    CHECK(scene.content("k") == "content");
    scene.store.fail("PutObject", S3Fault::BadDigest, 2);
    CHECK(error_of([&] { scene.put("k", "other"); }).starts_with("integrity"));
}

TEST_CASE("retry: a stop request ends it", "[unit][s3]") {
    Scene scene;
    std::stop_source stop;
    scene.store.set_chaos([&stop](const std::string&, const std::string&) {
        stop.request_stop();
        return S3Fault::SlowDown;
    });
    CHECK_THROWS_AS(scene.bucket.head("k", scene.run.with_stop(stop.get_token())), Cancelled);
}

TEST_CASE("region: learnt from the store once per bucket", "[unit][s3]") {
    FakeS3Options options;
    options.region = "eu-west-3";
    SECTION("400 with <Region>") {}
    SECTION("301 with a header") {
        options.redirects = true;
    }
    Scene scene(options);
    scene.put("k", "content");
    CHECK(scene.content("k") == "content");
    CHECK(scene.store.count("PutObject") == 2);
    CHECK(scene.bucket.head("k", scene.run));
    CHECK(scene.store.count("HeadObject") == 1);
    CHECK(scene.clock.sleeps().empty());
}

TEST_CASE("region: a HEAD learns it from the header alone", "[unit][s3]") {
    Scene scene({.region = "eu-west-3"});
    scene.store.put("k", "content");
    CHECK(scene.bucket.head("k", scene.run));
    CHECK(scene.store.count("HeadObject") == 2);
}

TEST_CASE("region: a store that sends in circles is an error", "[unit][s3]") {
    Scene scene({.region = "eu-west-3"});
    scene.store.set_chaos([&scene, round = std::make_shared<int>(0)](const std::string&, const std::string&) {
        scene.store.change([&](FakeS3Options& options) { options.region = "eu-west-" + std::to_string(++*round); });
        return S3Fault::None;
    });
    CHECK(error_of([&] { scene.put("k", "content"); }).find("AuthorizationHeaderMalformed") != std::string::npos);
}

TEST_CASE("clock: a skew is learnt from the store's date, told once, and used from then on", "[unit][s3]") {
    Scene scene({.clock_offset = std::chrono::hours(2)});
    scene.put("k", "content");
    scene.put("k2", "content");
    CHECK(scene.store.count("PutObject") == 3);
    REQUIRE(scene.notices.all().size() == 1);
    CHECK(scene.notices.all()[0].find("2 h") != std::string::npos);
    const Bucket::Presigned link = scene.bucket.presign_get("k", std::chrono::hours(1), "", scene.run);
    CHECK(link.expires == scene.clock.now_seconds() + std::chrono::hours(3));
}

TEST_CASE("clock: a HEAD has no body, so its date decides", "[unit][s3]") {
    Scene scene({.clock_offset = -std::chrono::hours(2)});
    scene.store.put("k", "content");
    CHECK(scene.bucket.head("k", scene.run));
    CHECK(scene.store.count("HeadObject") == 2);
}

namespace {

/// Gives an old session until it is told that it has ended.
class TwoSessions final : public CredentialsProvider {
public:
    Credentials get(const Run& /*run*/) override {
        Credentials credentials = fake_credentials();
        credentials.session_token = Secret(renewed_ ? "new" : "old");
        return credentials;
    }
    void invalidate() override {
        renewed_ = true;
        ++invalidated_;
    }
    [[nodiscard]] int invalidated() const { return invalidated_; }

private:
    std::atomic<bool> renewed_{false};
    std::atomic<int> invalidated_{0};
};

}  // namespace

TEST_CASE("credentials: an ended session is refreshed once and the request sent again", "[unit][s3]") {
    Scene scene({.session_token = "new"});
    TwoSessions sessions;
    Bucket bucket("bucket", fake_settings(), *scene.http, sessions);
    bucket.put("k", std::make_shared<MemoryRanged>("x"), {}, WriteCondition::if_absent(), scene.run);
    CHECK(scene.content("k") == "x");
    CHECK(sessions.invalidated() == 1);
    scene.store.change([](FakeS3Options& options) { options.session_token = "third"; });
    CHECK(error_of([&] { (void)bucket.find_text("k", 10, scene.run); }).starts_with("access-denied"));
    CHECK(sessions.invalidated() == 2);
}

TEST_CASE("credentials: what a refusal holds of a token is not shown", "[unit][s3]") {
    Scene scene;
    scene.store.fail("PutObject", S3Fault::ExpiredToken, 2);
    const std::string error = error_of([&] { scene.put("k", "x"); });
    CHECK(error.find("ExpiredToken") != std::string::npos);
    CHECK(error.find("leaked") == std::string::npos);
}

TEST_CASE("checksum: every object carries CRC-64/NVME, and the algorithm's name beside it", "[unit][s3]") {
    Scene scene;
    scene.put("k", "123456789");
    const auto headers = scene.last("PutObject").headers;
    CHECK(headers.at("x-amz-checksum-crc64nvme") == "rosUhgp5mIg=");
    CHECK(headers.at("x-amz-sdk-checksum-algorithm") == "CRC64NVME");
    CHECK_FALSE(headers.contains("content-md5"));
}

TEST_CASE("checksum: a store that refuses it gets the next form, remembered and told once", "[unit][s3]") {
    Scene scene({.refuses_crc = true});
    scene.put("k", "one");
    scene.put("k", "two");
    CHECK(scene.content("k") == "two");
    CHECK(scene.store.count("PutObject") == 3);
    CHECK(scene.last("PutObject").headers.contains("content-md5"));
    REQUIRE(scene.notices.all().size() == 1);
    CHECK(scene.notices.all()[0].find("127.0.0.1:9000") != std::string::npos);

    Scene neither({.refuses_crc = true, .refuses_md5 = true});
    neither.put("k", "one");
    CHECK(neither.content("k") == "one");
    CHECK_FALSE(neither.last("PutObject").headers.contains("content-md5"));
    CHECK(neither.notices.all().size() == 1);
}

TEST_CASE("checksum: on AWS a refusal is an error, never a silent drop", "[unit][s3]") {
    Settings settings;
    settings.endpoint = "https://s3.us-east-1.amazonaws.com";
    Scene scene({.refuses_crc = true}, settings);
    CHECK(error_of([&] { scene.put("k", "one"); }).starts_with("invalid-input"));
    CHECK(scene.store.count("PutObject") == 1);
    CHECK(scene.bucket.conditional_writes(scene.run) == ConditionalWrites::Supported);
    CHECK(scene.store.count("PutObject") == 1);
}

TEST_CASE("checksum: a refusal with another cause does not cost the store its checksum", "[unit][s3]") {
    Scene scene({.conditions = FakeS3Options::Conditions::Refused});
    CHECK(scene.bucket.conditional_writes(scene.run) == ConditionalWrites::Unsupported);
    scene.put("k", "one");
    CHECK(scene.last("PutObject").headers.contains("x-amz-checksum-crc64nvme"));
    CHECK(scene.notices.all().empty());
}

TEST_CASE("checksum: only where it is required when the user says so", "[unit][s3]") {
    Settings settings = fake_settings();
    settings.checksums = Settings::Checksums::WhenRequired;
    Scene scene({}, settings);
    scene.put("k", "one");
    CHECK_FALSE(scene.last("PutObject").headers.contains("x-amz-checksum-crc64nvme"));
}

TEST_CASE("store: many threads share a bucket while it learns", "[unit][s3]") {
    Scene scene({.region = "eu-west-3", .clock_offset = std::chrono::hours(1), .refuses_crc = true});
    scene.store.set_chaos([count = std::make_shared<std::atomic<unsigned>>(0)](const std::string&, const std::string&) {
        const unsigned number = ++*count;
        return number % 7 == 0 ? S3Fault::SlowDown : number % 11 == 0 ? S3Fault::LostReply : S3Fault::None;
    });
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < 8; ++thread) {
            threads.emplace_back([&scene, &failed, thread] {
                for (int i = 0; i < 20; ++i) {
                    try {
                        scene.put(std::to_string(thread) + "/" + std::to_string(i), "x");
                    } catch (const std::exception&) {
                        ++failed;
                    }
                }
            });
        }
    }
    CHECK(failed == 0);
    CHECK(scene.store.keys().size() == 160);
}
