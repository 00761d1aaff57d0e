// A real engine as a builder, found by the environment as the command finds it. Hidden: test_engine_build.py starts
// engines and a registry that wants credentials, and runs these against each of them.
//
// COOPER_TEST_BASE is an image of that registry, with a shell; COOPER_TEST_SHELL a static busybox.
#include "cooper/base/clock.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/build/builder.hpp"

#include "base/http_support.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

class StoppingNotices final : public Progress {
public:
    void notice(NoticeLevel /*level*/, std::string_view text) noexcept override {
        lines_.emplace_back(text);
        if (text == stop_at_) {
            stop_.request_stop();
        }
    }
    [[nodiscard]] bool has(const std::string& line) const {
        return std::find(lines_.begin(), lines_.end(), line) != lines_.end();
    }

    std::vector<std::string> lines_;
    std::string stop_at_;
    std::stop_source stop_;
};

class RealEngine {
public:
    RealEngine() {
        run.progress = &notices;
        run.stop = notices.stop_.get_token();
    }

    static std::string variable(const char* name) { return Environment::process().get(name).value_or(""); }

    /// A context of this Dockerfile, the shell as "sh" and what a test needs besides.
    [[nodiscard]] static std::shared_ptr<const Ranged> context(const std::string& dockerfile,
                                                               const std::string& content = "content") {
        StringSink sink(64 << 20);
        TarWriter tar(sink);
        const auto add = [&](const std::string& path, const std::string& text) {
            TarEntry entry;
            entry.path = path;
            entry.size = text.size();
            entry.mode = 0755;
            MemorySource source{std::string_view(text)};
            tar.add(entry, source);
        };
        add("Dockerfile", dockerfile);
        add("sh", read_file(variable("COOPER_TEST_SHELL"), 16 << 20));
        add("file", content);
        tar.finish();
        return std::make_shared<MemoryRanged>(sink.take());
    }

    std::string build(const std::string& dockerfile, const std::vector<std::string>& names) {
        request.context = context(dockerfile);
        request.names = names;
        return builder.build(request, run);
    }
    [[nodiscard]] std::optional<oci::EngineImage> find(const std::string& name) { return engine.find(name, {}); }

    BuildRequest request;
    StoppingNotices notices;
    Run run;

private:
    Environment environment_ = Environment::process();
    std::unique_ptr<HttpClient> http_ = make_http_client({}, environment_);
    std::unique_ptr<oci::RegistryCredentialSource> credentials_ = oci::make_ecosystem_credentials(environment_);

public:
    oci::EngineClient engine{*http_, oci::EngineEndpoint::find(environment_)};
    EngineBuilder builder{engine, credentials_.get()};
};

const std::string kShell = "FROM scratch\nCOPY sh /bin/sh\n";

}  // namespace

TEST_CASE("real builder: an image with all its names, its arguments and its target", "[.builder]") {
    RealEngine engine;
    engine.request.args = {{"WORD", "good day ü"}, {"TOKEN", "hunter2!"}};
    engine.request.target = "wanted";
    engine.request.platform = oci::Platform::host();
    const std::vector<std::string> names = {"acme/built:src", "localhost:5000/deep/er/built:lock", "built:ver"};
    const std::string name =
        engine.build(kShell +
                         "ARG WORD\nARG TOKEN\nRUN echo \"$WORD, $TOKEN.\"\nCOPY file /file\nFROM scratch AS wanted\n"
                         "COPY --from=0 /file /file\nFROM scratch\nCOPY nothing /\n",
                     names);
    CAPTURE(engine.notices.lines_);
    REQUIRE((name == "acme/built:src" || name == "docker.io/acme/built:src"));
    REQUIRE(engine.notices.has("good day ü, ***."));
    const auto first = engine.find(names[0]);
    REQUIRE(first);
    REQUIRE(first->diff_ids.size() == 1);
    for (const std::string& each : names) {
        CAPTURE(each);
        REQUIRE(engine.find(each).value().id == first->id);
        REQUIRE(engine.builder.image_exists(each, {}));
    }
    REQUIRE_FALSE(engine.builder.image_exists("acme/built:other", {}));
}

TEST_CASE("real builder: a name moves to what was built last", "[.builder]") {
    RealEngine engine;
    engine.build("FROM scratch\nCOPY file /one\n", {"acme/moves:1"});
    const std::string before = engine.find("acme/moves:1").value().id;
    engine.build("FROM acme/moves:1\nCOPY file /two\n", {"acme/moves:1"});
    const auto after = engine.find("acme/moves:1").value();
    REQUIRE(after.id != before);
    REQUIRE(after.diff_ids.size() == 2);
}

TEST_CASE("real builder: a step that fails is told, and no name moves", "[.builder]") {
    RealEngine engine;
    const auto run_it = [&] { engine.build(kShell + "RUN echo out; echo err >&2; exit 3\n", {"acme/fails:1"}); };
    REQUIRE_THROWS_AS(run_it(), BuildFailed);
    const Error error = error_of(run_it).value();
    CAPTURE(error.what());
    REQUIRE(contains(error.what(), "RUN echo out"));
    REQUIRE(contains(error.what(), "3"));
    REQUIRE(contains(error.what(), "\nout"));
    REQUIRE(contains(error.what(), "\nerr"));
    REQUIRE_FALSE(engine.find("acme/fails:1"));
}

TEST_CASE("real builder: what engines refuse", "[.builder]") {
    RealEngine engine;
    const auto refused = [&](const std::string& dockerfile) {
        const auto error = error_of([&] { engine.build(dockerfile, {"acme/refused:1"}); });
        REQUIRE(error);
        REQUIRE_FALSE(engine.find("acme/refused:1"));
        return *error;
    };
    // dockerd reads the Dockerfile before it begins, podman step by step.
    const Error unknown = refused("FROM scratch\nFOO bar\n");
    REQUIRE((unknown.code() == ErrorCode::InvalidInput || unknown.code() == ErrorCode::CommandFailed));
    REQUIRE(contains(unknown.advice(), "heredoc"));
    REQUIRE(refused("FROM scratch\nCOPY absent /\n").code() == ErrorCode::CommandFailed);
    REQUIRE(refused("FROM 127.0.0.1:1/absent:1\n").code() == ErrorCode::Unavailable);
    engine.request.target = "absent";
    REQUIRE(contains(refused("FROM scratch\nCOPY file /\n").what(), "absent"));
}

TEST_CASE("real builder: stopped while a step is silent", "[.builder]") {
    RealEngine engine;
    engine.notices.stop_at_ = "waiting";
    const auto began = std::chrono::steady_clock::now();
    REQUIRE_THROWS_AS(engine.build(kShell + "COPY sh /bin/sleep\nRUN echo waiting; sleep 5\n", {"acme/stopped:1"}),
                      Cancelled);
    REQUIRE(engine.notices.has("waiting"));
    REQUIRE(std::chrono::steady_clock::now() - began < std::chrono::seconds(5));
    REQUIRE_FALSE(engine.find("acme/stopped:1"));
}

TEST_CASE("real builder: a private base image comes with the credentials of docker login", "[.builder]") {
    RealEngine engine;
    const std::string base = RealEngine::variable("COOPER_TEST_BASE");
    const std::string dockerfile = "FROM " + base + "\nCOPY file /more\n";
    engine.engine.remove(base, true, {});
    const Error error = error_of([&] { engine.build(dockerfile, {"acme/private:1"}); }).value();
    CAPTURE(error.what());
    REQUIRE(error.code() == ErrorCode::AccessDenied);
    REQUIRE(contains(error.advice(), "docker login"));
    engine.request.base_images = {base};
    engine.build(dockerfile, {"acme/private:1"});
    REQUIRE(engine.find("acme/private:1").value().diff_ids.size() == 2);
}

TEST_CASE("real builder: a large context goes through without being kept", "[.builder]") {
    RealEngine engine;
    const std::string content(48 << 20, 'x');
    engine.request.context = RealEngine::context("FROM scratch\nCOPY file /large\n", content);
    engine.request.names = {"acme/large:1"};
    engine.builder.build(engine.request, engine.run);
    REQUIRE(engine.find("acme/large:1").value().size >= content.size());
}
