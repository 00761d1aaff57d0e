#include "cooper/build/dockerfile_stages.hpp"

#include "cooper/base/error.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using Catch::Contains;

namespace {

using Names = std::vector<std::string>;
using Needed = std::vector<bool>;

StageOptions stage_options(std::vector<std::pair<std::string, std::string>> build_args = {},
                           const std::string& target = "") {
    StageOptions options;
    options.target = target;
    options.build_args = std::move(build_args);
    options.build_platform = oci::Platform::parse("linux/amd64");
    options.target_platform = oci::Platform::parse("linux/arm64");
    return options;
}

StagePlan plan_of(std::string_view text, const StageOptions& options = stage_options()) {
    return StagePlan::make(Dockerfile::parse(text, "Dockerfile"), options);
}

std::string plan_failure(std::string_view text, const StageOptions& options = stage_options()) {
    try {
        plan_of(text, options);
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return std::string(error.what()) + " | " + error.advice();
    }
    FAIL("no error for " << text);
    return "";
}

/// "scratch", "stage 1" or the image.
std::string base_of(const StagePlan& plan, std::size_t stage) {
    const auto& base = plan.bases.at(stage);
    return base.kind == StageBase::Kind::Scratch ? "scratch"
           : base.kind == StageBase::Kind::Image ? base.image
                                                 : "stage " + std::to_string(base.stage);
}

Names rules_of(const StagePlan& plan) {
    Names rules;
    for (const auto& warning : plan.warnings) {
        rules.push_back(std::to_string(warning.position.line) + " " + warning.rule);
    }
    return rules;
}

/// A stage with all its ARG and ENV lines run.
class RanStage {
public:
    explicit RanStage(const std::string& text, const StageOptions& options = stage_options())
        : dockerfile_(Dockerfile::parse(text, "Dockerfile")),
          variables_(StagePlan::make(dockerfile_, options), options) {
        variables_.set_environment({"PATH=/bin", "BASE=b"});
        run(dockerfile_.stages.at(0));
    }

    void run(const DockerfileStage& stage) {
        for (const auto& instruction : stage.instructions) {
            const auto now = variables_.expand(instruction, dockerfile_.escape, &warnings_);
            if (const auto* const arg = std::get_if<ArgInstruction>(&now.kind)) {
                variables_.declare(*arg);
            } else if (const auto* const env = std::get_if<EnvInstruction>(&now.kind)) {
                variables_.set(*env);
            }
        }
    }

    [[nodiscard]] const Dockerfile& dockerfile() const { return dockerfile_; }
    [[nodiscard]] const StageVariables& variables() const { return variables_; }
    [[nodiscard]] const std::vector<DockerfileWarning>& warnings() const { return warnings_; }

private:
    Dockerfile dockerfile_;
    StageVariables variables_;
    std::vector<DockerfileWarning> warnings_;
};

}  // namespace

TEST_CASE("stages: bases are images, scratch, or the last stage of that name above", "[unit][build]") {
    const auto plan =
        plan_of("ARG V=12\nFROM debian:$V AS a\nFROM scratch\nFROM a AS b\nFROM x AS a\nFROM a\nFROM A\n");
    CHECK(base_of(plan, 0) == "debian:12");
    CHECK(base_of(plan, 1) == "scratch");
    CHECK(base_of(plan, 2) == "stage 0");
    CHECK(base_of(plan, 4) == "stage 3");
    CHECK(base_of(plan, 5) == "A");
    CHECK(base_of(plan_of("ARG B=a\nFROM ${B}", stage_options({{"B", "old"}, {"B", "c:1"}})), 0) == "c:1");
    CHECK(base_of(plan_of("ARG A=1\nARG B=x:$A\nFROM $B", stage_options({{"A", "2"}})), 0) == "x:2");
}

TEST_CASE("stages: platforms of FROM, and the arguments that speak of them", "[unit][build]") {
    const auto plan = plan_of(
        "FROM --platform=$BUILDPLATFORM a AS one\nFROM a\nFROM --platform=linux/arm/v7 a AS arm\nFROM one\n"
        "FROM --platform=${P:-linux/386} a\n");
    CHECK(plan.bases.at(0).platform.text() == "linux/amd64");
    CHECK(plan.bases.at(1).platform.text() == "linux/arm64");
    CHECK(plan.bases.at(2).platform.text() == "linux/arm/v7");
    CHECK(plan.bases.at(3).platform.text() == "linux/amd64");
    CHECK(plan.bases.at(4).platform.text() == "linux/386");
    CHECK(plan.global_args.at("TARGETARCH") == "arm64");
    CHECK(plan.global_args.at("BUILDPLATFORM") == "linux/amd64");
    CHECK(plan.global_args.at("TARGETSTAGE") == "default");
    CHECK(plan_of("FROM a AS b").global_args.at("TARGETSTAGE") == "b");
    CHECK(plan_of("FROM a\nFROM b", stage_options({{"TARGETARCH", "own"}}, "0")).global_args.at("TARGETARCH") == "own");
}

TEST_CASE("stages: only what the target reaches is needed", "[unit][build]") {
    const std::string text =
        "FROM a AS base\nFROM b AS tools\nFROM missing AS other\nFROM base AS build\nCOPY --from=TOOLS /x /y\n"
        "FROM scratch\nCOPY --from=3 / /\nRUN --mount=type=bind,from=image:1,target=/z x\n";
    CHECK(plan_of(text).needed == Needed{true, true, false, true, true});
    CHECK(plan_of(text, stage_options({}, "BASE")).needed == Needed{true, false, false, false, false});
    CHECK(plan_of(text, stage_options({}, "2")).target == 2);
    CHECK(plan_of("FROM a\nFROM b\nRUN --mount=from=0,target=/x y\n").needed == Needed{true, true});
    CHECK(plan_of("FROM a AS x\nFROM b\nFROM c AS x\nFROM d\n", stage_options({}, "x")).target == 2);
}

TEST_CASE("stages: what cannot be is refused with its place", "[unit][build]") {
    CHECK_THAT(plan_failure("FROM a AS base\nFROM b\n", stage_options({}, "bas")),
               Contains("no stage \"bas\"") && Contains("did you mean base?"));
    CHECK_THAT(plan_failure("FROM a AS x\nFROM b\n", stage_options({}, "quite-other")), Contains("its stages: x"));
    CHECK_THAT(plan_failure("FROM a AS x\nCOPY --from=x a b\n"), Contains("Dockerfile:2:1: the stage \"x\" is not"));
    CHECK_THAT(plan_failure("FROM a\nCOPY --from=later a b\nFROM b AS later\nFROM 0x\n", stage_options({}, "0")),
               Contains("Dockerfile:2:1:") && Contains("not defined before"));
    CHECK_THAT(plan_failure("FROM a\nCOPY --from=1 a b\n"), Contains("no stage 1"));
    CHECK_THAT(plan_failure("FROM a\nCOPY --from=0 a b\n"), Contains("stage 0 is not defined before"));
    CHECK_THAT(plan_failure("ARG B\nFROM $B\n"), Contains("Dockerfile:2:1:") && Contains("--build-arg"));
    CHECK_THAT(plan_failure("FROM --platform=$NONE a\n"), Contains("empty platform"));
    CHECK_THAT(plan_failure("FROM --platform=a/b/c/d a\n"), Contains("Dockerfile:1:1:"));
    CHECK_THAT(plan_failure("ARG A=${B:?say B}\nFROM a\n"), Contains("Dockerfile:1:1:") && Contains("say B"));
    CHECK(plan_of("ARG A=${B:?say B}\nFROM a\n", stage_options({{"A", "1"}})).global_args.at("A") == "1");
}

TEST_CASE("stages: what FROM and the instructions of needed stages are warned of", "[unit][build]") {
    CHECK(rules_of(plan_of("FROM a$X\n")) == Names{"1 UndefinedArgInFrom"});
    CHECK(rules_of(plan_of("ARG X\nFROM $X\n", stage_options({{"X", "a"}}))) == Names{"2 InvalidDefaultArgInFrom"});
    CHECK(rules_of(plan_of("FROM --platform=$TARGETPLATFORM a\n")) == Names{"1 RedundantTargetPlatform"});
    CHECK(rules_of(plan_of("FROM --platform=linux/amd64 a\nFROM --platform=linux/amd64 a AS my-amd64\n")) ==
          Names{"1 FromPlatformFlagConstDisallowed"});
    CHECK(rules_of(plan_of("FROM a\nENV A b\nLABEL c d\nARG API_KEY KEY_FILE\nENV monkey=1\n")) ==
          Names{"2 LegacyKeyValueFormat", "3 LegacyKeyValueFormat", "4 SecretsUsedInArgOrEnv"});
    CHECK(rules_of(plan_of("FROM a AS x\nWORKDIR b\nWORKDIR c\nFROM x\nWORKDIR d\nFROM b\nWORKDIR /e\nWORKDIR f\n",
                           stage_options({}, "1"))) == Names{"2 WorkdirRelativePath"});
    CHECK(rules_of(plan_of("FROM a\nCMD b\nCMD [\"c\"]\nENTRYPOINT d\n")) ==
          Names{"2 JSONArgsRecommended", "2 MultipleInstructionsDisallowed", "4 JSONArgsRecommended"});
    CHECK(rules_of(plan_of("FROM a AS x\nSHELL [\"b\"]\nFROM x\nCMD c\n")).empty());
    CHECK(rules_of(plan_of("# check=skip=JSONArgsRecommended\nFROM a\nCMD b\n")).empty());
    CHECK(rules_of(plan_of("FROM a\n# check=skip=JSONArgsRecommended\nCMD b\n")).empty());
    CHECK(rules_of(plan_of("FROM a\nCMD b\nFROM c\n")).empty());
}

TEST_CASE("stage variables: build-arg before default before global before what was there", "[unit][build]") {
    const RanStage stage(
        "ARG G=global\nARG H=h\nFROM a\nARG B=default D=default G U=1\nARG U\nARG N\nARG H=mine\nARG F=f-$B\n",
        stage_options({{"B", "given"}, {"UNUSED", "x"}}));
    CHECK(stage.variables().cached_environment() ==
          Names{"PATH=/bin", "BASE=b", "B=given", "D=default", "G=global", "U=1", "H=mine", "F=f-given"});
    CHECK(stage.variables().environment() == Names{"PATH=/bin", "BASE=b"});
    CHECK(stage.variables().declared_arguments() ==
          Names{"B=given", "D=default", "G=global", "U=1", "N=", "H=mine", "F=f-given"});
    CHECK(stage.variables().used_build_args() == Names{"B"});
}

TEST_CASE("stage variables: global values are not there until they are declared", "[unit][build]") {
    const RanStage stage(
        "ARG G=g\nFROM a\nENV A=$G-$TARGETARCH\nARG G TARGETARCH\nENV B=$G-$TARGETARCH\n"
        "ARG TARGETOS=def\nENV C=$TARGETOS\n");
    const auto environment = stage.variables().environment();
    CHECK(environment == Names{"PATH=/bin", "BASE=b", "A=-", "B=g-arm64", "C=def"});
    REQUIRE(stage.warnings().size() == 2);
    CHECK(stage.warnings()[0].rule == "UndefinedVar");
}

TEST_CASE("stage variables: of ENV and ARG the last one written wins, config keeps ENV's", "[unit][build]") {
    const RanStage stage("FROM a\nENV X=env Y=env\nARG X=arg Z=arg\nENV Z=env R=$X-$Z\nENV Y=again\n");
    CHECK(stage.variables().environment() == Names{"PATH=/bin", "BASE=b", "X=env", "Y=again", "Z=env", "R=arg-arg"});
    CHECK(stage.variables().run_environment() ==
          Names{"PATH=/bin", "BASE=b", "X=arg", "Y=again", "Z=env", "R=arg-arg"});
    CHECK(stage.variables().declared_arguments() == Names{"X=arg", "Z=env"});
}

TEST_CASE("stage variables: proxies come in both cases, last, and are not part of the result", "[unit][build]") {
    const auto options = stage_options({{"HTTP_PROXY", "p"}, {"no_proxy", "n"}});
    const RanStage stage("FROM a\nENV X=$HTTP_PROXY\n", options);
    CHECK(stage.variables().run_environment() ==
          Names{"PATH=/bin", "BASE=b", "X=", "HTTP_PROXY=p", "http_proxy=p", "NO_PROXY=n", "no_proxy=n"});
    CHECK(stage.variables().cached_environment() == Names{"PATH=/bin", "BASE=b", "X="});
    CHECK(stage.variables().declared_arguments().empty());
    const RanStage declared("FROM a\nARG HTTP_PROXY\nENV X=$HTTP_PROXY\n", options);
    CHECK(declared.variables().cached_environment() == Names{"PATH=/bin", "BASE=b", "HTTP_PROXY=p", "X=p"});
    CHECK(declared.variables().declared_arguments() == Names{"HTTP_PROXY=p"});
}

TEST_CASE("stage variables: a child stage begins with its parent's arguments", "[unit][build]") {
    RanStage stage("FROM a AS one\nARG A=1\nENV E=e\nFROM one\nENV F=$A-$E\n");
    stage.run(stage.dockerfile().stages.at(1));
    CHECK(stage.variables().environment() == Names{"PATH=/bin", "BASE=b", "E=e", "F=1-e"});
    CHECK(stage.variables().declared_arguments() == Names{"A=1"});
}

TEST_CASE("stage variables: a default that a build-arg replaces is not read", "[unit][build]") {
    const RanStage stage("FROM a\nARG A=${B:?none} C=c$A\n", stage_options({{"A", "1"}}));
    CHECK(stage.variables().declared_arguments() == Names{"A=1", "C=c1"});
}

TEST_CASE("stage variables: undefined ones are told, with the one that was meant", "[unit][build]") {
    const RanStage stage(
        "FROM a\nARG GIVEN VERSION=1\nLABEL v=$VERSON g=$GIVEN\n# check=skip=UndefinedVar\nENV x=$y\n"
        "EXPOSE 80/UDP 1:2\n");
    REQUIRE(stage.warnings().size() == 3);
    CHECK(stage.warnings()[0].message == "Usage of undefined variable '$VERSON' (did you mean $VERSION?)");
    CHECK(stage.warnings()[0].position.line == 3);
    CHECK(stage.warnings()[1].rule == "ExposeInvalidFormat");
    CHECK(stage.warnings()[2].rule == "ExposeProtoCasing");
}

TEST_CASE("stage variables: they do not grow without end", "[unit][build]") {
    std::string text = "FROM a\nENV A=" + std::string(60'000, 'x') + "\n";
    for (int i = 0; i < 12; ++i) {
        text += "ENV A=$A$A\n";
    }
    CHECK_THROWS_WITH(RanStage(text), Contains("limit"));
}
