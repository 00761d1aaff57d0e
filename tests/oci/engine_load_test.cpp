// Images into an engine: what is sent, what is answered, and whether the image that is there is the right one.
#include "oci/engine_support.hpp"

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;

namespace {

Error load_failure(ScriptedEngine& engine, const LoadCase& what) {
    return failure([&] { engine.client().load(what.images, what.plan, "task", {}); });
}

}  // namespace

TEST_CASE("engine load: the body is the archive, sized and typed", "[unit][oci]") {
    const LoadCase what;
    ScriptedEngine engine(loads(kLoaded, inspected(what.image)));
    const EngineClient::Loaded loaded = engine.client().load(what.images, what.plan, "task", {});
    REQUIRE(loaded.names == std::vector<std::string>{"a:1"});
    REQUIRE(loaded.ids.empty());
    const ScriptedRequest sent = engine.requests().at(1);
    REQUIRE(sent.target == "/v1.41/images/load?quiet=1");
    REQUIRE(sent.headers.find("Content-Type") == "application/x-tar");
    REQUIRE(sent.headers.find("Content-Length") == std::to_string(what.plan.size()));
    REQUIRE(sent.body == what.archive());
    REQUIRE(engine.calls().at(1) == "GET /v1.41/images/docker.io/library/a:1/json");
}

TEST_CASE("engine load: what docker and podman say of names", "[unit][oci]") {
    const LoadCase what;
    const std::string id = what.image.config.image_id().text();
    struct Expectation {
        std::string said;
        std::vector<std::string> names;
        std::vector<std::string> ids;
    };
    const auto [said, names, ids] = GENERATE_COPY(values<Expectation>({
        {"{\"stream\":\"Loaded image: a:1\\n\"}\r\n{\"stream\":\"Loaded image: b:1\\n\"}\r\n", {"a:1", "b:1"}, {}},
        {R"({"stream":"Loaded image: a:1,b:1"})", {"a:1", "b:1"}, {}},
        {R"({"stream":"Loaded image ID: )" + id + R"(\n"})", {}, {id}},
        {R"({"stream":"Loaded image: )" + id + R"("})", {}, {id}},
        {R"({"status":"Loading layer","progressDetail":{"current":1},"id":"a"}{"stream":"The image a:1 already exists"})",
         {},
         {}},
        {"", {}, {}},
    }));
    CAPTURE(said);
    ScriptedEngine engine(loads(said, inspected(what.image)));
    const auto loaded = engine.client().load(what.images, what.plan, "task", {});
    REQUIRE(loaded.names == names);
    REQUIRE(loaded.ids == ids);
}

TEST_CASE("engine load: failures inside a 200 are errors in the engine's words", "[unit][oci]") {
    const LoadCase what;
    struct Expectation {
        std::string said;
        std::string words;
        ErrorCode code;
    };
    const auto [said, words, code] = GENERATE(values<Expectation>({
        {R"({"stream":"Loaded image: a:1\n"}{"errorDetail":{"message":"Error processing tar file: unexpected EOF"},"error":"x"})",
         "Error processing tar file: unexpected EOF", ErrorCode::Unavailable},
        {R"({"errorDetail":{"message":"invalid diffID for layer 1: expected sha256:a, got sha256:b"}})",
         "invalid diffID for layer 1", ErrorCode::Integrity},
        {R"({"error":"old style"})", "old style", ErrorCode::Unavailable},
        {R"({"errorDetail":{"code":1}})", "without a message", ErrorCode::Unavailable},
        {R"({"cause":"c","message":"payload does not match any of the supported image formats","response":500})",
         "does not match any", ErrorCode::Unavailable},
        {R"({"stream":"Error unpacking image docker.io/library/a:1 (linux/amd64): wrong diff id\n"})",
         "Error unpacking image docker.io", ErrorCode::Unavailable},
        {"Error unpacking image a:1: short read\n", "short read", ErrorCode::Unavailable},
        {"Error unpacking image without a line's end", "without a line's end", ErrorCode::Unavailable},
        {R"({"stream":"Loaded image: a:1\n"}{"stre)", "middle of its answer", ErrorCode::Unavailable},
        {R"({"stream": nonsense})", "cannot be read", ErrorCode::Unavailable},
        {"}", "did not load", ErrorCode::Unavailable},
    }));
    ScriptedEngine engine(loads(said, inspected(what.image)));
    const Error error = load_failure(engine, what);
    CAPTURE(said, error.what());
    REQUIRE(contains(error.what(), words));
    REQUIRE(error.code() == code);
    REQUIRE(engine.calls().size() == 1);
}

TEST_CASE("engine load: refusals before the stream, with the body sent or not", "[unit][oci]") {
    const LoadCase large({"a:1"}, {{LayerSpec::Form::Plain, random_bytes(3 << 20, 1)}});
    const ScriptedReply no{.status = 500, .body = R"({"message":"the disk is full"})"};
    SECTION("after all of it") {
        ScriptedEngine engine(replies(no));
        const Error error = load_failure(engine, large);
        REQUIRE(contains(error.what(), "answered 500: the disk is full"));
    }
    SECTION("at its beginning") {
        ScriptedEngine engine(replies(no), {}, {.on_head = [&](const ScriptedRequest& request) {
                                  return request.method == "POST" ? std::optional(no) : std::nullopt;
                              }});
        REQUIRE(contains(load_failure(engine, large).what(), "the disk is full"));
    }
}

TEST_CASE("engine load: a wrong blob ends the request before the engine has an archive", "[unit][oci]") {
    const auto layers = GENERATE(1, 5);
    LoadCase what({"a:1"}, std::vector<LayerSpec>(static_cast<std::size_t>(layers),
                                                  {LayerSpec::Form::Plain, random_bytes(400'000, 2)}));
    const std::string damaged = random_bytes(what.image.manifest.layers.back().size, 3);
    const std::string wanted = what.image.manifest.layers.back().digest.text();
    SECTION("of the right size") {
        what.blobs->replace(what.image.manifest.layers.back().digest, damaged);
    }
    SECTION("too short") {
        what.blobs->replace(what.image.manifest.layers.back().digest, damaged.substr(1));
    }
    SECTION("too long") {
        what.blobs->replace(what.image.manifest.layers.back().digest, damaged + "x");
    }
    ScriptedEngine engine(loads(kLoaded, inspected(what.image)));
    const Error error = load_failure(engine, what);
    CAPTURE(error.what());
    REQUIRE(error.code() == ErrorCode::Integrity);
    // Nobody has answered it, so nobody has got all of it.
    REQUIRE(engine.calls().empty());
}

TEST_CASE("engine load: podman gets no layer that is not what its config promises", "[unit][oci]") {
    // podman 4.3 loads such an image from an OCI layout without a word.
    const LoadCase lying = [] {
        LoadCase what;
        const Image promised = memory_image({{LayerSpec::Form::Gzip, "uno"}, {LayerSpec::Form::Plain, "two"}});
        what.image.config = promised.config;
        std::string manifest = what.image.manifest.raw.bytes;
        const std::string config = what.image.manifest.config.digest.text();
        manifest.replace(manifest.find(config), config.size(), promised.manifest.config.digest.text());
        what.images = {{with_manifest(what.image, manifest), {"a:1"}}};
        what.plan = ArchivePlan::make(what.images);
        return what;
    }();
    ScriptedEngine podman(loads(kLoaded, inspected(lying.image)), {.podman = true});
    const Error error = load_failure(podman, lying);
    REQUIRE(error.code() == ErrorCode::Integrity);
    REQUIRE(contains(error.what(), "diff ID"));
    REQUIRE(podman.calls().empty());
}

TEST_CASE("engine load: a source that fails is the error, not the broken request", "[unit][oci]") {
    LoadCase what({"a:1"}, {{LayerSpec::Form::Plain, random_bytes(3 << 20, 4)}});
    what.blobs->on_read = [](std::uint64_t reads) {
        if (reads == 2) {
            throw Error(ErrorCode::AccessDenied, "the token is gone");
        }
    };
    what.blobs->step = 100'000;
    ScriptedEngine engine(loads(kLoaded, inspected(what.image)));
    const Error error = load_failure(engine, what);
    REQUIRE(error.code() == ErrorCode::AccessDenied);
    REQUIRE(contains(error.what(), "the token is gone"));
}

TEST_CASE("engine load: the image that is there afterwards is the one that was sent", "[unit][oci]") {
    const LoadCase what;
    const std::string id = what.image.config.image_id().text();
    const std::string manifest = what.image.manifest.raw.digest.text();
    const std::string other = sha256(std::string_view("other")).text();
    const auto& diff_ids = what.image.config.diff_ids;
    const auto descriptor = [](const std::string& digest) {
        return R"(,"Descriptor":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" + digest + "\"}";
    };
    const auto load = [&](const std::string& inspect) {
        ScriptedEngine engine(loads(kLoaded, inspect));
        engine.client().load(what.images, what.plan, "task", {});
    };
    SECTION("by its config, as docker's own store and podman have it") {
        REQUIRE_NOTHROW(load(inspected(id, diff_ids)));
    }
    SECTION("by its manifest, as containerd's store has it") {
        REQUIRE_NOTHROW(load(inspected(manifest, diff_ids, descriptor(manifest))));
        REQUIRE_NOTHROW(load(inspected(manifest, diff_ids)));
    }
    SECTION("by a manifest that the store made, when the diff IDs agree") {
        REQUIRE_NOTHROW(load(inspected(other, diff_ids, descriptor(other))));
    }
    SECTION("another ID") {
        const Error error = failure([&] { load(inspected(other, diff_ids)); });
        REQUIRE(error.code() == ErrorCode::Integrity);
        REQUIRE(contains(error.what(), id));
        REQUIRE(contains(error.what(), other));
        REQUIRE(failure([&] { load(inspected(other, diff_ids, descriptor(id))); }).code() == ErrorCode::Integrity);
    }
    SECTION("other layers") {
        REQUIRE(failure([&] { load(inspected(id, {diff_ids[0]})); }).code() == ErrorCode::Integrity);
        REQUIRE(failure([&] {
                    load(inspected(other, {diff_ids[1], diff_ids[0]}, descriptor(other)));
                }).code() == ErrorCode::Integrity);
    }
    SECTION("nothing") {
        const Error error = failure([&] { load(""); });
        REQUIRE(error.code() == ErrorCode::Integrity);
        REQUIRE(contains(error.what(), "no such image"));
    }
}

TEST_CASE("engine load: every name is looked for, and an image without one by its IDs", "[unit][oci]") {
    SECTION("two names, of which one is missing") {
        const LoadCase what({"a:1", "b:2"});
        ScriptedEngine engine([&](const std::string& call, const ScriptedRequest&) -> ScriptedReply {
            if (call.starts_with("POST")) {
                return {.body = kLoaded};
            }
            return contains(call, "/a:1/") ? ScriptedReply{.body = inspected(what.image)}
                                           : ScriptedReply{.status = 404};
        });
        REQUIRE(contains(load_failure(engine, what).what(), "image b:2"));
    }
    SECTION("no name: docker and podman know the config") {
        const LoadCase what(std::vector<std::string>{});
        ScriptedEngine engine(loads("", inspected(what.image)));
        engine.client().load(what.images, what.plan, "task", {});
        REQUIRE(engine.calls().at(1) == "GET /v1.41/images/" + what.image.config.image_id().text() + "/json");
    }
    SECTION("no name: containerd's store knows the manifest") {
        const LoadCase what(std::vector<std::string>{});
        const std::string manifest = what.image.manifest.raw.digest.text();
        ScriptedEngine engine([&](const std::string& call, const ScriptedRequest&) -> ScriptedReply {
            if (call.starts_with("POST")) {
                return {};
            }
            return contains(call, manifest) ? ScriptedReply{.body = inspected(manifest, what.image.config.diff_ids)}
                                            : ScriptedReply{.status = 404};
        });
        REQUIRE_NOTHROW(engine.client().load(what.images, what.plan, "task", {}));
    }
}

TEST_CASE("engine: a stall ends a load, not a limit on all of it", "[unit][oci]") {
    const LoadCase what;
    ScriptedEngine engine([](const std::string&, const ScriptedRequest&) { return ScriptedReply{.silent = true}; });
    EngineClient client(engine.http(), engine.endpoint(), {.stall_timeout = std::chrono::milliseconds(100)});
    const Error error = failure([&] { client.load(what.images, what.plan, "task", {}); });
    REQUIRE(error.code() == ErrorCode::Unavailable);
    REQUIRE(contains(error.what(), "stalled"));
}

TEST_CASE("engine: a stop request ends a load and a save at once", "[unit][oci]") {
    LoadCase what({"a:1"}, {{LayerSpec::Form::Plain, random_bytes(3 << 20, 5)}});
    std::stop_source stop;
    const Run run{stop.get_token()};
    SECTION("while the engine works") {
        ScriptedEngine engine([&](const std::string&, const ScriptedRequest&) {
            stop.request_stop();
            return ScriptedReply{.silent = true};
        });
        REQUIRE_THROWS_AS(engine.client().load(what.images, what.plan, "task", run), Cancelled);
    }
    SECTION("while a blob is read") {
        what.blobs->on_read = [&](std::uint64_t) { stop.request_stop(); };
        what.blobs->step = 1000;
        ScriptedEngine engine(loads(kLoaded, inspected(what.image)));
        REQUIRE_THROWS_AS(engine.client().load(what.images, what.plan, "task", run), Cancelled);
        REQUIRE(engine.calls().empty());
    }
    SECTION("while an archive comes") {
        ScriptedEngine engine(replies({.size = 1 << 20, .chunked = true, .stall_after = 1000}));
        class StoppingSink final : public Sink {
        public:
            explicit StoppingSink(std::stop_source& stop) : stop_(stop) {}
            void write(Bytes) override { stop_.request_stop(); }
            void finish() override {}

        private:
            std::stop_source& stop_;
        } sink(stop);
        REQUIRE_THROWS_AS(engine.client().save({"a"}, sink, std::nullopt, run), Cancelled);
    }
}
