// Builds by an engine: what is asked for, what is made of its answers, and what nobody gets to see.
#include "cooper/base/text.hpp"

#include "oci/engine/build_output.hpp"
#include "oci/engine_support.hpp"
#include "support/fake_clock.hpp"

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;

namespace {

const std::string kBuiltId = "sha256:" + std::string(64, 'b');
const std::string kShortId = std::string(12, 'b');
const std::string kBuilt =
    R"({"aux":{"ID":")" + kBuiltId + R"("}}{"stream":"Successfully built )" + kShortId + R"(\n"})";
const std::string kStep =
    R"({"stream":"Step 1/2 : FROM scratch"}{"stream":"\n"}{"stream":"Step 2/2 : RUN make"}{"stream":"\n"})";

ScriptedReply said(const std::string& stream) {
    return {.headers = {{"Content-Type", "application/json"}}, .body = stream, .chunked = true};
}

/// Answers a build with `reply`; afterwards the engine has an image of that ID.
EngineHandler builds(const ScriptedReply& reply, const std::string& inspect = inspected(kBuiltId, {})) {
    return [=](const std::string& call, const ScriptedRequest&) -> ScriptedReply {
        if (call.starts_with("POST /build")) {
            return reply;
        }
        return inspect.empty() ? ScriptedReply{.status = 404, .body = R"({"message":"No such image"})"}
                               : ScriptedReply{.body = inspect};
    };
}

struct BuildCase {
    explicit BuildCase(const std::string& stream) : engine(builds(said(stream))) { set_up(); }
    explicit BuildCase(EngineHandler handler, EngineVoice voice = {}) : engine(std::move(handler), std::move(voice)) {
        set_up();
    }
    void set_up() {
        request.context = std::make_shared<MemoryRanged>("a tar");
        request.on_line = [this](const std::string& line) { lines.push_back(line); };
    }
    std::string build(const Run& run = {}) { return engine.client().build(request, run); }

    ScriptedEngine engine;
    EngineBuild request;
    std::vector<std::string> lines;
};

std::optional<EngineBuildError> build_error_of(BuildCase& what) {
    try {
        what.build();
    } catch (const EngineBuildError& error) {
        return error;
    }
    return std::nullopt;
}

std::string failing(const std::string& words) {
    return R"({"errorDetail":{"message":")" + words + R"("},"error":")" + words + "\"}\n";
}

}  // namespace

TEST_CASE("engine build: the context is the body, everything else is in the query", "[unit][oci]") {
    BuildCase what(kStep + kBuilt);
    what.request.args = {{"VERSION", "1 ü&=\""}, {"EMPTY", ""}};
    what.request.target = "final stage";
    what.request.platform = Platform::parse("linux/amd64");
    what.request.labels = {{"a", "b"}};
    what.request.pull = true;
    what.request.no_cache = true;
    REQUIRE(what.build() == kBuiltId);
    const ScriptedRequest sent = what.engine.requests().at(1);
    REQUIRE(sent.method == "POST");
    REQUIRE(percent_decode(sent.target) ==
            "/v1.41/build?dockerfile=Dockerfile&rm=1&forcerm=1&buildargs={\"VERSION\":\"1 ü&=\\\"\",\"EMPTY\":\"\"}"
            "&labels={\"a\":\"b\"}&target=final stage&platform=linux/amd64&pull=1&nocache=1");
    REQUIRE(sent.headers.find("Content-Type") == "application/x-tar");
    REQUIRE(sent.headers.find("Content-Length") == "5");
    REQUIRE(sent.body == "a tar");
    REQUIRE_FALSE(sent.headers.find("X-Registry-Config"));
    REQUIRE(what.lines == std::vector<std::string>{"Step 1/2 : FROM scratch", "Step 2/2 : RUN make",
                                                   "Successfully built " + kShortId});
}

TEST_CASE("engine build: what is not asked for is not in the query", "[unit][oci]") {
    BuildCase what(kBuilt);
    what.build();
    REQUIRE(what.engine.calls().at(0) == "POST /v1.41/build?dockerfile=Dockerfile&rm=1&forcerm=1");
}

TEST_CASE("engine build: credentials go under the names that docker login gives to registries", "[unit][oci]") {
    BuildCase what(kBuilt);
    what.request.credentials = {{"docker.io", {"alice", Secret("s3cret>?~"), {}, {}, ""}},
                                {"ghcr.io", {"", {}, Secret("refresh"), {}, ""}},
                                {"localhost:5000", {"", {}, {}, Secret("bearer"), ""}}};
    what.build();
    const std::string header = what.engine.requests().at(1).headers.find("X-Registry-Config").value_or("");
    REQUIRE(header.find_first_of("+/") == std::string::npos);
    REQUIRE(from_base64(header) ==
            R"({"https://index.docker.io/v1/":{"username":"alice","password":"s3cret>?~"},)"
            R"("ghcr.io":{"identitytoken":"refresh"},"localhost:5000":{"registrytoken":"bearer"}})");
}

TEST_CASE("engine build: arguments that are no text are refused before anything is sent", "[unit][oci]") {
    BuildCase what(kBuilt);
    what.request.args = {{"BAD", "secret\xff"}};
    const Error error = failure([&] { what.build(); });
    REQUIRE(error.code() == ErrorCode::InvalidInput);
    REQUIRE(contains(error.what(), "BAD"));
    REQUIRE_FALSE(contains(error.what(), "secret"));
    REQUIRE(what.engine.calls().empty());
}

TEST_CASE("engine build: the ID is the last stage's, however the engine tells it", "[unit][oci]") {
    const std::string other = "sha256:" + std::string(64, 'a');
    const std::string stream = GENERATE_COPY(values<std::string>({
        kBuilt,
        R"({"aux":{"ID":")" + other + "\"}}" + kStep + kBuilt,       // dockerd tells every stage's
        R"({"stream":"Successfully built )" + kShortId + R"(\n"})",  // before API 1.29
        R"({"aux":{"ID":")" + kBuiltId + R"("}}{"stream":"Successfully built )" + kShortId + "\"}",
        R"({"aux":"a trace"}{"aux":null}{"status":"Status: done"})" + kBuilt,
    }));
    CAPTURE(stream);
    BuildCase what(stream);
    REQUIRE(what.build() == kBuiltId);
    REQUIRE(contains(what.engine.calls().at(1), std::string(12, 'b')));
}

TEST_CASE("engine build: a containerd store's ID is a manifest's", "[unit][oci]") {
    const std::string more = R"(,"Descriptor":{"digest":")" + kBuiltId + "\"}";
    BuildCase what(builds(said(kBuilt), inspected(kBuiltId, {}, more)), {.api = "1.48"});
    REQUIRE(what.build() == kBuiltId);
    REQUIRE(what.engine.calls().at(1) == "GET /v1.48/images/" + kBuiltId + "/json");
}

TEST_CASE("engine build: a stream that ends in good order is no image yet", "[unit][oci]") {
    const std::string stream =
        GENERATE_COPY(std::string(), kStep,
                      // The ID of a stage before the one that was being built.
                      R"({"aux":{"ID":")" + kBuiltId + "\"}}" + kStep,
                      // What a step prints.
                      kStep + R"({"stream":"Successfully built wheel\n"})", kBuilt + R"({"stream":"one more line\n"})",
                      R"({"aux":{"ID":")" + kBuiltId + R"("}}{"stream":"Successfully built aaaaaaaaaaaa\n"})",
                      R"({"stream":"Successfully built ../../x\n"})");
    CAPTURE(stream);
    BuildCase what(stream);
    const Error error = failure([&] { what.build(); });
    REQUIRE(error.code() == ErrorCode::Unavailable);
    REQUIRE(contains(error.what(), "before the build was done"));
}

TEST_CASE("engine build: a stream that breaks off is no image either", "[unit][oci]") {
    ScriptedReply reply = said(kStep + kBuilt);
    reply.cut_after = kStep.size() + GENERATE(0U, 1U, 40U);
    BuildCase what(builds(reply));
    REQUIRE(failure([&] { what.build(); }).code() == ErrorCode::Unavailable);
}

TEST_CASE("engine build: an image that the engine does not have was not built", "[unit][oci]") {
    BuildCase what(builds(said(kBuilt), ""));
    const Error error = failure([&] { what.build(); });
    REQUIRE(error.code() == ErrorCode::Unavailable);
    REQUIRE(contains(error.what(), "does not have it"));
}

TEST_CASE("engine build: a step that fails is told with its last lines", "[unit][oci]") {
    std::string printed;
    for (int i = 1; i <= 30; ++i) {
        printed += R"({"stream":"line )" + std::to_string(i) + R"(\n"})";
    }
    BuildCase what(R"({"stream":"of an earlier step\n"})" + kStep + R"({"stream":" ---> Running in 0123\n"})" +
                   printed + R"({"stream":"no line end"}{"stream":"Removing intermediate container 0123\n"})" +
                   failing("The command '/bin/sh -c make' returned a non-zero code: 2"));
    const auto error = build_error_of(what);
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::CommandFailed);
    REQUIRE(error->step() == "Step 2/2 : RUN make");
    REQUIRE(error->output().size() == 20);
    REQUIRE(error->output().front() == "line 12");
    const std::string text = error->what();
    REQUIRE(contains(text, "Step 2/2 : RUN make: The command '/bin/sh -c make' returned a non-zero code: 2"));
    REQUIRE(contains(text, "\nThe step's last lines:\nline 12\nline 13\n"));
    REQUIRE_FALSE(contains(text, "line 11"));
    REQUIRE_FALSE(contains(text, "earlier step"));
}

TEST_CASE("engine build: podman's steps", "[unit][oci]") {
    BuildCase what(
        R"({"stream":"[1/2] STEP 1/1: FROM a\n"}{"stream":"[2/2] STEP 3/4: RUN exit 4\n"}{"stream":"err\n"})" +
        failing(R"(building at STEP \"RUN exit 4\": while running runtime: exit status 4\n)"));
    const auto error = build_error_of(what);
    REQUIRE(error);
    REQUIRE(error->step() == "[2/2] STEP 3/4: RUN exit 4");
    REQUIRE(error->output() == std::vector<std::string>{"err"});
}

TEST_CASE("engine build: an error after the image's ID is a failure", "[unit][oci]") {
    BuildCase what(kStep + kBuilt + failing("disk went away"));
    REQUIRE(build_error_of(what));
    BuildCase plain(kStep + "the daemon is \xffshutting down\n");
    const auto error = build_error_of(plain);
    REQUIRE(error);
    REQUIRE(contains(error->what(), "the daemon is ?shutting down"));
}

TEST_CASE("engine build: causes that are known come with advice, and a code where a base image is missing",
          "[unit][oci]") {
    struct Expectation {
        std::string step;
        std::string words;
        ErrorCode code;
        std::string advice;
    };
    const std::string from = "Step 1/2 : FROM example.org/a:1";
    const std::string run = "Step 2/2 : RUN --mount=type=cache,target=/c make";
    const auto [step, words, code, advice] = GENERATE_COPY(values<Expectation>({
        {run, "the --mount option requires BuildKit. Refer to https://docs.docker.com/", ErrorCode::CommandFailed,
         "podman's service"},
        {from, "pull access denied for a, repository does not exist or may require 'docker login'",
         ErrorCode::AccessDenied, "docker login"},
        {from, "Head http://127.0.0.1:5/v2/a/manifests/1: no basic auth credentials", ErrorCode::AccessDenied,
         "docker login"},
        {"STEP 1/2: FROM example.org/a:1", "reading manifest 1: unauthorized: authentication required",
         ErrorCode::AccessDenied, "docker login"},
        {from, "manifest for a:9 not found: manifest unknown: manifest unknown", ErrorCode::NotFound, "name right"},
        {from, "dial tcp: lookup example.org on 10.0.0.1:53: no such host", ErrorCode::Unavailable,
         "The engine itself"},
        {from, "http: server gave HTTP response to HTTPS client", ErrorCode::Unavailable, "insecure"},
        // The same words, printed by a step of the user's own.
        {"Step 2/2 : RUN curl example.org", "exit: connection refused", ErrorCode::CommandFailed, ""},
        {"Step 2/2 : RUN make", "write: no space left on device", ErrorCode::CommandFailed, "system df"},
    }));
    CAPTURE(words);
    BuildCase what(R"({"stream":")" + step + R"(\n"})" + failing(words));
    const auto error = build_error_of(what);
    REQUIRE(error);
    REQUIRE(error->code() == code);
    REQUIRE((advice.empty() ? error->advice().empty() : contains(error->advice(), advice)));
}

TEST_CASE("engine build: a Dockerfile that is refused at once", "[unit][oci]") {
    BuildCase what(
        builds({.status = 400, .body = R"({"message":"dockerfile parse error line 4: unknown instruction: ECHO"})"}));
    const Error error = failure([&] { what.build(); });
    REQUIRE(error.code() == ErrorCode::InvalidInput);
    REQUIRE(contains(error.what(), "line 4: unknown instruction: ECHO"));
    REQUIRE(contains(error.advice(), "heredoc"));
    BuildCase empty(builds({.status = 500, .body = ""}));
    const Error unknown = failure([&] { empty.build(); });
    REQUIRE(unknown.code() == ErrorCode::Unavailable);
    REQUIRE(contains(unknown.advice(), "whole tar"));
}

TEST_CASE("engine build: an image for another platform is refused", "[unit][oci]") {
    // dockerd takes a base image that it has, whatever its platform.
    BuildCase what(kBuilt);
    what.request.platform = Platform::parse("linux/arm64");
    const Error error = failure([&] { what.build(); });
    REQUIRE(error.code() == ErrorCode::Unsupported);
    REQUIRE(contains(error.what(), "linux/amd64, not for linux/arm64"));
}

TEST_CASE("engine build: lines are cut out of pieces and cannot steer a terminal", "[unit][oci]") {
    BuildCase what(R"({"stream":"a"}{"stream":"b\nc\r\n\n  \n10%\r20%\r"}{"stream":"30%\r\n"})"
                   R"({"stream":"\u001b[91merr\u001b[0m\u001b]0;title\u0007 \u001bMx\u0000\u009bz\ttab \u00fc\n"})"
                   R"({"status":"Pulling from base","id":"1"}{"stream":"the end"})" +
                   std::string("\n") + failing("x"));
    REQUIRE(build_error_of(what));
    REQUIRE(what.lines ==
            std::vector<std::string>{"ab", "c", "30%", "err x??z\ttab ü", "1: Pulling from base", "the end"});
}

TEST_CASE("engine build: endless lines and bars take no memory", "[unit][oci]") {
    const SecretMask mask({});
    std::vector<std::string> lines;
    BuildOutput output(mask, [&](const std::string& line) { lines.push_back(line); });
    const std::string piece(100'000, 'x');
    for (int i = 0; i < 200; ++i) {
        output.feed(piece);
    }
    output.feed("\n");
    for (int i = 0; i < 200'000; ++i) {
        output.feed("[====>   ] " + std::to_string(i) + " of 199999\r");
    }
    output.feed("\n");
    REQUIRE(lines.size() == 2);
    REQUIRE(lines[0].size() < 5000);
    REQUIRE(lines[1] == "[====>   ] 199999 of 199999");
    output.line(std::string(4095, 'x') + "üü");
    REQUIRE(lines[2] == std::string(4095, 'x') + "…");
}

TEST_CASE("engine build: secrets are taken out of lines and errors", "[unit][oci]") {
    const std::string key = "-----BEGIN KEY-----\nMIIEow==\nabc\n-----END KEY-----";
    BuildCase what(kStep + R"({"stream":"token is hun"}{"stream":"ter2, again hunter2\u001b[0m and MIIEow==\n"})" +
                   R"({"stream":"https://u:geheim@host/ abc 1\n"})" +
                   failing("The command '|1 TOKEN=hunter2 /bin/sh -c make' failed"));
    what.request.secrets = {Secret("hunter2"), Secret(key), Secret("1"), Secret("")};
    const auto error = build_error_of(what);
    REQUIRE(error);
    REQUIRE(what.lines.at(2) == "token is ***, again *** and ***");
    REQUIRE(contains(what.lines.at(3), " abc 1"));
    for (const std::string& text : {std::string(error->what()), what.lines.at(3), error->output().at(0)}) {
        REQUIRE_FALSE(contains(text, "hunter2"));
        REQUIRE_FALSE(contains(text, "geheim"));
    }
    BuildCase refused(builds({.status = 400, .body = R"({"message":"invalid argument TOKEN=hunter2"})"}));
    refused.request.secrets = {Secret("hunter2")};
    REQUIRE_FALSE(contains(failure([&] { refused.build(); }).what(), "hunter2"));
}

TEST_CASE("engine build: layers that are pulled are tasks, and end with the build", "[unit][oci]") {
    struct Tasks final : Progress {
        void begin(std::string_view task, std::uint64_t total) noexcept override {
            events.push_back("begin " + std::string(task) + " " + std::to_string(total));
        }
        void end(std::string_view task) noexcept override { events.push_back("end " + std::string(task)); }
        std::vector<std::string> events;
    } tasks;
    const auto layer = [](const std::string& id, const std::string& status, const std::string& detail = "") {
        return R"({"status":")" + status + R"(","progressDetail":{)" + detail + R"(},"id":")" + id + "\"}";
    };
    BuildCase what(layer("aa", "Pulling fs layer") + layer("bb", "Waiting") +
                   layer("aa", "Downloading", R"("current":5,"total":10)") +
                   layer("bb", "Downloading", R"("current":1,"total":20)") + layer("aa", "Download complete") +
                   layer("aa", "Extracting", R"("current":5,"total":10)") + layer("aa", "Pull complete") +
                   failing("broken"));
    Run run;
    run.progress = &tasks;
    REQUIRE_THROWS_AS(what.build(run), EngineBuildError);
    REQUIRE(tasks.events == std::vector<std::string>{"begin build context 5", "end build context",
                                                     "begin pulling aa 10", "begin pulling bb 20", "end pulling aa",
                                                     "end pulling bb"});
    REQUIRE(what.lines.empty());
}

TEST_CASE("engine build: a silent build ends at its limit, or when it is stopped", "[unit][oci]") {
    ScriptedReply reply = said(kStep + "{");
    reply.stall_after = kStep.size();
    BuildCase what(builds(reply));
    SECTION("limit") {
        FakeClock clock;
        Run run;
        run.clock = &clock;
        what.request.limit = std::chrono::minutes(30);
        const Error error = failure([&] { what.build(run); });
        REQUIRE(error.code() == ErrorCode::Unavailable);
        REQUIRE(contains(error.what(), "not done with the build after 30 min"));
        REQUIRE(clock.sleeps().at(0) == std::chrono::minutes(30));
    }
    SECTION("stop") {
        std::stop_source stop;
        what.request.limit = std::chrono::hours(1);
        what.request.on_line = [&](const std::string&) { stop.request_stop(); };
        REQUIRE_THROWS_AS(what.build({stop.get_token()}), Cancelled);
    }
}
