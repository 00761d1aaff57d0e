#include "build/remote_builder_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

// --- settings and input --------------------------------------------------------------------------------------------

TEST_CASE("remote builder: settings that would fail or leak later are refused at once", "[unit][build]") {
    Scene scene({success()});
    const auto refusal = [&] {
        const Error error = error_of([&] { const RemoteBuilder builder(scene.http, scene.options); });
        CHECK(error.code() == ErrorCode::InvalidInput);
        CHECK_THAT(error.what(), !Catch::Contains(kKey));
        return std::string(error.what());
    };
    SECTION("no URL") {
        scene.options.base_url = "runtime.example.com";
        CHECK_FALSE(refusal().empty());
    }
    SECTION("a query") {
        scene.options.base_url = "https://runtime.example.com/api?key=1";
        CHECK_THAT(refusal(), Catch::Contains("query"));
    }
    SECTION("a key with the line end of its file") {
        scene.options.api_key = Secret(kKey + "\n");
        CHECK_THAT(refusal(), Catch::Contains("line end"));
    }
    SECTION("a key in the clear") {
        scene.options.base_url = "http://runtime.example.com/api";
        CHECK_THAT(refusal(), Catch::Contains("in the clear"));
    }
    SECTION("no time at all") {
        scene.options.timings = RemoteBuilderTimings::v0();
        scene.options.timings->poll_interval = seconds(0);
        CHECK_THAT(refusal(), Catch::Contains("timings"));
    }
    SECTION("no tries") {
        scene.options.timings = RemoteBuilderTimings::v0();
        scene.options.timings->rate_limit_tries = 0;
        CHECK_THAT(refusal(), Catch::Contains("timings"));
    }
}

TEST_CASE("remote builder: plain http is for loopback, for no key, or by choice", "[unit][build]") {
    Scene scene({json(R"({"exists":true})")});
    SECTION("loopback") {
        scene.options.base_url = "http://127.0.0.1:8000";
    }
    SECTION("no key") {
        scene.options.base_url = "http://runtime.internal";
        scene.options.api_key = Secret();
    }
    SECTION("by choice") {
        scene.options.base_url = "http://runtime.internal";
        scene.options.plain_http = true;
    }
    CHECK(scene.exists());
    CHECK(scene.http.log().at(0).headers.find("X-API-Key").has_value() == !scene.options.api_key.empty());
}

TEST_CASE("remote builder: slashes at the end of the base URL are kept by V0 and dropped by the script",
          "[unit][build]") {
    const auto sent = [](const std::string& base, RuntimeApiDialect dialect) {
        Scene scene({json(R"({"registry_prefix":"r"})")}, dialect);
        scene.options.base_url = base;
        CHECK(RemoteBuilder(scene.http, scene.options).registry_prefix(scene.run) == "r");
        return scene.http.lines().at(0);
    };
    CHECK(sent("https://h.example/api/", RuntimeApiDialect::V0) == "GET https://h.example/api//registry_prefix");
    CHECK(sent("https://h.example", RuntimeApiDialect::V0) == "GET https://h.example/registry_prefix");
    CHECK(sent("https://h.example/", RuntimeApiDialect::V0) == "GET https://h.example//registry_prefix");
    CHECK(sent("https://h.example/api//", RuntimeApiDialect::V1Script) == "GET https://h.example/api/registry_prefix");
    CHECK(sent("https://h.example/", RuntimeApiDialect::V1Script) == "GET https://h.example/registry_prefix");
}

TEST_CASE("remote builder: names that could break out of the form are refused", "[unit][build]") {
    Scene scene({accepted(), success()});
    const std::vector<std::vector<std::string>> bad = {
        {}, {""}, {"r:src", ""}, {"r:src\r\n--x"}, {"r:src", std::string("r\0s", 3)}, {std::string(2000, 'n')}};
    for (const auto& names : bad) {
        CHECK(error_of([&] { scene.build(names); }).code() == ErrorCode::InvalidInput);
    }
    CHECK(scene.http.log().empty());
}

TEST_CASE("remote builder: the JSON form has room for one name and escapes it", "[unit][build]") {
    Scene scene({accepted(), json(R"({"status":"completed"})")}, RuntimeApiDialect::V1ScriptJson);
    CHECK(error_of([&] { scene.build({"r:src", "r:lock"}); }).code() == ErrorCode::InvalidInput);
    CHECK(scene.build({R"(r:"src")"}) == R"(r:"src")");
    CHECK_THAT(scene.http.log().at(0).body, Catch::EndsWith(R"(,"target_image":"r:\"src\""})"));
}

TEST_CASE("remote builder: names from the registry's prefix", "[unit][build]") {
    CHECK(runtime_repository("registry.example.com/proj") == "registry.example.com/proj/runtime");
    CHECK(runtime_repository("registry.example.com/proj//") == "registry.example.com/proj/runtime");
    CHECK(agent_server_image("r/p", "860c190", "python") == "r/p/agent-server:860c190-python");
    CHECK(agent_server_image("r/p", "860c190", " nodejs ,dev") == "r/p/agent-server:860c190- nodejs ");
    CHECK(agent_server_image("r/p/", "860c190", "") == "r/p//agent-server:860c190-");
    CHECK(agent_server_image("", "860c190", "x") == "agent-server:860c190-x");
}

// --- waiting -------------------------------------------------------------------------------------------------------

TEST_CASE("remote builder: after three quick tries V0 pauses and begins anew", "[unit][build]") {
    Scene scene({busy(), busy(), busy(), busy(), accepted(), busy(), busy(), busy(), success()});
    CHECK(scene.build() == "registry.example.com/runtime:built");
    CHECK(scene.waits() == std::vector<int>{4, 4, 30, 4, 4, 4, 30});
    CHECK(scene.http.sent_to("/build").size() == 9);
}

TEST_CASE("remote builder: a server that stays busy is left alone after half an hour", "[unit][build]") {
    Scene scene({busy()});
    const auto began = scene.clock.now();
    const Error error = error_of([&] { scene.build(); });
    CHECK(error.code() == ErrorCode::Unavailable);
    CHECK_THAT(error.what(), Catch::Contains("429: slow down"));
    const auto waited = scene.clock.now() - began;
    CHECK(waited <= std::chrono::minutes(30));
    CHECK(waited >= std::chrono::minutes(29));
}

TEST_CASE("remote builder: a look-up makes its quick tries and does not pause", "[unit][build]") {
    Scene scene({busy()});
    CHECK(error_of([&] { scene.exists(); }).code() == ErrorCode::Unavailable);
    CHECK(scene.waits() == std::vector<int>{4, 4});
}

TEST_CASE("remote builder: quick tries double their waits within 4 and 60 seconds", "[unit][build]") {
    Scene scene({busy()});
    scene.options.timings = RemoteBuilderTimings::v0();
    scene.options.timings->rate_limit_tries = 9;
    CHECK(error_of([&] { scene.exists(); }).code() == ErrorCode::Unavailable);
    CHECK(scene.waits() == std::vector<int>{4, 4, 4, 8, 16, 32, 60, 60});
}

TEST_CASE("remote builder: Retry-After counts where it is longer", "[unit][build]") {
    Scene scene({busy("20"), busy("1"), busy("45"), accepted(), success()});
    CHECK(scene.build() == "registry.example.com/runtime:built");
    CHECK(scene.waits() == std::vector<int>{20, 4, 45});
}

TEST_CASE("remote builder: nobody waits beyond the limit", "[unit][build]") {
    RemoteBuilderTimings timings = RemoteBuilderTimings::v0();
    timings.limit = seconds(60);
    SECTION("to send the context once more") {
        Scene scene({busy("300")});
        scene.options.timings = timings;
        CHECK_THAT(error_of([&] { scene.build(); }).what(), Catch::Contains("429: slow down"));
        CHECK(scene.waits().empty());
    }
    SECTION("for a look-up") {
        Scene scene({busy("300")});
        scene.options.timings = timings;
        CHECK(error_of([&] { scene.exists(); }).code() == ErrorCode::Unavailable);
        CHECK(scene.waits().empty());
    }
    SECTION("for the next status: it is asked for once more at the end") {
        FakeReply running = status("RUNNING");
        running.headers.add("Retry-After", "300");
        Scene scene({accepted(), running, success()});
        scene.options.timings = timings;
        CHECK(scene.build() == "registry.example.com/runtime:built");
        CHECK(scene.waits() == std::vector<int>{60});
    }
}

TEST_CASE("remote builder: a server cannot have the key printed as a name", "[unit][build]") {
    const std::vector<FakeReply> replies =
        GENERATE(std::vector<FakeReply>{accepted(), json(R"({"status":"SUCCESS","image":"r/)" + kKey + R"(:1"})")},
                 std::vector<FakeReply>{json(R"({"build_id":")" + kKey + R"("})")});
    Scene scene(replies);
    const Error error = error_of([&] { scene.build(); });
    CHECK(error.code() == ErrorCode::Unavailable);
    CHECK_THAT(error.what() + error.advice(), !Catch::Contains(kKey));
    Scene prefix({json(R"({"registry_prefix":"r/)" + kKey + R"("})")});
    CHECK_THAT(error_of([&] { (void)RemoteBuilder(prefix.http, prefix.options).registry_prefix(prefix.run); }).what(),
               !Catch::Contains(kKey));
}

TEST_CASE("remote builder: the script's next question waits as long as the server asks for", "[unit][build]") {
    FakeReply running = status("RUNNING");
    running.headers.add("Retry-After", "15");
    Scene scene({accepted(), busy("25"), running, status("RUNNING"), success()}, RuntimeApiDialect::V1Script);
    CHECK(scene.build() == "registry.example.com/runtime:built");
    CHECK(scene.waits() == std::vector<int>{25, 15, 10});
}

TEST_CASE("remote builder: a server that asks the script for long waits has an hour", "[unit][build]") {
    Scene scene({accepted(), busy("300")}, RuntimeApiDialect::V1Script);
    const auto began = scene.clock.now();
    const Error error = error_of([&] { scene.build(); });
    CHECK_THAT(error.what(), Catch::Contains("Build timed out after 60 minutes"));
    CHECK(scene.clock.now() - began <= std::chrono::minutes(65));
}

TEST_CASE("remote builder: a build that takes too long is named with its last status", "[unit][build]") {
    Scene scene({accepted(), status("QUEUED")});
    const Error error = error_of([&] { scene.build(); });
    CHECK(error.code() == ErrorCode::Unavailable);
    CHECK_THAT(error.what(), Catch::Contains("building r:src: build b-1: Build timed out after 30 minutes") &&
                                 Catch::Contains("QUEUED"));
    CHECK_THAT(error.advice(), Catch::Contains("look for the image"));
}

TEST_CASE("remote builder: a stop ends the wait in every dialect", "[unit][build]") {
    const auto dialect = GENERATE(RuntimeApiDialect::V0, RuntimeApiDialect::V1Script, RuntimeApiDialect::V1ScriptJson);
    const bool between_polls = GENERATE(true, false);
    Scene scene({accepted(), status("running"), status("running")}, dialect);
    std::stop_source stop;
    scene.run.stop = stop.get_token();
    int requests = 0;
    FakeHttp http([&](const SentRequest&) {
        ++requests;
        if (requests == 3) {
            stop.request_stop();
            if (!between_polls) {
                throw Cancelled();
            }
        }
        return scene.answer();
    });
    const RemoteBuilder builder(http, scene.options);
    CHECK_THROWS_AS(builder.build(std::make_shared<MemoryRanged>(kGzip), {"r:src"}, scene.run), Cancelled);
    CHECK(requests == 3);
}

TEST_CASE("remote builder: a stop ends the wait for a busy server", "[unit][build]") {
    Scene scene({busy()});
    std::stop_source stop;
    scene.run.stop = stop.get_token();
    FakeHttp http([&](const SentRequest&) {
        stop.request_stop();
        return busy();
    });
    CHECK_THROWS_AS(RemoteBuilder(http, scene.options).image_exists("r:src", scene.run), Cancelled);
    CHECK(http.log().size() == 1);
}
