// Manifests, configs and platforms: what is asked, what is checked, what refusals mean.
#include "cooper/base/error.hpp"

#include "oci/fake_registry.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace cooper;
using namespace cooper::testing;
using oci::Reference;

namespace {

const std::string kBase = "https://registry.example/v2/acme/app";

ErrorCode code_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("no error");
    return ErrorCode::System;
}

}  // namespace

TEST_CASE("registry: an image costs one request a document", "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig rig([&](const SentRequest& sent) { return registry.serve(sent); });
    const oci::Image image = rig.image("registry.example/acme/app:multi");
    CHECK(image.manifest.raw.bytes == registry.manifest);
    CHECK(image.config.raw == registry.config);
    CHECK(rig.http.lines() ==
          std::vector<std::string>{"GET " + kBase + "/manifests/multi",
                                   "GET " + kBase + "/manifests/" + sha256(registry.manifest).text(),
                                   "GET " + kBase + "/blobs/" + sha256(registry.config).text()});
    const std::string accept = rig.http.log()[0].header("Accept");
    for (const std::string_view type : {oci::media_type::kOciIndex, oci::media_type::kOciManifest,
                                        oci::media_type::kDockerIndex, oci::media_type::kDockerManifest}) {
        CHECK_THAT(accept, Catch::Contains(std::string(type)));
    }
    CHECK(rig.http.log()[2].header("Accept-Encoding") == "identity");
}

TEST_CASE("registry: the Hub's API has its own host", "[unit][oci]") {
    RegistryRig rig([&](const SentRequest&) { return FakeReply{404, {}, ""}; });
    CHECK_THROWS(rig.client.manifest(Reference::parse("debian"), rig.run));
    CHECK(rig.http.lines() ==
          std::vector<std::string>{"GET https://registry-1.docker.io/v2/library/debian/manifests/latest"});
}

TEST_CASE("registry: tag and digest ask by digest", "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig rig([&](const SentRequest& sent) { return registry.serve(sent); });
    const std::string digest = sha256(registry.manifest).text();
    CHECK(rig.client.manifest(Reference::parse("registry.example/acme/app:7@" + digest), rig.run).raw.digest.text() ==
          digest);
    CHECK(rig.http.lines().front() == "GET " + kBase + "/manifests/" + digest);
}

TEST_CASE("registry: bytes that are not what the digest says are refused", "[unit][oci]") {
    FakeRegistry registry;
    const std::string asked = sha256(registry.manifest).text();
    registry.put("/manifests/" + asked, "application/vnd.oci.image.manifest.v1+json", registry.manifest + " ");
    registry.put("/blobs/" + sha256(registry.config).text(), "", std::string(registry.config.size(), ' '));
    RegistryRig rig([&](const SentRequest& sent) { return registry.serve(sent); });
    CHECK_THROWS_AS(rig.client.manifest(Reference::parse("registry.example/acme/app@" + asked), rig.run),
                    IntegrityError);
    CHECK_THROWS_AS(rig.image("registry.example/acme/app:multi"), IntegrityError);
    CHECK_THROWS_AS(rig.image("registry.example/acme/app:1"), IntegrityError);
}

TEST_CASE("registry: an index's entry must be what the index says", "[unit][oci]") {
    FakeRegistry registry;
    const auto put_index = [&](const std::string& type, std::size_t size) {
        registry.put("/manifests/lie", "",
                     R"({"schemaVersion":2,"manifests":[{"mediaType":")" + type + R"(","digest":")" +
                         sha256(registry.manifest).text() + R"(","size":)" + std::to_string(size) + "}]}");
    };
    RegistryRig rig([&](const SentRequest& sent) { return registry.serve(sent); });
    put_index("application/vnd.oci.image.manifest.v1+json", registry.manifest.size() + 1);
    CHECK(code_of([&] { rig.image("registry.example/acme/app:lie"); }) == ErrorCode::Integrity);
    put_index("application/vnd.docker.distribution.manifest.v2+json", registry.manifest.size());
    CHECK(code_of([&] { rig.image("registry.example/acme/app:lie"); }) == ErrorCode::Integrity);
    put_index("application/vnd.oci.image.manifest.v1+json", registry.manifest.size());
    CHECK(rig.image("registry.example/acme/app:lie").config.raw == registry.config);
}

TEST_CASE("registry: the registry's own digest header is a hint only", "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig rig([&](const SentRequest& sent) {
        FakeReply reply = registry.serve(sent);
        reply.headers.set("Docker-Content-Digest", "sha256:" + std::string(64, '0'));
        return reply;
    });
    CHECK(rig.client.manifest(Reference::parse("registry.example/acme/app:1"), rig.run).raw.digest ==
          sha256(registry.manifest));
}

TEST_CASE("registry: endless and oversized documents end at the limit", "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig endless(
        [&](const SentRequest&) { return FakeReply{200, {}, std::string(100'000, ' '), false, {}, true}; });
    CHECK(code_of([&] { endless.image(); }) == ErrorCode::InvalidInput);
    CHECK(endless.http.log().size() == 1);
}

TEST_CASE("registry: a manifest cut short is asked for again", "[unit][oci]") {
    const FakeRegistry registry;
    int failures = 2;
    RegistryRig rig([&](const SentRequest& sent) {
        FakeReply reply = registry.serve(sent);
        if (failures-- > 0) {
            reply.breaks_after = 10;
        }
        return reply;
    });
    CHECK(rig.client.manifest(Reference::parse("registry.example/acme/app:1"), rig.run).raw.bytes == registry.manifest);
    CHECK(rig.http.log().size() == 3);
    CHECK(rig.clock.sleeps().size() == 2);
}

TEST_CASE("registry: a single manifest of another platform is told, or refused if one was asked for", "[unit][oci]") {
    FakeRegistry registry;
    registry.config.replace(registry.config.find("amd64"), 5, "mips9");
    registry.manifest = R"({"schemaVersion":2,"config":)" +
                        FakeRegistry::descriptor("application/vnd.oci.image.config.v1+json", registry.config) +
                        R"(,"layers":[)" +
                        FakeRegistry::descriptor("application/vnd.oci.image.layer.v1.tar", registry.layer) + "]}";
    registry.put("/manifests/1", "application/vnd.oci.image.manifest.v1+json", registry.manifest);
    registry.put("/blobs/" + sha256(registry.config).text(), "", registry.config);
    RegistryRig rig([&](const SentRequest& sent) { return registry.serve(sent); });
    CHECK_THROWS_WITH(rig.image(), Catch::Contains("linux/mips9") && Catch::Contains("linux/amd64"));
    CHECK(rig.client.image(Reference::parse("registry.example/acme/app:1"), std::nullopt, rig.run)
              .manifest.layers.size() == 1);
    REQUIRE(rig.notices.texts.size() == 1);
    CHECK_THAT(rig.notices.texts[0], Catch::Contains("linux/mips9"));
    CHECK(code_of([&] { rig.image("registry.example/acme/app:multi", "s390x"); }) == ErrorCode::NotFound);
}

TEST_CASE("registry: refusals say what they may mean", "[unit][oci]") {
    struct Case {
        int status;
        std::string body;
        ErrorCode code;
        std::string says;
    };
    const std::vector<Case> cases = {
        {404, R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})", ErrorCode::NotFound,
         "404 (MANIFEST_UNKNOWN: manifest unknown); asked anonymously: it does not exist, or it is private"},
        {403, R"({"message":"Forbidden"})", ErrorCode::AccessDenied,
         "403 (Forbidden); asked anonymously: it is private, or it does not exist"},
        {401, "", ErrorCode::AccessDenied, "401; asked anonymously"},
        {400, "<html><h1>Bad</h1></html>", ErrorCode::Unsupported, "answered 400"},
        {501, "no\x1b[31m", ErrorCode::Unavailable, "501 (no?[31m)"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.status);
        RegistryRig rig([&](const SentRequest&) { return FakeReply{c.status, {}, c.body}; });
        try {
            rig.image();
            FAIL("no error");
        } catch (const HttpError& error) {
            CHECK(error.code() == c.code);
            CHECK(error.status() == c.status);
            CHECK_THAT(error.what(), Catch::Contains(c.says) && Catch::Contains("registry.example/acme/app:1"));
        }
        CHECK(rig.http.log().size() == 1);
    }
}

TEST_CASE("registry: 429 and 5xx are tried again after as long as the registry asks", "[unit][oci]") {
    const FakeRegistry registry;
    std::vector<FakeReply> storm = {{429, {{"Retry-After", "7"}}, "slow down"},
                                    {503, {{"Retry-After", "2"}}, ""},
                                    {500, {}, ""},
                                    {502, {}, ""},
                                    {408, {}, ""}};
    RegistryRig rig([&](const SentRequest& sent) {
        if (storm.empty()) {
            return registry.serve(sent);
        }
        FakeReply reply = storm.front();
        storm.erase(storm.begin());
        return reply;
    });
    CHECK(rig.client.manifest(Reference::parse("registry.example/acme/app:1"), rig.run).raw.bytes == registry.manifest);
    const auto sleeps = rig.clock.sleeps();
    REQUIRE(sleeps.size() == 5);
    CHECK(sleeps[0] == std::chrono::seconds(7));
    CHECK(sleeps[1] == std::chrono::seconds(2));
}

TEST_CASE("registry: tries end, and the error says how many there were", "[unit][oci]") {
    RegistryRig rig([&](const SentRequest&) {
        return FakeReply{429, {}, R"({"errors":[{"code":"TOOMANYREQUESTS","message":"limit"}]})"};
    });
    CHECK_THROWS_WITH(rig.image(), Catch::Contains("gave up after 6 tries") && Catch::Contains("TOOMANYREQUESTS"));
    CHECK(rig.http.log().size() == 6);
    RegistryRig unreachable([&](const SentRequest&) { return no_answer(); });
    CHECK_THROWS_WITH(unreachable.image(),
                      Catch::Contains("gave up after 3 tries") && Catch::Contains("connection refused"));
}

TEST_CASE("registry: all requests to a host share one budget of retries", "[unit][oci]") {
    RegistryRig rig([&](const SentRequest&) { return FakeReply{503, {}, ""}; });
    for (int i = 0; i < 60; ++i) {
        CHECK(code_of([&] { rig.image(); }) == ErrorCode::Unavailable);
    }
    CHECK(rig.http.log().size() == 60 + 100);  // 500 tokens at 5 a retry
}

TEST_CASE("registry: find_digest asks by HEAD, and by GET where that tells nothing", "[unit][oci]") {
    const FakeRegistry registry;
    const Reference reference = Reference::parse("registry.example/acme/app:1");
    RegistryRig good([&](const SentRequest& sent) { return registry.serve(sent); });
    CHECK(good.client.find_digest(reference, good.run) == sha256(registry.manifest));
    CHECK(good.http.lines() == std::vector<std::string>{"HEAD " + kBase + "/manifests/1"});
    CHECK_FALSE(good.client.find_digest(reference.with_tag("absent"), good.run));

    RegistryRig plain([&](const SentRequest& sent) {
        FakeReply reply = registry.serve(sent);
        reply.headers.remove("Docker-Content-Digest");
        return sent.method == "HEAD" ? FakeReply{405, {}, ""} : reply;
    });
    CHECK(plain.client.find_digest(reference, plain.run) == sha256(registry.manifest));
    CHECK(plain.http.log().size() == 2);

    RegistryRig closed([&](const SentRequest&) { return FakeReply{403, {}, ""}; });
    CHECK(code_of([&] { (void)closed.client.find_digest(reference, closed.run); }) == ErrorCode::AccessDenied);
}

TEST_CASE("registry: a stop request ends the waiting", "[unit][oci]") {
    std::stop_source stop;
    RegistryRig rig([&](const SentRequest&) {
        stop.request_stop();
        return FakeReply{503, {}, ""};
    });
    rig.run.stop = stop.get_token();
    CHECK_THROWS_AS(rig.image(), Cancelled);
    CHECK(rig.http.log().size() == 1);
}
