// The registry client over real sockets: what a transport without them cannot show.
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/retry.hpp"

#include "oci/fake_registry.hpp"
#include "support/scripted_server.hpp"
#include "support/test_certificates.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <filesystem>
#include <string>

using namespace cooper;
using namespace cooper::testing;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

ScriptedReply served(const FakeRegistry& registry, const ScriptedRequest& request) {
    const FakeReply reply = registry.serve({request.method, request.target, request.headers, "", false});
    return {.status = reply.status, .headers = reply.headers, .body = reply.body};
}

/// A client over libcurl whose waiting between tries takes no time.
class SocketRig {
public:
    explicit SocketRig(oci::RegistryOptions options = {},
                       std::optional<oci::RegistryCredentials> credentials = std::nullopt)
        : environment_(std::map<std::string, std::string, std::less<>>{{"HOME", "/nonexistent"},
                                                                       {"XDG_RUNTIME_DIR", "/nonexistent"}}),
          http_(make_http_client({}, environment_)),
          source_(credentials ? oci::make_fixed_credentials(*credentials)
                              : oci::make_ecosystem_credentials(environment_)),
          client(*http_, *source_, environment_, std::move(options)) {
        run.clock = &clock_;
    }

    static std::string name(const ScriptedServer& server) {
        return "127.0.0.1:" + std::to_string(server.port()) + "/acme/app:1";
    }
    oci::Image image(const ScriptedServer& server) {
        return client.image(oci::Reference::parse(name(server)), oci::Platform::parse("linux/amd64"), run);
    }
    std::string read_layer(const ScriptedServer& server, const FakeRegistry& registry) {
        const auto blobs = client.blobs(oci::Reference::parse(name(server)));
        const oci::Descriptor layer = registry.layer_descriptor();
        const auto source = verified(blobs->open(layer, 0, run), layer.digest, layer.size, "layer");
        return read_all(*source, 10'000'000, "layer");
    }

private:
    FakeClock clock_;
    Environment environment_;
    std::unique_ptr<HttpClient> http_;
    std::unique_ptr<oci::RegistryCredentialSource> source_;

public:
    oci::RegistryClient client;
    Run run;
};

}  // namespace

TEST_CASE("registry on sockets: one connection serves challenge, manifest, config and layer", "[unit][oci]") {
    const FakeRegistry registry;
    ScriptedServer server([&](const ScriptedRequest& request) -> ScriptedReply {
        if (!request.headers.find("Authorization")) {
            return {
                .status = 401, .headers = {{"WWW-Authenticate", "Basic realm=x"}}, .body = "authentication required"};
        }
        return served(registry, request);
    });
    SocketRig rig({}, alice());
    CHECK(rig.image(server).config.raw == registry.config);
    CHECK(rig.read_layer(server, registry) == registry.layer);
    CHECK(server.requests().size() == 4);
    CHECK(server.connections() == 1);
}

TEST_CASE("registry on sockets: cuts and resets in the middle are resumed", "[unit][oci]") {
    const FakeRegistry registry;
    for (const Cut cut : {Cut::Close, Cut::Reset}) {
        std::atomic<int> cuts = 4;
        ScriptedServer server([&](const ScriptedRequest& request) {
            ScriptedReply reply = served(registry, request);
            if (cuts-- > 0) {
                reply.cut_after = 1000;
                reply.cut = cut;
            }
            return reply;
        });
        SocketRig rig;
        CHECK(rig.read_layer(server, registry) == registry.layer);
        CHECK(server.requests().size() == 5);
        CHECK(server.requests().back().headers.find("Range").value_or("").starts_with("bytes="));
    }
}

TEST_CASE("registry on sockets: a stall is a broken connection, resumed like one", "[unit][oci]") {
    const FakeRegistry registry;
    std::atomic<bool> first = true;
    ScriptedServer server([&](const ScriptedRequest& request) {
        ScriptedReply reply = served(registry, request);
        if (first.exchange(false)) {
            reply.stall_after = 1000;
        }
        return reply;
    });
    oci::RegistryOptions options;
    options.stall_timeout = 150ms;
    SocketRig rig(options);
    CHECK(rig.read_layer(server, registry) == registry.layer);
    CHECK(server.requests().back().headers.find("Range") == "bytes=1000-");
}

TEST_CASE("registry on sockets: connections that die before an answer are tried again", "[unit][oci]") {
    const FakeRegistry registry;
    std::atomic<int> failures = 0;
    ScriptedServer server([&](const ScriptedRequest& request) -> ScriptedReply {
        // The first answer comes: a host that never answered is given up sooner.
        const int request_number = failures++;
        return request_number > 0 && request_number < 4 ? ScriptedReply{.no_answer = true} : served(registry, request);
    });
    SocketRig rig;
    CHECK(rig.image(server).config.raw == registry.config);
    CHECK(server.requests().size() == 5);
}

TEST_CASE("registry on sockets: bytes that lie are refused, wherever they end", "[unit][oci]") {
    const FakeRegistry registry;
    const auto wrong = [&](ScriptedReply lie) {
        return [&registry, lie](const ScriptedRequest& request) {
            return request.target.find("/blobs/") == std::string::npos ? served(registry, request) : lie;
        };
    };
    const std::string other(registry.layer.size(), 'x');
    ScriptedServer same_size(wrong({.body = other}));
    ScriptedServer shorter(wrong({.body = "short"}));
    ScriptedServer endless(wrong({.body = "endless", .size = 1ULL << 40, .chunked = true}));
    ScriptedServer huge(wrong({.body = "endless", .size = 1ULL << 40}));
    for (const ScriptedServer* server : {&same_size, &shorter, &endless, &huge}) {
        SocketRig rig;
        CHECK_THROWS_AS(rig.read_layer(*server, registry), IntegrityError);
    }
}

TEST_CASE("registry on sockets: another port never sees the credentials", "[unit][oci]") {
    const FakeRegistry registry;
    ScriptedServer storage([&](const ScriptedRequest&) -> ScriptedReply { return {.body = registry.layer}; });
    ScriptedServer server([&](const ScriptedRequest& request) -> ScriptedReply {
        if (!request.headers.find("Authorization")) {
            return {.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=x"}}};
        }
        return {.status = 307, .headers = {{"Location", storage.url("/data?sig=x")}}};
    });
    SocketRig rig({}, alice());
    CHECK(rig.read_layer(server, registry) == registry.layer);
    REQUIRE(storage.requests().size() == 1);
    CHECK_FALSE(storage.requests()[0].headers.find("Authorization"));
    CHECK(server.requests().size() == 2);
}

TEST_CASE("registry on sockets: TLS with an authority and a client certificate from certs.d", "[unit][oci]") {
    const FakeRegistry registry;
    const TestAuthority authority;
    const TestCertificate certificate = authority.issue();
    ScriptedServer server([&](const ScriptedRequest& request) { return served(registry, request); },
                          {.tls_certificate = certificate.certificate,
                           .tls_key = certificate.key,
                           .tls_client_authority = authority.pem()});
    SocketRig stranger;
    CHECK_THROWS_WITH(stranger.image(server), Catch::Contains("unknown authority"));

    const TempDirectory directory;
    const fs::path mine = directory.path() / ("127.0.0.1:" + std::to_string(server.port()));
    fs::create_directories(mine);
    const TestCertificate client = authority.issue({.common_name = "alice"});
    write_file(mine / "ca.crt", authority.pem());
    write_file(mine / "client.cert", client.certificate);
    write_file(mine / "client.key", client.key);
    oci::RegistryOptions options;
    options.certs_directory = directory.path().string();
    SocketRig rig(options);
    CHECK(rig.image(server).config.raw == registry.config);
    CHECK(server.requests().back().client_certificate == "alice");
}

TEST_CASE("registry on sockets: a name for a private address is no way in", "[unit][oci]") {
    // The registry counts as public here only by what it is called: 8.8.8.8 is never connected to.
    ScriptedServer inside([](const ScriptedRequest&) -> ScriptedReply { return {.body = R"({"token":"x"})"}; });
    const Environment environment(
        std::map<std::string, std::string, std::less<>>{{"HOME", "/nonexistent"}, {"XDG_RUNTIME_DIR", "/nonexistent"}});
    const auto real = make_http_client({}, environment);
    FakeHttp registry([&](const SentRequest& sent) -> FakeReply {
        if (sent.url.find("/v2/") != std::string::npos) {
            return {401,
                    {{"WWW-Authenticate",
                      "Bearer realm=\"https://localhost:" + std::to_string(inside.port()) + "/token\""}},
                    ""};
        }
        HttpRequest request;
        request.url = Url::parse(sent.url);
        request.public_address_only = sent.public_address_only;
        return {real->send(request, Run{}).status, {}, ""};
    });
    const auto credentials = oci::make_fixed_credentials(alice());
    oci::RegistryClient client(registry, *credentials, environment);
    CHECK_THROWS_WITH((void)client.manifest(oci::Reference::parse("8.8.8.8/acme/app:1"), Run{}),
                      Catch::Contains("not a public address"));
    CHECK(inside.connections() == 0);
}
