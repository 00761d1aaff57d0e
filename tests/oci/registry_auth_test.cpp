// Tokens and credentials: fetched once, renewed in time, shown to nobody else.
#include "oci/registry/registry_auth.hpp"

#include "cooper/base/error.hpp"

#include "oci/fake_registry.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace cooper;
using namespace cooper::testing;
using namespace std::chrono_literals;
using oci::Reference;

namespace {

const std::string kChallenge =
    R"(Bearer realm="https://auth.example/token",service="registry.example",scope="repository:acme/app:pull")";
const std::string kTokenUrl =
    "https://auth.example/token?service=registry.example&scope=repository%3Aacme%2Fapp%3Apull";

/// A registry that wants the newest of the tokens "t1", "t2", … that its service gave.
class TokenRegistry {
public:
    FakeReply operator()(const SentRequest& sent) {
        if (sent.url.starts_with("https://auth.example/")) {
            ++given;
            return {
                200, {}, R"({"token":"t)" + std::to_string(given) + R"(","expires_in":)" + std::to_string(life) + "}"};
        }
        if (sent.header("Authorization") != "Bearer t" + std::to_string(std::max(given, valid))) {
            return {401,
                    {{"WWW-Authenticate", challenge}},
                    R"({"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]})"};
        }
        return registry.serve(sent);
    }

    FakeRegistry registry;
    std::string challenge = kChallenge;
    int life = 300;
    int given = 0;
    int valid = 1;
};

/// What a registry answers that sends everybody to `realm`.
FakeHttp::Handler sends_to(const std::string& realm) {
    return [realm](const SentRequest& sent) {
        return sent.url.find("/v2/") != std::string::npos
                   ? FakeReply{401, {{"WWW-Authenticate", "Bearer realm=\"" + realm + "\""}}, ""}
                   : FakeReply{200, {}, R"({"token":"x"})"};
    };
}

}  // namespace

TEST_CASE("token: one is fetched and used for everything", "[unit][oci]") {
    TokenRegistry server;
    RegistryRig rig([&](const SentRequest& sent) { return server(sent); });
    rig.image("registry.example/acme/app:multi");
    CHECK(rig.read_layer(server.registry) == server.registry.layer);
    CHECK(server.given == 1);
    CHECK(rig.http.log().size() == 2 + 4);
    const SentRequest asked = rig.http.log().at(1);
    CHECK(asked.url == kTokenUrl + "&client_id=cooper");
    CHECK_FALSE(asked.headers.find("Authorization"));
    CHECK(asked.public_address_only);
}

TEST_CASE("token: credentials go to the token service only", "[unit][oci]") {
    TokenRegistry server;
    RegistryRig rig([&](const SentRequest& sent) { return server(sent); }, alice());
    rig.image();
    const auto asked = rig.http.sent_to("auth.example");
    REQUIRE(asked.size() == 1);
    CHECK(asked[0].header("Authorization") == "Basic YWxpY2U6czNjcmV0");
    CHECK(asked[0].url == kTokenUrl + "&account=alice&client_id=cooper");
    for (const SentRequest& sent : rig.http.sent_to("registry.example/v2")) {
        CHECK_FALSE(sent.header("Authorization").starts_with("Basic"));
    }
}

TEST_CASE("token: it is renewed at 80% of its life", "[unit][oci]") {
    TokenRegistry server;
    server.life = 100;
    RegistryRig rig([&](const SentRequest& sent) { return server(sent); });
    rig.image();
    rig.clock.advance(79s);
    rig.image();
    CHECK(server.given == 1);
    rig.clock.advance(1s);
    rig.image();
    CHECK(server.given == 2);
    CHECK(rig.http.log().size() == 4 + 2 + 3);  // renewed ahead: no second 401
}

TEST_CASE("token: one that expires early is renewed on 401, in the middle of a pull too", "[unit][oci]") {
    TokenRegistry server;
    RegistryRig rig([&](const SentRequest& sent) {
        FakeReply reply = server(sent);
        if (reply.status == 200 && sent.url.find("/blobs/") != std::string::npos) {
            reply.breaks_after = 50;
            server.valid = server.given + 1;  // what was given is worth nothing from now on
        }
        return reply;
    });
    CHECK(rig.read_layer(server.registry) == server.registry.layer);
    CHECK(server.given == 2);
    CHECK(rig.http.log().back().header("Range") == "bytes=50-");
}

TEST_CASE("token: insufficient scope is answered once, with the union", "[unit][oci]") {
    TokenRegistry server;
    server.valid = 1000;
    int refusals = 0;
    RegistryRig rig([&](const SentRequest& sent) {
        if (!sent.header("Authorization").empty() && !sent.url.starts_with("https://auth")) {
            server.challenge = kChallenge.substr(0, kChallenge.rfind("repository")) + "repository:other/" +
                               std::to_string(++refusals) + R"(:pull",error="insufficient_scope")";
        }
        return server(sent);
    });
    CHECK_THROWS_WITH(rig.image(),
                      Catch::Contains("UNAUTHORIZED") && Catch::Contains("it is private, or it does not exist"));
    CHECK(server.given == 2);
    CHECK(rig.http.log().size() == 5);
    CHECK(rig.http.sent_to("auth.example").at(1).url ==
          kTokenUrl + "&scope=repository%3Aother%2F1%3Apull&client_id=cooper");
}

TEST_CASE("token: a fresh one that is refused is the last word", "[unit][oci]") {
    TokenRegistry server;
    server.valid = 1000;
    RegistryRig rig([&](const SentRequest& sent) { return server(sent); }, alice());
    CHECK_THROWS_WITH(rig.image(), Catch::Contains("with the credentials from a test"));
    CHECK(server.given == 1);
    CHECK(rig.http.log().size() == 3);
}

TEST_CASE("token: a refresh token is exchanged by POST, and its successor kept", "[unit][oci]") {
    TokenRegistry server;
    server.life = 100;
    oci::RegistryCredentials credentials;
    credentials.identity_token = Secret("refresh me+now");
    credentials.origin = "a test";
    RegistryRig rig(
        [&](const SentRequest& sent) {
            if (sent.url.starts_with("https://auth.example/")) {
                ++server.given;
                return FakeReply{200,
                                 {},
                                 R"({"access_token":"t)" + std::to_string(server.given) +
                                     R"(","expires_in":100,"refresh_token":"next"})"};
            }
            return server(sent);
        },
        credentials);
    rig.image();
    rig.clock.advance(90s);
    rig.image();
    const auto asked = rig.http.sent_to("auth.example");
    REQUIRE(asked.size() == 2);
    CHECK(asked[0].method == "POST");
    CHECK(asked[0].url == "https://auth.example/token");
    CHECK(asked[0].header("Content-Type") == "application/x-www-form-urlencoded");
    CHECK(asked[0].body ==
          "service=registry.example&client_id=cooper&scope=repository%3Aacme%2Fapp%3Apull"
          "&grant_type=refresh_token&refresh_token=refresh%20me%2Bnow");
    CHECK_THAT(asked[1].body, Catch::Contains("refresh_token=next"));
}

TEST_CASE("token: a service that knows no GET is asked by POST", "[unit][oci]") {
    TokenRegistry server;
    RegistryRig rig(
        [&](const SentRequest& sent) {
            return sent.method == "GET" && sent.url.starts_with("https://auth.example/") ? FakeReply{405, {}, ""}
                                                                                         : server(sent);
        },
        alice());
    rig.image();
    CHECK_THAT(rig.http.sent_to("auth.example").at(1).body,
               Catch::Contains("grant_type=password&username=alice&password=s3cret"));
}

TEST_CASE("token: a registry token is used as it is", "[unit][oci]") {
    TokenRegistry server;
    oci::RegistryCredentials credentials;
    credentials.registry_token = Secret("t1");
    RegistryRig rig([&](const SentRequest& sent) { return server(sent); }, credentials);
    rig.image();
    CHECK(server.given == 0);
    server.valid = 2;
    CHECK_THROWS_AS(rig.image(), HttpError);
    CHECK(server.given == 0);
}

TEST_CASE("token: the service's refusals are told without secrets", "[unit][oci]") {
    for (const int status : {400, 401, 403}) {
        TokenRegistry server;
        RegistryRig rig(
            [&](const SentRequest& sent) {
                return sent.url.starts_with("https://auth.example/")
                           ? FakeReply{status, {}, R"({"error":"invalid_grant","error_description":"wrong password"})"}
                           : server(sent);
            },
            alice());
        CAPTURE(status);
        CHECK_THROWS_WITH(rig.image(),
                          Catch::Contains("token service auth.example answered " + std::to_string(status)) &&
                              Catch::Contains("wrong password") && !Catch::Contains("s3cret"));
        try {
            rig.image();
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::AccessDenied);
        }
    }
}

TEST_CASE("token: a service that is busy is asked again", "[unit][oci]") {
    TokenRegistry server;
    int busy = 2;
    RegistryRig rig([&](const SentRequest& sent) {
        return sent.url.starts_with("https://auth.example/") && busy-- > 0 ? FakeReply{429, {{"Retry-After", "3"}}, ""}
                                                                           : server(sent);
    });
    rig.image();
    CHECK(rig.clock.sleeps() == std::vector<std::chrono::milliseconds>{3s, 3s});
}

TEST_CASE("token: replies are read with bounds", "[unit][oci]") {
    const auto life = [](const std::string& more) {
        return oci::parse_token_reply(R"({"token":"x")" + more + "}", "s").life;
    };
    CHECK(life("") == 60s);
    CHECK(life(R"(,"expires_in":0)") == 60s);
    CHECK(life(R"(,"expires_in":-5)") == 60s);
    CHECK(life(R"(,"expires_in":300)") == 300s);
    CHECK(life(R"(,"expires_in":9223372036854775807)") == 24h);
    CHECK(oci::parse_token_reply(R"({"access_token":"y"})", "s").token.reveal() == "y");
    CHECK(oci::parse_token_reply(R"({"token":"","access_token":"y"})", "s").token.reveal() == "y");
    for (const char* text : {"", "[]", "{}", R"({"token":""})", R"({"token":"a b"})", R"({"token":"a\r\nX: y"})",
                             R"({"token":7})", R"({"token":"x","expires_in":"soon"})"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(oci::parse_token_reply(text, "s"), Error);
    }
    RegistryRig endless([&](const SentRequest& sent) {
        return sent.url.find("/v2/") != std::string::npos
                   ? FakeReply{401, {{"WWW-Authenticate", kChallenge}}, ""}
                   : FakeReply{200, {}, std::string(100'000, ' '), false, {}, true};
    });
    CHECK_THROWS_WITH(endless.image(), Catch::Contains("auth.example"));
}

TEST_CASE("realm: the registry may not send us to plain http or to nonsense", "[unit][oci]") {
    for (const char* realm : {"http://auth.example/token", "ftp://auth.example/", "file:///etc/passwd", "auth.example",
                              "/token", "https://user:pw@auth.example/token", "https://"}) {
        CAPTURE(realm);
        RegistryRig rig(sends_to(realm), alice());
        CHECK_THROWS_WITH(rig.image(), Catch::Contains("names the token service") && !Catch::Contains("pw@"));
        CHECK(rig.http.log().size() == 1);
    }
}

TEST_CASE("realm: another host must be public, unless the registry is inside itself", "[unit][oci]") {
    // The client refuses what is not public when it is told to; here every realm is taken for private.
    const auto let_in = [](const std::string& registry, const std::string& realm) {
        RegistryRig rig([&](const SentRequest& sent) {
            if (sent.public_address_only) {
                throw Error(ErrorCode::AccessDenied, "not a public address");
            }
            return sends_to(realm)(sent);
        });
        CHECK_THROWS(rig.image(registry + "/acme/app:1"));
        const auto asked = rig.http.sent_to("/token");
        REQUIRE_FALSE(asked.empty());
        return !asked.back().public_address_only;
    };
    CHECK_FALSE(let_in("8.8.8.8", "https://auth.example/token"));
    CHECK_FALSE(let_in("8.8.8.8", "https://169.254.169.254/token"));
    CHECK_FALSE(let_in("[2001:4860:4860::8888]", "https://[::1]/token"));
    CHECK(let_in("8.8.8.8", "https://8.8.8.8:8443/token"));
    CHECK(let_in("10.0.0.1", "https://auth.example/token"));
    CHECK(let_in("127.0.0.1:5000", "http://127.0.0.1:5001/token"));
    CHECK(let_in("[::1]:5000", "http://localhost:5001/token"));
}

TEST_CASE("realm: credentials do not go to another host by plain http", "[unit][oci]") {
    oci::RegistryOptions options;
    options.insecure = true;
    const auto handler = [](const SentRequest& sent) {
        return sent.url.starts_with("https:") ? no_answer() : sends_to("http://other.example/token")(sent);
    };
    RegistryRig rig(handler, alice(), options);
    CHECK_THROWS_WITH(rig.image("10.0.0.1:5000/acme/app:1"),
                      Catch::Contains("credentials do not go to another host by plain http"));
    CHECK(rig.http.sent_to("other.example").empty());
    RegistryRig anonymous(handler, std::nullopt, options);
    CHECK_THROWS(anonymous.image("10.0.0.1:5000/acme/app:1"));
    CHECK(anonymous.http.sent_to("other.example").size() == 1);
}

TEST_CASE("realm: its redirects lose the credentials with the origin, and never lead to http", "[unit][oci]") {
    const auto redirecting = [](const std::string& target) {
        return [target](const SentRequest& sent) {
            if (sent.url.find("/token") != std::string::npos) {
                return FakeReply{302, {{"Location", target}}, ""};
            }
            return sends_to("https://auth.example/token")(sent);
        };
    };
    RegistryRig away(redirecting("https://elsewhere.example/x"), alice());
    CHECK_THROWS(away.image());
    REQUIRE(away.http.sent_to("elsewhere.example").size() == 1);
    CHECK_FALSE(away.http.sent_to("elsewhere.example")[0].headers.find("Authorization"));
    CHECK(away.http.sent_to("elsewhere.example")[0].public_address_only);
    RegistryRig down(redirecting("http://auth.example/x"), alice());
    CHECK_THROWS_WITH(down.image(), Catch::Contains("plain http is refused"));
    RegistryRig loop(redirecting("https://auth.example/token"), alice());
    CHECK_THROWS_AS(loop.image(), HttpError);
    CHECK(loop.http.sent_to("auth.example").size() == 6);
}

TEST_CASE("basic: credentials are sent after the challenge and to the same place ever after", "[unit][oci]") {
    const FakeRegistry registry;
    const auto handler = [&](const SentRequest& sent) {
        return sent.header("Authorization") == "Basic YWxpY2U6czNjcmV0"
                   ? registry.serve(sent)
                   : FakeReply{401, {{"WWW-Authenticate", R"(Negotiate, Basic realm="test")"}}, ""};
    };
    RegistryRig rig(handler, alice());
    rig.image();
    CHECK(rig.http.log().size() == 3);
    RegistryRig wrong(handler, oci::RegistryCredentials{"alice", Secret("guess"), {}, {}, "a test"});
    CHECK_THROWS_WITH(wrong.image(), Catch::Contains("with the credentials from a test") && !Catch::Contains("guess"));
    CHECK(wrong.http.log().size() == 2);
    RegistryRig anonymous(handler);
    CHECK_THROWS_WITH(anonymous.image(), Catch::Contains("asked anonymously"));
    CHECK(anonymous.http.log().size() == 1);
}
