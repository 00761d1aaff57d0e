// What a Dockerfile's image is besides its layers: config, history, and the steps as they are told.
#include "cooper/build/image_build.hpp"

#include "cooper/build/edit.hpp"

#include "build/image/history_text.hpp"
#include "build/image/image_state.hpp"
#include "build/image/step_log.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace {

using cooper::build::BuildObserver;
using cooper::build::copy_history;
using cooper::build::CopyInstruction;
using cooper::build::ImageState;
using cooper::build::pairs_history;
using cooper::build::quoted_list;
using cooper::build::run_history;
using cooper::build::StepLog;
using cooper::build::StepReport;

class ToldSteps final : public BuildObserver {
public:
    void begin(const Step& step) override { told.push_back("begin " + step.title); }
    void output(const Step& step, std::string_view line, std::chrono::milliseconds) override {
        told.push_back(std::to_string(step.number) + " " + std::string(line));
    }
    void end(const Step& step, End how, std::chrono::milliseconds) override {
        told.push_back("end " + std::to_string(step.number) + " " + std::to_string(static_cast<int>(how)));
    }
    std::vector<std::string> told;
};

}  // namespace

TEST_CASE("step log: output arrives in pieces and is told in lines", "[unit][build]") {
    ToldSteps observer;
    StepLog log(observer, cooper::system_clock());
    {
        StepReport step(log, "RUN x");
        step.output(cooper::as_bytes("one\ntw"));
        step.output(cooper::as_bytes("o\r\n10%\r20%\rdone\n\x1b[31mred\x1b[0m\x07\nlast"));
        step.end(BuildObserver::End::Done);
    }
    CHECK(observer.told ==
          std::vector<std::string>{"begin RUN x", "1 one", "1 two", "1 done", "1 red", "1 last", "end 1 0"});
}

TEST_CASE("step log: a step that nobody ended has failed", "[unit][build]") {
    ToldSteps observer;
    StepLog log(observer, cooper::system_clock());
    { const StepReport step(log, "RUN x"); }
    CHECK(observer.told.back() == "end 1 2");
    CHECK(log.steps() == 1);
    CHECK(log.cached() == 0);
}

TEST_CASE("step log: secrets are not told", "[unit][build]") {
    ToldSteps observer;
    StepLog log(observer, cooper::system_clock());
    log.hide("s3cret-one\nsecond line of it\nx\n");
    StepReport step(log, "RUN x");
    step.line("is s3cret-one, and s3cret-one; second line of it; x");
    CHECK(observer.told.back() == "1 is ***, and ***; ***; x");
    CHECK(step.tail().back() == "is ***, and ***; ***; x");
    step.end(BuildObserver::End::Done);
}

TEST_CASE("step log: only the last lines are kept", "[unit][build]") {
    ToldSteps observer;
    StepLog log(observer, cooper::system_clock());
    StepReport step(log, "RUN x");
    for (int i = 0; i < 1000; ++i) {
        step.line("line " + std::to_string(i));
    }
    CHECK(step.tail().size() == 20);
    CHECK(step.tail().front() == "line 980");
    step.end(BuildObserver::End::Done);
}

TEST_CASE("image state: scratch is as BuildKit begins it", "[unit][build]") {
    const ImageState state = ImageState::scratch({"linux", "arm64", "v8"});
    CHECK(
        state.config_text(0) ==
        R"({"architecture":"arm64","config":{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],)"
        R"("WorkingDir":"/"},"created":"1970-01-01T00:00:00Z","history":[],"os":"linux",)"
        R"("rootfs":{"type":"layers","diff_ids":[]}})");
}

TEST_CASE("image state: a base image's config comes through, and its PATH is made sure of", "[unit][build]") {
    cooper::oci::Image image = cooper::build::scratch_image({"linux", "amd64", ""});
    image.config = cooper::oci::Config::parse(
        R"({"architecture":"amd64","os":"linux","author":"a","config":{"Env":["A=1"],"Entrypoint":["/e"],"Cmd":["c"],"User":"u",)"
        R"("Labels":{"b":"2","a":"1"},"ExposedPorts":{"80/tcp":{}},"Volumes":{"/v":{}},"StopSignal":"SIGUSR1","Shell":["/bin/ash","-c"],)"
        R"("Healthcheck":{"Test":["NONE"]},"OnBuild":["RUN x"],"Hostname":"h"},"rootfs":{"type":"layers","diff_ids":[]}})");
    const ImageState state = ImageState::of(image);
    CHECK(state.config.environment == std::vector<std::string>{"A=1", cooper::build::kDefaultPath});
    CHECK(
        state.config_text(315619200) ==
        R"({"architecture":"amd64","author":"a","config":{"User":"u","ExposedPorts":{"80/tcp":{}},)"
        R"("Env":["A=1","PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Entrypoint":["/e"],"Cmd":["c"],)"
        R"("Healthcheck":{"Test":["NONE"]},"Volumes":{"/v":{}},"OnBuild":["RUN x"],"Labels":{"a":"1","b":"2"},)"
        R"("StopSignal":"SIGUSR1","Shell":["/bin/ash","-c"]},"created":"1980-01-02T00:00:00Z","history":[],"os":"linux",)"
        R"("rootfs":{"type":"layers","diff_ids":[]}})");
}

TEST_CASE("image state: a config that is none is refused", "[unit][build]") {
    cooper::oci::Image image = cooper::build::scratch_image({"linux", "amd64", ""});
    image.config.raw = R"({"config":{"Env":"A=1"}})";
    CHECK_THROWS_AS(ImageState::of(image), cooper::Error);
    image.config.raw = R"({"config":{"Cmd":[1]}})";
    CHECK_THROWS_AS(ImageState::of(image), cooper::Error);
}

TEST_CASE("history: words as BuildKit has them", "[unit][build]") {
    CHECK(quoted_list({"a b", "\"q\"", "\n\t\\", "\x01"}) == R"(["a b" "\"q\"" "\n\t\\" "\x01"])");
    CHECK(quoted_list({}) == "[]");
    CHECK(run_history({}, {"/bin/sh", "-c", "make all"}) == "RUN /bin/sh -c make all # buildkit");
    CHECK(run_history({"A=1", "B=2"}, {"x"}) == "RUN |2 A=1 B=2 x # buildkit");
    CopyInstruction copy;
    copy.sources = {"a", "b"};
    copy.destination = "/d/";
    copy.chown = "1:2";
    copy.chmod = "0755";
    CHECK(copy_history(copy) == "COPY --chown=1:2 --chmod=0755 a b /d/ # buildkit");
    CHECK(pairs_history("ENV", {{"a", "1"}, {"b", "x y"}}) == "ENV a=1 b=x y");
}
