// The engine's API: versions, what is there, images out, names; and every way in which an engine fails.
#include "cooper/base/text.hpp"

#include "base/http_support.hpp"
#include "oci/engine/engine_inspect.hpp"
#include "oci/engine_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;

namespace {

void ask(EngineClient& client, const std::string& name) {
    static_cast<void>(client.find(name, {}));
}

std::string saved(ScriptedEngine& engine, const std::vector<std::string>& names,
                  const std::optional<Platform>& platform = std::nullopt) {
    StringSink sink(64 << 20);
    engine.client().save(names, sink, platform, {});
    return sink.take();
}

}  // namespace

TEST_CASE("engine: the version is the newest that both sides speak, asked for once", "[unit][oci]") {
    struct Expectation {
        EngineVoice voice;
        std::string prefix;
        bool asks_for_oldest;
    };
    const auto [voice, prefix, asks_for_oldest] = GENERATE(values<Expectation>({
        {{.api = "1.24"}, "/v1.24/", false},
        {{.api = "1.41"}, "/v1.41/", false},
        {{.api = "1.48"}, "/v1.48/", false},
        {{.api = "1.52", .oldest_api = "1.44"}, "/v1.48/", true},
        {{.api = "1.60", .oldest_api = "1.48"}, "/v1.48/", true},
        {{.api = "2.0", .oldest_api = "nonsense"}, "/v1.48/", true},
        {{.api = "1.41", .podman = true}, "/v1.41/", false},
        {{.api = "1.99", .oldest_api = "1.90", .podman = true}, "/v1.48/", false},  // podman answers to any
    }));
    CAPTURE(voice.api);
    ScriptedEngine engine(replies({.status = 404}), voice);
    REQUIRE_FALSE(engine.client().find("a:1", {}));
    REQUIRE_FALSE(engine.client().find("b:1", {}));
    const auto calls = engine.calls();
    REQUIRE(engine.pings() == 1);
    REQUIRE((calls.front() == "GET /version") == asks_for_oldest);
    REQUIRE(calls.back() == "GET " + prefix + "images/docker.io/library/b:1/json");
}

TEST_CASE("engine: a version too old or too new, and what is no engine", "[unit][oci]") {
    const auto refused = [](const EngineVoice& voice) {
        ScriptedEngine engine(replies({.status = 404}), voice);
        return failure([&] { ask(engine.client(), "a"); });
    };
    const Error old = refused({.api = "1.23"});
    REQUIRE(old.code() == ErrorCode::Unsupported);
    REQUIRE(contains(old.what(), "speaks version 1.23"));
    const Error recent = refused({.api = "1.60", .oldest_api = "1.50"});
    REQUIRE(recent.code() == ErrorCode::Unsupported);
    REQUIRE(contains(recent.what(), "from 1.50 on"));
    for (const char* said : {"", "one", "1", "1.", "1.4.1", "-1.4", "99999999999.1"}) {
        CAPTURE(said);
        REQUIRE(contains(refused({.api = said}).what(), "does not say which version"));
    }
}

TEST_CASE("engine: a failed ping is told in the engine's words and tried again next time", "[unit][oci]") {
    std::atomic<int> pings = 0;
    ScriptedServer server([&](const ScriptedRequest& request) -> ScriptedReply {
        if (request.target != "/_ping") {
            return {.status = 404};
        }
        return ++pings == 1 ? ScriptedReply{.status = 400, .body = "Client sent an HTTP request to an HTTPS server."}
                            : ScriptedReply{.headers = {{"Api-Version", "1.41"}}};
    });
    const auto http = client_with();
    EngineClient client(*http, {EngineEndpoint::Kind::Tcp, "", Url::parse(server.url()), nullptr, "DOCKER_HOST"});
    const Error error = failure([&] { ask(client, "a"); });
    REQUIRE(contains(error.what(), "HTTPS server"));
    REQUIRE(contains(error.advice(), "DOCKER_TLS_VERIFY=1"));
    REQUIRE_FALSE(client.find("a", {}));
    REQUIRE(pings == 2);
}

TEST_CASE("engine: on tcp the address may have a path", "[unit][oci]") {
    ScriptedServer server([&](const ScriptedRequest&) -> ScriptedReply {
        return {.status = 200, .headers = {{"Api-Version", "1.41"}}, .body = inspected("sha256:1", {})};
    });
    const auto http = client_with();
    EngineEndpoint endpoint{EngineEndpoint::Kind::Tcp, "", Url::parse(server.url()), nullptr, "--host"};
    endpoint.url.path = "/engine";
    EngineClient client(*http, endpoint);
    REQUIRE(client.find("a", {}));
    REQUIRE(server.requests().at(0).target == "/engine/_ping");
    REQUIRE(server.requests().at(1).target == "/engine/v1.41/images/docker.io/library/a:latest/json");
}

TEST_CASE("engine: nobody at the address: the advice says where it came from", "[unit][oci]") {
    const auto http = client_with();
    SECTION("a socket") {
        const TempDirectory directory;
        const std::string socket = (directory.path() / "absent.sock").string();
        EngineClient client(*http, {EngineEndpoint::Kind::Unix, socket, {}, nullptr, "context work"});
        const Error error = failure([&] { ask(client, "a"); });
        REQUIRE(error.code() == ErrorCode::Unavailable);
        REQUIRE(contains(error.what(), socket));
        REQUIRE(contains(error.advice(), "Is the daemon running"));
        REQUIRE(contains(error.advice(), "context work"));
    }
    SECTION("a port") {
        EngineClient client(*http, {EngineEndpoint::Kind::Tcp, "", Url::parse("http://127.0.0.1:1"), nullptr, "x"});
        REQUIRE(contains(failure([&] { ask(client, "a"); }).advice(), "DOCKER_TLS_VERIFY"));
    }
}

TEST_CASE("engine: an image as dockerd 20.10, containerd's store and API 1.52 describe it", "[unit][oci]") {
    const Digest layer = sha256(std::string_view("layer"));
    const std::string id = sha256(std::string_view("id")).text();
    const auto found_by = [](const std::string& body) {
        ScriptedEngine engine(replies({.body = body}));
        return engine.client().find("a", {}).value();
    };
    const EngineImage old = found_by(inspected(id, {layer}));
    REQUIRE(old.id == id);
    REQUIRE(old.repo_tags == std::vector<std::string>{"a:1"});
    REQUIRE(old.diff_ids == std::vector<Digest>{layer});
    REQUIRE(old.platform.text() == "linux/amd64");
    REQUIRE(old.size == 12);
    const EngineImage sparse = found_by(R"({"Id":"x","RepoTags":null,"RootFS":{"Type":"layers","Layers":null}})");
    REQUIRE((sparse.repo_tags.empty() && sparse.diff_ids.empty() && sparse.size == 0));
    REQUIRE(found_by(R"({"Id":"x","Size":-1,"RepoTags":[1,null]})").id == "x");
}

TEST_CASE("engine: answers about an image that are none", "[unit][oci]") {
    for (const std::string& body :
         {std::string("{}"), std::string("[]"), std::string("<html>"), std::string(R"({"Id":1})"),
          std::string(R"({"Id":"x","RootFS":{"Layers":["../../etc"]}})"), R"({"Id":")" + std::string(5 << 20, 'x')}) {
        ScriptedEngine engine(replies({.body = body}));
        const Error error = failure([&] { ask(engine.client(), "a"); });
        CAPTURE(body.substr(0, 40), error.what());
        REQUIRE(error.code() != ErrorCode::NotFound);
    }
    ScriptedEngine engine(replies({.status = 500, .body = R"({"message":"layer store is broken"})"}));
    const Error error = failure([&] { ask(engine.client(), "a"); });
    REQUIRE(error.code() == ErrorCode::Unavailable);
    REQUIRE(contains(error.what(), "answered 500: layer store is broken"));
}

TEST_CASE("engine: names stand qualified in paths, IDs as they are", "[unit][oci]") {
    const std::string hex(sha256(std::string_view("x")).hex());
    const auto [name, path] = GENERATE_COPY(values<std::pair<std::string, std::string>>({
        {"debian", "docker.io/library/debian:latest"},
        {"ghcr.io/acme/app:1.2", "ghcr.io/acme/app:1.2"},
        {"localhost:5000/a", "localhost:5000/a:latest"},
        {"a@sha256:" + hex, "docker.io/library/a@sha256:" + hex},
        {"sha256:" + hex, "sha256:" + hex},
        {hex.substr(0, 12), hex.substr(0, 12)},
    }));
    ScriptedEngine engine(replies({.status = 404}));
    REQUIRE_FALSE(engine.client().find(name, {}));
    REQUIRE(engine.calls().at(0) == "GET /v1.41/images/" + path + "/json");
}

TEST_CASE("engine: what is no name is refused before it is in a path", "[unit][oci]") {
    ScriptedEngine engine(replies({.status = 404}));
    for (const char* name : {"", "../../containers/json", "a?b", "A", "a b", "a/../b", "a%2fb"}) {
        CAPTURE(name);
        REQUIRE(failure([&] { ask(engine.client(), name); }).code() == ErrorCode::InvalidInput);
        REQUIRE(failure([&] { saved(engine, {name}); }).code() == ErrorCode::InvalidInput);
    }
    REQUIRE(engine.calls().empty());
}

TEST_CASE("engine save: the archive comes through whole, names and platform are asked for", "[unit][oci]") {
    const std::string archive = LoadCase().archive();
    const ScriptedReply whole{.body = archive, .chunked = true};
    SECTION("one name") {
        ScriptedEngine engine(replies(whole));
        REQUIRE(saved(engine, {"a:1"}) == archive);
        REQUIRE(engine.calls() == std::vector<std::string>{"GET /v1.41/images/get?names=docker.io%2Flibrary%2Fa%3A1"});
    }
    SECTION("several, and a platform for an engine that knows them") {
        ScriptedEngine engine(replies(whole), {.api = "1.48"});
        REQUIRE(saved(engine, {"a:1", "b:2"}, Platform::parse("linux/arm/v7")) == archive);
        REQUIRE(contains(engine.calls().at(0), "names=docker.io%2Flibrary%2Fa%3A1&names=docker.io%2Flibrary%2Fb%3A2"));
        REQUIRE(
            contains(engine.calls().at(0), "&platform=" + percent_encode(platform_json(Platform::parse("arm/v7")))));
    }
    SECTION("a platform for an engine that does not") {
        ScriptedEngine engine(replies(whole), {.api = "1.47"});
        REQUIRE(saved(engine, {"a:1"}, Platform::parse("linux/arm64")) == archive);
        REQUIRE_FALSE(contains(engine.calls().at(0), "platform"));
    }
    SECTION("no name at all") {
        ScriptedEngine engine(replies(whole));
        REQUIRE(failure([&] { saved(engine, {}); }).code() == ErrorCode::InvalidInput);
    }
}

TEST_CASE("engine save: an unknown name is not found, whichever status says so", "[unit][oci]") {
    const auto [status, body] = GENERATE(values<std::pair<int, std::string>>({
        {404, R"({"message":"reference does not exist"})"},
        {500, R"({"cause":"image not known","message":"unable to find 'docker.io/library/b:1'","response":500})"},
    }));
    ScriptedEngine engine([&](const std::string& call, const ScriptedRequest&) -> ScriptedReply {
        if (call.starts_with("GET /images/get")) {
            return {.status = status, .body = body};
        }
        return contains(call, "/a:1/") ? ScriptedReply{.body = inspected("x", {})} : ScriptedReply{.status = 404};
    });
    const Error error = failure([&] { saved(engine, {"a:1", "b:1"}); });
    REQUIRE(error.code() == ErrorCode::NotFound);
    REQUIRE(contains(error.what(), "has no image b:1"));
    REQUIRE(contains(error.advice(), "localhost/"));
    // The same status with all names there has another reason.
    const Error other = failure([&] { saved(engine, {"a:1"}); });
    REQUIRE(contains(other.what(), "answered " + std::to_string(status)));
}

TEST_CASE("engine save: an archive without its end is an error, however it ends", "[unit][oci]") {
    const std::string archive = LoadCase().archive();
    const auto refused = [&](ScriptedReply reply) {
        reply.chunked = true;
        ScriptedEngine engine(replies(reply));
        return failure([&] { saved(engine, {"a:1"}); });
    };
    SECTION("the connection is cut") {
        for (const Cut cut : {Cut::Close, Cut::Reset}) {
            const Error error = refused({.body = archive, .cut_after = archive.size() / 2, .cut = cut});
            REQUIRE(error.code() == ErrorCode::Unavailable);
            REQUIRE(contains(error.what(), "saving a:1"));
        }
        REQUIRE(refused({.body = archive, .cut_after = archive.size()}).code() == ErrorCode::Unavailable);
    }
    SECTION("it ends in good order, anywhere") {
        for (std::size_t end = 0; end < archive.size(); end += 256) {
            CAPTURE(end, archive.size());
            REQUIRE(refused({.body = archive.substr(0, end)}).code() == ErrorCode::Unavailable);
        }
    }
    SECTION("with the engine's error behind it") {
        const std::string words =
            R"({"errorDetail":{"message":"open layer.tar: no space left on device"},"error":"x"})";
        for (const std::size_t end : {std::size_t{512}, archive.size() / 2, archive.size() - 1024}) {
            const Error error = refused({.body = archive.substr(0, end) + words + "\r\n"});
            CAPTURE(end, error.what());
            REQUIRE(contains(error.what(), "open layer.tar: no space left on device"));
        }
    }
}

TEST_CASE("engine: names are given and taken", "[unit][oci]") {
    const auto called_with = [](int status, auto&& action) {
        ScriptedEngine engine(replies({.status = status, .body = R"({"message":"image is in use"})"}));
        action(engine.client());
        return engine.calls().at(0);
    };
    const std::string id = "sha256:" + std::string(sha256(std::string_view("x")).hex());
    REQUIRE(called_with(201, [&](EngineClient& client) { client.tag(id, Reference::parse("acme/a:2"), {}); }) ==
            "POST /v1.41/images/" + id + "/tag?repo=docker.io%2Facme%2Fa&tag=2");
    REQUIRE(called_with(200, [](EngineClient& client) { REQUIRE(client.remove("a:1", false, {})); }) ==
            "DELETE /v1.41/images/docker.io/library/a:1");
    REQUIRE(called_with(404, [](EngineClient& client) { REQUIRE_FALSE(client.remove("a:1", true, {})); }) ==
            "DELETE /v1.41/images/docker.io/library/a:1?force=1");
    called_with(409, [](EngineClient& client) {
        const Error error = failure([&] { client.remove("a:1", false, {}); });
        REQUIRE(error.code() == ErrorCode::Conflict);
        REQUIRE(contains(error.what(), "image is in use"));
    });
    called_with(404, [](EngineClient& client) {
        REQUIRE(failure([&] { client.tag("a:1", Reference::parse("b:1"), {}); }).code() == ErrorCode::NotFound);
    });
    ScriptedEngine engine(replies({.status = 201}));
    const Reference digest_only = Reference::parse("a@" + id);
    REQUIRE(failure([&] { engine.client().tag("a:1", digest_only, {}); }).code() == ErrorCode::InvalidInput);
}
