// TLS: whom we trust, who we are, and what we say when it fails.
#include "cooper/base/files.hpp"

#include "base/http_support.hpp"
#include "base/http_trust.hpp"
#include "support/scripted_server.hpp"
#include "support/test_certificates.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::testing;

namespace {

class Files {
public:
    std::string add(const std::string& name, const std::string& text) {
        const std::string path = (directory_.path() / name).string();
        std::ofstream(path) << text;
        return path;
    }
    [[nodiscard]] std::string path() const { return directory_.path().string(); }

private:
    TempDirectory directory_;
};

ScriptedOptions with(const TestCertificate& certificate, std::string client_authority = "") {
    return {.tls_certificate = certificate.certificate,
            .tls_key = certificate.key,
            .tls_client_authority = std::move(client_authority)};
}

ScriptedReply ok(const ScriptedRequest&) {
    return {.body = "fine"};
}

Error failure(HttpClient& client, const HttpRequest& request) {
    const auto error = error_of([&] { client.send(request, {}); });
    REQUIRE(error);
    return *error;
}

HttpRequest get_trusting(const std::string& url, const TlsSettings& settings) {
    HttpRequest request = get(url);
    request.tls = std::make_shared<const TlsSettings>(settings);
    return request;
}

}  // namespace

TEST_CASE("tls: an unknown authority is refused, and the message says what to do", "[unit][base]") {
    const TestAuthority authority;
    ScriptedServer server(ok, with(authority.issue()));
    const auto client = client_with();
    const Error error = failure(*client, get(server.url("/p?sig=hunter2")));
    REQUIRE(error.code() == ErrorCode::AccessDenied);
    REQUIRE(contains(error.what(), "unknown authority"));
    REQUIRE(contains(error.advice(), "SSL_CERT_FILE"));
    REQUIRE_FALSE(contains(error.what(), "hunter2"));
    REQUIRE(server.requests().empty());
}

TEST_CASE("tls: authorities from SSL_CERT_FILE, SSL_CERT_DIR and the settings are trusted", "[unit][base]") {
    const TestAuthority authority;
    ScriptedServer server(ok, with(authority.issue()));
    Files files;
    Files hashed;
    const std::string pem = files.add("ca.crt", authority.pem());
    std::map<std::string, std::string, std::less<>> variables;
    TlsSettings settings;
    SECTION("SSL_CERT_FILE") {
        variables["SSL_CERT_FILE"] = pem;
    }
    SECTION("SSL_CERT_DIR without hashed names") {
        variables["SSL_CERT_DIR"] = files.path();
    }
    SECTION("SSL_CERT_DIR with hashed names, in a list") {
        variables["SSL_CERT_DIR"] = "/nowhere:" + hashed.path();
        hashed.add(authority.hashed_name(), authority.pem());
    }
    SECTION("ca_file instead of a wrong SSL_CERT_FILE") {
        variables["SSL_CERT_FILE"] = "/nowhere.pem";
        settings.ca_file = pem;
    }
    SECTION("ca_directory") {
        settings.ca_directory = files.path();
    }
    SECTION("an extra file besides the system's") {
        settings.extra_ca_files = {pem};
    }
    SECTION("an extra file besides SSL_CERT_FILE") {
        variables["SSL_CERT_FILE"] = files.add("other.pem", TestAuthority("other").pem());
        settings.extra_ca_files = {pem};
    }
    SECTION("SSL_CERT_FILE besides an extra file") {
        variables["SSL_CERT_FILE"] = pem;
        settings.extra_ca_files = {files.add("other.pem", TestAuthority("other").pem())};
    }
    const auto client = client_with(variables);
    HttpResponse response = client->send(get_trusting(server.url(), settings), {});
    REQUIRE(body_of(response) == "fine");
}

TEST_CASE("tls: the system's authorities are looked up by hash where they can be, and in the bundle after that",
          "[unit][base]") {
    HttpTrust trust(CurlLibrary::get(), Environment({}));
    const auto by_hash = trust.of({}, TrustStore::ByHash);
    const auto bundle = trust.of({}, TrustStore::Bundle);
    REQUIRE(trust.of({}, TrustStore::ByHash) == by_hash);
    REQUIRE_FALSE(bundle->has_fallback);
    REQUIRE_FALSE((bundle->file.empty() && bundle->directory.empty()));
    REQUIRE(by_hash->has_fallback == (by_hash->file.empty() && !bundle->file.empty()));
}

TEST_CASE("tls: what replaces the default replaces it", "[unit][base]") {
    const TestAuthority authority;
    ScriptedServer server(ok, with(authority.issue()));
    Files files;
    const auto client = client_with({{"SSL_CERT_FILE", files.add("ca.pem", authority.pem())}});
    TlsSettings settings;
    settings.ca_file = files.add("other.pem", TestAuthority("other").pem());
    REQUIRE(contains(failure(*client, get_trusting(server.url(), settings)).what(), "unknown authority"));
}

TEST_CASE("tls: a connection trusted for one request does not serve a stricter one", "[unit][base]") {
    const TestAuthority authority;
    ScriptedServer server(ok, with(authority.issue()));
    const auto client = client_with();
    TlsSettings insecure;
    insecure.verify = false;
    HttpResponse response = client->send(get_trusting(server.url(), insecure), {});
    REQUIRE(body_of(response) == "fine");
    REQUIRE(failure(*client, get(server.url())).code() == ErrorCode::AccessDenied);
}

TEST_CASE("tls: a certificate for another name, an expired one, a self-signed one", "[unit][base]") {
    const TestAuthority authority;
    Files files;
    const auto client = client_with({{"SSL_CERT_FILE", files.add("ca.pem", authority.pem())}});
    SECTION("another name") {
        ScriptedServer server(ok, with(authority.issue({.names = {"DNS:other.example"}})));
        const Error error = failure(*client, get(server.url()));
        REQUIRE(error.code() == ErrorCode::AccessDenied);
        CAPTURE(error.what());
        REQUIRE(contains(error.what(), "another name than 127.0.0.1"));
    }
    SECTION("expired") {
        ScriptedServer server(ok, with(authority.issue({.expired = true})));
        const Error error = failure(*client, get(server.url()));
        REQUIRE(error.code() == ErrorCode::AccessDenied);
        REQUIRE(contains(error.what(), "has expired"));
    }
}

TEST_CASE("tls: verification off takes anything", "[unit][base]") {
    const TestAuthority authority;
    ScriptedServer server(ok, with(authority.issue({.names = {"DNS:other.example"}, .expired = true})));
    HttpClientOptions options;
    auto insecure = std::make_shared<TlsSettings>();
    insecure->verify = false;
    options.tls = insecure;
    const auto client = client_with({}, options);
    HttpResponse response = client->send(get(server.url()), {});
    REQUIRE(body_of(response) == "fine");
}

TEST_CASE("tls: a client certificate is shown when there is one, and asked for when not", "[unit][base]") {
    const TestAuthority authority;
    const TestCertificate ours = authority.issue({.common_name = "deliverer", .names = {}});
    ScriptedServer server(ok, with(authority.issue(), authority.pem()));
    Files files;
    TlsSettings settings;
    settings.ca_file = files.add("ca.pem", authority.pem());
    const auto client = client_with();
    SECTION("in two files") {
        settings.client_certificate = files.add("client.cert", ours.certificate);
        settings.client_key = files.add("client.key", ours.key);
        client->send(get_trusting(server.url(), settings), {});
        REQUIRE(server.requests().at(0).client_certificate == "deliverer");
    }
    SECTION("none") {
        const Error error = failure(*client, get_trusting(server.url(), settings));
        CAPTURE(error.what());
        REQUIRE(contains(error.what(), "client certificate"));
    }
    SECTION("of another authority") {
        const TestCertificate strange = TestAuthority("stranger").issue({.common_name = "stranger", .names = {}});
        settings.client_certificate = files.add("client.cert", strange.certificate);
        settings.client_key = files.add("client.key", strange.key);
        const Error error = failure(*client, get_trusting(server.url(), settings));
        CAPTURE(error.what());
        REQUIRE(error.code() == ErrorCode::AccessDenied);
        REQUIRE(contains(error.what(), "does not take our client certificate"));
    }
    SECTION("with another's key") {
        settings.client_certificate = files.add("client.cert", ours.certificate);
        settings.client_key = files.add("client.key", authority.issue().key);
        const Error error = failure(*client, get_trusting(server.url(), settings));
        REQUIRE(error.code() == ErrorCode::InvalidInput);
    }
}

TEST_CASE("tls: files that cannot be read or hold no certificate are named", "[unit][base]") {
    const auto client = client_with();
    Files files;
    TlsSettings settings;
    std::string named;
    SECTION("a missing bundle") {
        named = settings.ca_file = files.path() + "/missing.pem";
    }
    SECTION("a missing directory") {
        named = settings.ca_directory = files.path() + "/missing";
    }
    SECTION("an extra file that is no PEM") {
        named = files.add("extra.crt", "\x30\x82 binary");
        settings.extra_ca_files = {named};
    }
    SECTION("a missing client certificate") {
        named = settings.client_certificate = files.path() + "/client.cert";
    }
    const Error error = failure(*client, get_trusting("https://127.0.0.1:1/", settings));
    REQUIRE(error.code() != ErrorCode::Unavailable);
    REQUIRE(contains(error.what(), named));
}

TEST_CASE("tls: a plain server on an https port is told from a broken one", "[unit][base]") {
    ScriptedServer server(ok);
    const auto client = client_with();
    const Error error = failure(*client, get("https://127.0.0.1:" + std::to_string(server.port()) + "/"));
    REQUIRE(error.code() == ErrorCode::Unavailable);
    REQUIRE(contains(error.what(), "does not speak TLS"));
    REQUIRE(contains(error.advice(), "http://"));
}

TEST_CASE("tls: connections are kept, bodies arrive whole both ways", "[unit][base]") {
    const TestAuthority authority;
    ScriptedServer server(
        [](const ScriptedRequest& request) -> ScriptedReply {
            return {.body = std::to_string(request.body_size) + ";", .size = 1'000'000};
        },
        with(authority.issue()));
    Files files;
    const auto client = client_with({{"SSL_CERT_FILE", files.add("ca.pem", authority.pem())}});
    for (int i = 0; i < 3; ++i) {
        HttpResponse response = client->send(put(server.url(), std::string(2'000'000, 'x')), {});
        const std::string body = body_of(response);
        REQUIRE(body.size() == 1'000'000);
        REQUIRE(body.starts_with("2000000;"));
    }
    REQUIRE(server.connections() == 1);
}

TEST_CASE("tls: a reset while sending is an error and kills nobody", "[unit][base][fault]") {
    const TestAuthority authority;
    ScriptedOptions options = with(authority.issue());
    options.on_head = [](const ScriptedRequest&) {
        return std::optional(ScriptedReply{.cut = Cut::Reset, .no_answer = true});
    };
    ScriptedServer server(ok, options);
    Files files;
    const auto client = client_with({{"SSL_CERT_FILE", files.add("ca.pem", authority.pem())}});
    for (int i = 0; i < 10; ++i) {
        REQUIRE(failure(*client, put(server.url(), std::string(5'000'000, 'x'))).code() == ErrorCode::Unavailable);
    }
}
