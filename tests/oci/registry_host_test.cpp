// Where a registry is: https or http, and whose certificates count.
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "oci/fake_registry.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <string>
#include <vector>

using namespace cooper;
using namespace cooper::testing;
namespace fs = std::filesystem;

namespace {

/// Answers by one scheme only, as a server does that knows no other.
FakeHttp::Handler only(const FakeRegistry& registry, std::string scheme) {
    return [&registry, scheme = std::move(scheme)](const SentRequest& sent) {
        if (sent.url.starts_with(scheme + "://")) {
            return registry.serve(sent);
        }
        return scheme == "https" ? FakeReply{400, {}, "Client sent an HTTP request to an HTTPS server."}
                                 : no_answer("the server does not speak TLS");
    };
}

}  // namespace

TEST_CASE("host: loopback is asked by plain http first, and TLS found there", "[unit][oci]") {
    const FakeRegistry registry;
    for (const char* host : {"localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000", "localhost"}) {
        CAPTURE(host);
        RegistryRig plain(only(registry, "http"));
        plain.image(std::string(host) + "/acme/app:1");
        CHECK(plain.http.log().size() == 2);
        CHECK(plain.notices.texts.empty());

        RegistryRig secure(only(registry, "https"));
        secure.image(std::string(host) + "/acme/app:1");
        CHECK(secure.http.log().size() == 3);
        secure.image(std::string(host) + "/acme/app:1");
        CHECK(secure.http.log().size() == 5);  // remembered
    }
}

TEST_CASE("host: other registries are never asked by plain http", "[unit][oci]") {
    const FakeRegistry registry;
    for (const char* host :
         {"registry.example", "registry.example:80", "10.0.0.1:5000", "localhost.example", "128.0.0.1"}) {
        CAPTURE(host);
        RegistryRig rig(only(registry, "http"), alice());
        CHECK_THROWS_WITH(rig.image(std::string(host) + "/acme/app:1"), Catch::Contains("does not speak TLS"));
        CHECK(rig.http.sent_to("http://").empty());
    }
}

TEST_CASE("host: insecure means https unverified, then http with a warning", "[unit][oci]") {
    const FakeRegistry registry;
    oci::RegistryOptions options;
    options.insecure = true;
    RegistryRig plain(only(registry, "http"), std::nullopt, options);
    plain.image("registry.example:5000/acme/app:1");
    REQUIRE(plain.http.log().size() == 3);
    REQUIRE(plain.http.log()[0].tls);
    CHECK_FALSE(plain.http.log()[0].tls->verify);
    REQUIRE(plain.notices.texts.size() == 1);
    CHECK_THAT(plain.notices.texts[0], Catch::Contains("registry.example:5000") && Catch::Contains("plain http"));

    RegistryRig secure(only(registry, "https"), std::nullopt, options);
    secure.image();
    CHECK(secure.notices.texts.empty());
}

TEST_CASE("host: when neither scheme works both reasons are told", "[unit][oci]") {
    RegistryRig rig([](const SentRequest& sent) {
        if (sent.url.starts_with("http:")) {
            return FakeReply{400, {}, "Client sent an HTTP request to an HTTPS server."};
        }
        throw Error(ErrorCode::AccessDenied, "the certificate is not trusted");
    });
    CHECK_THROWS_WITH(rig.image("localhost:5000/acme/app:1"),
                      Catch::Contains("status 400") && Catch::Contains("the certificate is not trusted"));
    CHECK(rig.http.log().size() == 2);
}

TEST_CASE("host: certs.d directories belong to one host and port", "[unit][oci]") {
    const FakeRegistry registry;
    const TempDirectory certificates;
    const fs::path mine = certificates.path() / "registry.example";
    fs::create_directories(mine);
    for (const char* name : {"b.crt", "a.crt", "client.cert", "client.key", "notes.txt"}) {
        write_file(mine / name, "x");
    }
    oci::RegistryOptions options;
    options.certs_directory = certificates.path().string();
    RegistryRig rig(
        [&](const SentRequest& sent) {
            return sent.url.starts_with("https://storage") ? FakeReply{200, {}, registry.layer}
                   : sent.url.find("/blobs/") != std::string::npos
                       ? FakeReply{307, {{"Location", "https://storage.example/x"}}, ""}
                       : registry.serve(sent);
        },
        std::nullopt, options);
    CHECK(rig.read_layer(registry) == registry.layer);
    const auto settings = rig.http.log().at(0).tls;
    REQUIRE(settings);
    CHECK(settings->verify);
    CHECK(settings->extra_ca_files == std::vector<std::string>{(mine / "a.crt").string(), (mine / "b.crt").string()});
    CHECK(settings->client_certificate == (mine / "client.cert").string());
    CHECK(settings->client_key == (mine / "client.key").string());
    CHECK(rig.http.log().at(1).tls == nullptr);  // the storage host never sees who we are

    CHECK_THROWS(rig.image("registry.example:5000/acme/other:1"));
    CHECK(rig.http.log().back().tls == nullptr);
}

TEST_CASE("host: a key without its certificate is a mistake that is told", "[unit][oci]") {
    const FakeRegistry registry;
    for (const char* name : {"client.key", "client.cert"}) {
        const TempDirectory certificates;
        fs::create_directories(certificates.path() / "registry.example");
        write_file(certificates.path() / "registry.example" / name, "x");
        oci::RegistryOptions options;
        options.certs_directory = certificates.path().string();
        RegistryRig rig([&](const SentRequest& sent) { return registry.serve(sent); }, std::nullopt, options);
        CHECK_THROWS_WITH(rig.image(), Catch::Contains("a client certificate needs both"));
    }
}

TEST_CASE("host: an authority given by option is trusted everywhere", "[unit][oci]") {
    const FakeRegistry registry;
    oci::RegistryOptions options;
    options.ca_file = "/some/ca.pem";
    RegistryRig rig([&](const SentRequest& sent) { return registry.serve(sent); }, std::nullopt, options);
    rig.image();
    REQUIRE(rig.http.log().at(0).tls);
    CHECK(rig.http.log().at(0).tls->extra_ca_files == std::vector<std::string>{"/some/ca.pem"});
}

TEST_CASE("host: a TLS server that waits in silence costs seconds, a slow plain registry is waited for",
          "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig rig([&](const SentRequest& sent) {
        if (sent.url.starts_with("https:")) {
            return no_answer("the server does not speak TLS");
        }
        return sent.response_timeout.count() > 0 ? no_answer("no answer in time") : registry.serve(sent);
    });
    rig.image("localhost:5000/acme/app:1");
    const auto log = rig.http.log();
    REQUIRE(log.size() == 4);
    CHECK(log[0].response_timeout == std::chrono::seconds(5));
    CHECK(log[1].url.starts_with("https:"));
    CHECK(log[2].response_timeout.count() == 0);
}
