#include "s3/scene.hpp"

#include <catch2/catch.hpp>

using namespace cooper;               // NOLINT(google-build-using-namespace)
using namespace cooper::s3;           // NOLINT(google-build-using-namespace)
using namespace cooper::s3::testing;  // NOLINT(google-build-using-namespace)

namespace {

HttpResponse follow(Scene& scene, const Bucket::Presigned& link) {
    HttpRequest request;
    request.url = Url::parse(link.url);
    return scene.http->send(request, scene.run);
}

Credentials session(const Scene& scene, std::optional<std::chrono::seconds> life) {
    Credentials credentials = fake_credentials();
    credentials.session_token = Secret("to/ken+=");
    credentials.origin = "role x";
    if (life) {
        credentials.expires = scene.clock.now_seconds() + *life;
    }
    return credentials;
}

/// Sessions that last an hour from when they are asked for.
class Sessions final : public CredentialsProvider {
public:
    explicit Sessions(Scene& scene) : scene_(scene), current_(session(scene, std::chrono::hours(1))) {}
    Credentials get(const Run& /*run*/) override { return current_; }
    void invalidate() override {
        current_ = session(scene_, std::chrono::hours(1));
        ++asked_;
    }
    [[nodiscard]] int asked() const { return asked_; }

private:
    Scene& scene_;
    Credentials current_;
    int asked_ = 0;
};

}  // namespace

TEST_CASE("presign: a link gives the object under a name that every system takes, until it ends", "[unit][s3]") {
    Scene scene;
    scene.store.put("main/abc/openhands:latest +ü.tar", "image");
    const auto link = scene.bucket.presign_get("main/abc/openhands:latest +ü.tar", std::chrono::hours(24),
                                               "openhands:latest.tar", scene.run);
    CHECK(link.expires == scene.clock.now_seconds() + std::chrono::hours(24));
    CHECK(link.limited_by.empty());
    CHECK_FALSE(link.expiry_unknown);
    HttpResponse response = follow(scene, link);
    CHECK(response.status == 200);
    CHECK(response.headers.find("content-disposition") == "attachment; filename=\"openhands_latest.tar\"");
    CHECK(read_all(*response.body, 100, "it") == "image");

    scene.clock.advance(std::chrono::hours(25));
    CHECK(follow(scene, link).status == 403);
}

TEST_CASE("presign: any change to a link makes it void", "[unit][s3]") {
    Scene scene;
    scene.store.put("a", "image");
    scene.store.put("b", "secret");
    auto link = scene.bucket.presign_get("a", std::chrono::hours(1), "a.tar", scene.run);
    link.url.replace(link.url.find("/a?"), 3, "/b?");
    CHECK(follow(scene, link).status == 403);
}

TEST_CASE("presign: seven days at most, and it says so", "[unit][s3]") {
    Scene scene;
    const auto link = scene.bucket.presign_get("a", std::chrono::hours(24 * 30), "", scene.run);
    CHECK(link.expires == scene.clock.now_seconds() + std::chrono::hours(24 * 7));
    CHECK(link.limited_by.find("7 days") != std::string::npos);
    CHECK(error_of([&] {
              (void)scene.bucket.presign_get("a", std::chrono::seconds(0), "", scene.run);
          }).starts_with("invalid-input"));
}

TEST_CASE("presign: a link does not outlive its session, less a margin", "[unit][s3]") {
    Scene scene({.session_token = "to/ken+="});
    scene.store.put("a", "image");
    const auto provider = make_fixed_credentials(session(scene, std::chrono::minutes(30)));
    Bucket bucket("bucket", fake_settings(), *scene.http, *provider);
    const auto link = bucket.presign_get("a", std::chrono::hours(24 * 7), "", scene.run);
    CHECK(link.expires == scene.clock.now_seconds() + std::chrono::minutes(29));
    CHECK(link.limited_by.find("role x") != std::string::npos);
    CHECK(link.url.find("X-Amz-Expires=1740") != std::string::npos);
    CHECK(follow(scene, link).status == 200);
}

TEST_CASE("presign: a session without a known end is flagged, and reckoned with 12 hours", "[unit][s3]") {
    Scene scene;
    const auto provider = make_fixed_credentials(session(scene, std::nullopt));
    Bucket bucket("bucket", fake_settings(), *scene.http, *provider);
    const auto link = bucket.presign_get("a", std::chrono::hours(24 * 7), "", scene.run);
    CHECK(link.expiry_unknown);
    CHECK(link.expires == scene.clock.now_seconds() + std::chrono::hours(12));
    CHECK(bucket.presign_get("a", std::chrono::hours(1), "", scene.run).expires ==
          scene.clock.now_seconds() + std::chrono::hours(1));
}

TEST_CASE("presign: a session that is half over is renewed for the link, once for many links", "[unit][s3]") {
    Scene scene;
    Sessions sessions(scene);
    Bucket bucket("bucket", fake_settings(), *scene.http, sessions);
    scene.clock.advance(std::chrono::minutes(50));
    const auto first = bucket.presign_get("a", std::chrono::hours(24), "", scene.run);
    CHECK(first.expires == scene.clock.now_seconds() + std::chrono::minutes(59));
    (void)bucket.presign_get("b", std::chrono::hours(24), "", scene.run);
    CHECK(sessions.asked() == 1);
}

TEST_CASE("presign: credentials that are about to end give no link", "[unit][s3]") {
    Scene scene;
    const auto provider = make_fixed_credentials(session(scene, std::chrono::seconds(30)));
    Bucket bucket("bucket", fake_settings(), *scene.http, *provider);
    CHECK(error_of([&] {
              (void)bucket.presign_get("a", std::chrono::hours(1), "", scene.run);
          }).starts_with("access-denied"));
}
