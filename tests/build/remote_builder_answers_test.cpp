#include "build/remote_builder_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

TEST_CASE("remote builder: a failed build tells its id, status and what the server says", "[unit][build]") {
    Scene scene({accepted(), json(R"({"status":"TIMEOUT","error":"step 3:\n\tno space\u001b[0m left \u2717"})")});
    try {
        scene.build();
        FAIL("no error");
    } catch (const RemoteBuildError& error) {
        CHECK(error.code() == ErrorCode::CommandFailed);
        CHECK(error.build_id() == "b-1");
        CHECK(error.status() == "TIMEOUT");
        CHECK(std::string(error.what()) ==
              "Runtime API https://runtime.example.com/api: building r:src: build b-1: ended with TIMEOUT: step 3: no "
              "space?[0m left ???");
    }
}

TEST_CASE("remote builder: a refusal means what its status says", "[unit][build]") {
    const auto [answer, code] = GENERATE(table<int, ErrorCode>({{302, ErrorCode::Unsupported},
                                                                {400, ErrorCode::InvalidInput},
                                                                {401, ErrorCode::AccessDenied},
                                                                {403, ErrorCode::AccessDenied},
                                                                {404, ErrorCode::NotFound},
                                                                {410, ErrorCode::NotFound},
                                                                {413, ErrorCode::InvalidInput},
                                                                {408, ErrorCode::Unavailable},
                                                                {500, ErrorCode::Unavailable}}));
    Scene scene({json(R"({"detail":{"why":"so"}})", answer)});
    try {
        scene.build();
        FAIL("no error");
    } catch (const HttpError& error) {
        CHECK(error.status() == answer);
        CHECK(error.code() == code);
        CHECK_THAT(error.what(), Catch::Contains(R"({"why":"so"})"));
    }
    CHECK(scene.http.log().size() == 1);  // no redirect is followed, nothing is tried again
}

TEST_CASE("remote builder: plain text of a refusal is shown, a page is not", "[unit][build]") {
    Scene scene({json("upstream is\ngone", 502)});
    CHECK_THAT(error_of([&] { scene.exists(); }).what(), Catch::EndsWith("was answered with 502: upstream is gone"));
    Scene page({json("<html>gone</html>", 502)});
    CHECK_THAT(error_of([&] { page.exists(); }).what(), Catch::EndsWith("was answered with 502"));
}

TEST_CASE("remote builder: the key is in no message, also when the server sends it back", "[unit][build]") {
    const std::string echo = kKey + " and once more " + kKey;
    const auto replies = GENERATE_COPY(values<std::vector<FakeReply>>({
        {json(R"({"detail":")" + echo + "\"}", 401)},
        {json(R"({"detail":{"key":")" + echo + "\"}}", 422)},
        {json(echo, 500)},
        {json(echo, 202)},
        {json(R"({"build_id":")" + kKey + "\"}"), json(echo, 404)},
        {json(R"({"build_id":")" + kKey + "\"}"), json(R"({"status":"FAILURE"})")},
        {accepted(), json(R"({"status":"FAILURE","error":")" + echo + "\"}")},
        {accepted(), json(R"({"status":")" + echo + "\"}")},
        {accepted(), json(R"({"status":"SUCCESS","image":["a)" + echo + "\"]}")},
    }));
    const auto dialect = GENERATE(RuntimeApiDialect::V0, RuntimeApiDialect::V1Script, RuntimeApiDialect::V1ScriptJson);
    Scene scene(replies, dialect);
    const Error error = error_of([&] { scene.build(); });
    CHECK_THAT(error.what(), !Catch::Contains(kKey));
    CHECK_THAT(error.advice(), !Catch::Contains(kKey));
    for (const std::string& notice : scene.progress.notices_) {
        CHECK_THAT(notice, !Catch::Contains(kKey));
    }
    for (const SentRequest& request : scene.http.log()) {
        CHECK(request.header("X-API-Key") == kKey);
    }
}

TEST_CASE("remote builder: an answer that is none of the API's is an error of the service", "[unit][build]") {
    const std::string deep(100, '[');
    const auto body = GENERATE_COPY(std::string(""), std::string("not json"), std::string("[]"), std::string("null"),
                                    std::string("{}"), std::string(R"({"build_id":null})"),
                                    std::string(R"({"build_id":""})"), std::string(R"({"build_id":1.5})"),
                                    std::string(R"({"build_id":"a\nb"})"), std::string(R"({"build_id":["b"]})"), deep);
    Scene scene({json(body)});
    const Error error = error_of([&] { scene.build(); });
    CHECK(error.code() == ErrorCode::Unavailable);
    CHECK_THAT(error.what(), Catch::Contains("the answer to POST /build is none of the Runtime API"));
}

TEST_CASE("remote builder: endless answers are cut", "[unit][build]") {
    FakeReply endless = json("0123456789abcdef");
    endless.endless = true;
    Scene scene({endless});
    CHECK_THAT(error_of([&] { scene.exists(); }).what(), Catch::Contains("larger than the limit of 1048576 bytes"));
    endless.status = 500;
    Scene failing({endless});
    CHECK(std::string(error_of([&] { failing.exists(); }).what()).size() < 3000);
}

TEST_CASE("remote builder: an image that is not named is no success for V0 and the one asked for to the script",
          "[unit][build]") {
    for (const std::string body : {R"({"status":"SUCCESS"})", R"({"status":"SUCCESS","image":null})"}) {
        Scene v0({accepted(), json(body)});
        CHECK(error_of([&] { v0.build(); }).code() == ErrorCode::Unavailable);
        Scene script({accepted(), json(body)}, RuntimeApiDialect::V1Script);
        CHECK(script.build({"r:asked", "r:more"}) == "r:asked");
    }
    Scene strange({accepted(), json(R"({"status":"SUCCESS","image":"a\u0007b"})")}, RuntimeApiDialect::V1Script);
    CHECK(error_of([&] { strange.build(); }).code() == ErrorCode::Unavailable);
}

TEST_CASE("remote builder: the early script's words are its own", "[unit][build]") {
    Scene done({accepted(), status("pending"), status("running"), status("completed")},
               RuntimeApiDialect::V1ScriptJson);
    CHECK(done.build() == "r:src");
    CHECK(done.waits() == std::vector<int>{10, 10});
    Scene failed({accepted(), json(R"({"status":"failed","error":"boom"})")}, RuntimeApiDialect::V1ScriptJson);
    CHECK_THROWS_AS(failed.build(), RemoteBuildError);
    Scene other({accepted(), success()}, RuntimeApiDialect::V1ScriptJson);
    const Error error = error_of([&] { other.build(); });
    CHECK(error.code() == ErrorCode::Unsupported);
    CHECK_THAT(error.what(), Catch::Contains("'SUCCESS'"));
    Scene lower({accepted(), status("completed"), success()}, RuntimeApiDialect::V1Script);
    CHECK(lower.build() == "registry.example.com/runtime:built");  // unknown to the others: they ask on
}

TEST_CASE("remote builder: the script asks on after a poll that fails, but not where asking cannot help",
          "[unit][build]") {
    const auto poll = [](ErrorCode code) {
        int requests = 0;
        FakeHttp http([&](const SentRequest&) -> FakeReply {
            ++requests;
            if (requests == 2) {
                throw Error(code, "connection");
            }
            return requests == 1 ? accepted() : success();
        });
        Scene scene({success()}, RuntimeApiDialect::V1Script);
        return RemoteBuilder(http, scene.options).build(std::make_shared<MemoryRanged>(kGzip), {"r:src"}, scene.run);
    };
    CHECK(poll(ErrorCode::Unavailable) == "registry.example.com/runtime:built");
    CHECK(error_of([&] { poll(ErrorCode::AccessDenied); }).code() ==
          ErrorCode::AccessDenied);  // no trusted certificate
}

TEST_CASE("remote builder: a poll whose answer breaks off is one that failed", "[unit][build]") {
    FakeReply broken = success();
    broken.breaks_after = 5;
    Scene script({accepted(), broken, success()}, RuntimeApiDialect::V1Script);
    CHECK(script.build() == "registry.example.com/runtime:built");
    Scene v0({accepted(), broken, success()});
    CHECK(error_of([&] { v0.build(); }).code() == ErrorCode::Unavailable);
}

TEST_CASE("remote builder: a build id of the server cannot leave its place in the URL", "[unit][build]") {
    const std::string id = R"({"build_id":"../x?a=b&c#d e"})";
    Scene form({json(id), success()});
    form.build();
    CHECK(form.http.lines().at(1) ==
          "GET https://runtime.example.com/api/build_status?build_id=..%2Fx%3Fa%3Db%26c%23d%20e");
    Scene path({json(id), status("completed")}, RuntimeApiDialect::V1ScriptJson);
    path.build();
    CHECK(path.http.lines().at(1) == "GET https://runtime.example.com/api/build_status/..%2Fx%3Fa%3Db%26c%23d%20e");
}

TEST_CASE("remote builder: upload and changes of the status are reported", "[unit][build]") {
    Scene scene({accepted(), status("PENDING"), status("PENDING"), status("RUNNING"), success()});
    scene.build();
    CHECK(scene.progress.total_ == scene.http.log().at(0).body.size());
    CHECK(scene.progress.done_ == scene.progress.total_);
    CHECK(scene.progress.ended_);
    CHECK(scene.progress.notices_ == std::vector<std::string>{"build b-1: PENDING", "build b-1: RUNNING"});
}

TEST_CASE("remote builder: whether an image exists is said, or it is an error", "[unit][build]") {
    Scene yes({json(R"({"exists":true})")});
    CHECK(yes.exists());
    CHECK(yes.http.lines().at(0) == "GET https://runtime.example.com/api/image_exists?image=r%3Asrc");
    Scene no({json(R"({"exists":false,"image":null})")});
    CHECK_FALSE(no.exists());
    for (const std::string body : {R"({})", R"({"exists":null})", R"({"exists":"false"})"}) {
        Scene unclear({json(body)});
        CHECK(error_of([&] { unclear.exists(); }).code() == ErrorCode::Unavailable);
    }
}

TEST_CASE("remote builder: reuse can be decided by what the Runtime API has", "[unit][build]") {
    Scene scene({json(R"({"exists":false})"), json(R"({"exists":true})")});
    const RemoteBuilder builder(scene.http, scene.options);
    RemoteLookup lookup(builder);
    const ReuseDecision decision =
        decide_reuse({.source = "r:src", .lock = "r:lock", .versioned = "r:ver", .base = "debian:12", .custom = {}}, {},
                     lookup, scene.run);
    CHECK(decision.action == ReuseAction::FromLock);
    CHECK(scene.http.lines().at(1) == "GET https://runtime.example.com/api/image_exists?image=r%3Alock");
}
