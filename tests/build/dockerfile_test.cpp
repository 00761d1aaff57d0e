#include "cooper/build/dockerfile.hpp"

#include "cooper/base/error.hpp"

#include <catch2/catch.hpp>

#include <chrono>

using namespace cooper;
using namespace cooper::build;
using Catch::Contains;
using Catch::EndsWith;
using Catch::StartsWith;

namespace {

DockerfileError parse_failure(std::string_view text) {
    try {
        Dockerfile::parse(text, "dir/Dockerfile");
    } catch (const DockerfileError& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return error;
    }
    FAIL("no error for " << text);
    return {"", {}};
}

std::string advice_of(std::string_view text) {
    return parse_failure(text).advice();
}

Instruction parse_one(const std::string& line) {
    return Dockerfile::parse("FROM a\n" + line, "Dockerfile").stages.at(0).instructions.at(0);
}

VariableLookup variables_of(std::map<std::string, std::string, std::less<>> values) {
    return [values = std::move(values)](std::string_view name) {
        const auto found = values.find(name);
        return found == values.end() ? std::nullopt : std::optional(found->second);
    };
}

template <class Kind>
Kind expanded_as(const std::string& line, std::map<std::string, std::string, std::less<>> values = {}) {
    return std::get<Kind>(expanded(parse_one(line), '\\', variables_of(std::move(values))).kind);
}

std::string expansion_failure(const std::string& line, std::map<std::string, std::string, std::less<>> values = {}) {
    try {
        expanded(parse_one(line), '\\', variables_of(std::move(values)));
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return error.what();
    }
    FAIL("no error for " << line);
    return "";
}

using Texts = std::vector<std::string>;

/// "2 RuleName" of each warning.
Texts warned(std::string_view text) {
    Texts found;
    for (const auto& warning : Dockerfile::parse(text, "Dockerfile").warnings) {
        found.push_back(std::to_string(warning.position.line) + " " + warning.rule);
    }
    return found;
}

}  // namespace

TEST_CASE("dockerfile: an error shows file, line, column, the line and a caret", "[unit][build]") {
    const auto error = parse_failure("FROM a\n\n  RUM\tapt-get update\n");
    CHECK(std::string(error.what()) ==
          "dir/Dockerfile:3:3: unknown instruction: RUM\n"
          "    RUM apt-get update\n"
          "    ^");
    CHECK(error.position().line == 3);
    CHECK(error.position().column == 3);
    CHECK(error.advice() == "did you mean RUN?");
}

TEST_CASE("dockerfile: errors stand where the wrong word is, also behind continued lines", "[unit][build]") {
    const auto flag = parse_failure("FROM a\nCOPY --link \\\n  # comment\n  --form=b x y\n");
    CHECK(std::string(flag.what()) == "dir/Dockerfile:4:3: unknown flag: --form\n    --form=b x y\n    ^");
    CHECK(flag.advice() == "did you mean --from?");
    CHECK_THAT(parse_failure("FROM a AS 1x").what(), StartsWith("dir/Dockerfile:1:11: invalid name"));
    CHECK_THAT(parse_failure("FROM a\nRUN <<EOF\nx\n").what(), StartsWith("dir/Dockerfile:2:5: the heredoc \"EOF\""));
    CHECK_THAT(parse_failure("FROM a\nENV X\n").what(), StartsWith("dir/Dockerfile:2:5: ENV must have"));
    CHECK_THAT(parse_failure("FROM a\nCMD [1]\n").what(), StartsWith("dir/Dockerfile:2:5: an array"));
    CHECK_THAT(parse_failure("# escape=x\nFROM a").what(), StartsWith("dir/Dockerfile:1:1: the escape"));
}

TEST_CASE("dockerfile: a long line is shown around the place, control characters are not shown", "[unit][build]") {
    const auto error = parse_failure("FROM a\nRUN --mount=type=cache,target=/" + std::string(5000, 'x') + " --bad y");
    const std::string what = error.what();
    CHECK(what.size() < 600);
    CHECK_THAT(what, Contains("--bad y\n") && EndsWith("^"));
    CHECK_THAT(parse_failure("FROM a\nRU\x1b[31m x").what(), !Contains("\x1b"));
}

TEST_CASE("dockerfile: what was meant is suggested", "[unit][build]") {
    CHECK(advice_of("FROM a\nENTRYPONT x") == "did you mean ENTRYPOINT?");
    CHECK(advice_of("FROM a\nRUN --netwrok=none x") == "did you mean --network?");
    CHECK_THAT(advice_of("FROM a\nRUN --x y"), Contains("--mount, --network, --security"));
    CHECK(advice_of("FROM a\nUSER --x y") == "this instruction has no flags");
    CHECK(advice_of("FROM a\nRUN --network=hots x") == "did you mean host?");
    try {
        parse_run_mount("type=cache,tagret=/x");
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.advice() == "did you mean target?");
    }
    try {
        parse_run_mount("type=cach,target=/x");
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.advice() == "did you mean cache?");
    }
}

TEST_CASE("dockerfile: what a file must have", "[unit][build]") {
    CHECK_THAT(parse_failure("").what(), Contains("no instructions"));
    CHECK_THAT(parse_failure("# only\n\n").what(), Contains("no instructions"));
    CHECK_THAT(parse_failure("ARG A=1\n").what(), Contains("no FROM"));
    CHECK_THAT(parse_failure("ARG A\nRUN x\nFROM b").what(), StartsWith("dir/Dockerfile:2:1: RUN stands before"));
    CHECK_THAT(parse_failure("FROM a\n\\\n").what(), Contains("unknown instruction"));
}

TEST_CASE("dockerfile: directives and instructions keep their places", "[unit][build]") {
    const auto dockerfile = Dockerfile::parse(
        "# syntax=docker/dockerfile:1\n# check=skip=StageNameCasing;error=true\n# escape=`\nARG A\nFROM x AS Y\n"
        "\tRUN a `\n b\n",
        "Dockerfile");
    CHECK(dockerfile.syntax == "docker/dockerfile:1");
    CHECK(dockerfile.check == "skip=StageNameCasing;error=true");
    CHECK(dockerfile.escape == '`');
    CHECK(dockerfile.warnings_are_errors);
    CHECK(dockerfile.global.size() == 1);
    CHECK(dockerfile.stages.at(0).name == "y");
    CHECK(dockerfile.stages.at(0).position.line == 5);
    const auto& run = dockerfile.stages.at(0).instructions.at(0);
    CHECK(run.original == "RUN a  b");
    CHECK(run.position.line == 6);
    CHECK(run.position.column == 2);
    CHECK_THAT(dockerfile.error(run, "it fails").what(), StartsWith("Dockerfile:6:2: it fails\n   RUN a"));
}

TEST_CASE("dockerfile: checks that need the text alone", "[unit][build]") {
    CHECK(warned("FROM a AS B\nFROM b AS b\n") == Texts{"1 StageNameCasing", "2 DuplicateStageName"});
    CHECK(warned("FROM a as b\n") == Texts{"1 FromAsCasing"});
    CHECK(warned("from a AS b\nrun x\n") == Texts{"1 FromAsCasing"});
    CHECK(warned("FROM a AS scratch\nMAINTAINER x\n") == Texts{"1 ReservedStageName", "2 MaintainerDeprecated"});
    CHECK(warned("FROM a\nRun x\nrun y\nCMD [\"z\"]\n") ==
          Texts{"2 ConsistentInstructionCasing", "3 ConsistentInstructionCasing"});
    CHECK(warned("FROM a\nRUN x \\\n\n  y\n") == Texts{"3 NoEmptyContinuation"});
    CHECK(warned("# which base\nARG A\nFROM a\n").empty());
    CHECK(warned(
              "# check=experimental=InvalidDefinitionDescription\n# which base\nARG A\n# A is fine\nARG A\nFROM a\n") ==
          Texts{"3 InvalidDefinitionDescription"});
}

TEST_CASE("dockerfile: check= turns rules off, for the file and for an instruction", "[unit][build]") {
    CHECK(warned("# check=skip=StageNameCasing\nFROM a AS B\nMAINTAINER x\n") == Texts{"3 MaintainerDeprecated"});
    CHECK(warned("# check=skip=all\nFROM a AS B\nMAINTAINER x\n").empty());
    CHECK(warned("FROM a\n# check=skip=MaintainerDeprecated because\nMAINTAINER x\nMAINTAINER y\n") ==
          Texts{"4 MaintainerDeprecated"});
    CHECK_THAT(parse_failure("# check=skp=all\nFROM a").what(), StartsWith("dir/Dockerfile:1:9: invalid check option"));
    CHECK_THAT(parse_failure("# check=error=maybe\nFROM a").what(), Contains("invalid check option"));
}

TEST_CASE("expansion: ENV sees the values from before, ARG those of its own line", "[unit][build]") {
    const auto env = expanded_as<EnvInstruction>("ENV a=2 b=$a $k=v c='$a' d=\"$a b\"", {{"a", "1"}, {"k", "K"}});
    CHECK(env.variables == std::vector<KeyValue>{{"a", "2"}, {"b", "1"}, {"K", "v"}, {"c", "$a"}, {"d", "1 b"}});
    const auto arg = expanded_as<ArgInstruction>("ARG E=e F=f-$E G H=$a", {{"a", "1"}, {"E", "old"}});
    CHECK(arg.declarations.at(1).value == "f-e");
    CHECK_FALSE(arg.declarations.at(2).value);
    CHECK(arg.declarations.at(3).value == "1");
    CHECK(expanded_as<EnvInstruction>("ENV L=/x:$L").variables.at(0).value == "/x:");
    CHECK(expanded_as<LabelInstruction>("LABEL legacy $a  b", {{"a", "1"}}).labels.at(0).value == "1  b");
}

TEST_CASE("expansion: commands, triggers, --from and --exclude stay as they are", "[unit][build]") {
    CHECK(expanded_as<RunInstruction>("RUN echo $a", {{"a", "1"}}).command.words == Texts{"echo $a"});
    CHECK(expanded_as<CmdInstruction>("CMD [\"$a\"]", {{"a", "1"}}).command.words == Texts{"$a"});
    CHECK(expanded_as<ShellInstruction>("SHELL [\"$a\"]", {{"a", "1"}}).shell == Texts{"$a"});
    CHECK(expanded_as<OnbuildInstruction>("ONBUILD RUN $a", {{"a", "1"}}).trigger == "RUN $a");
    const auto copy = expanded_as<CopyInstruction>("COPY --chown=$a --exclude=$a $a ${a}/", {{"a", "1"}});
    CHECK(copy.exclude == Texts{"$a"});
    CHECK(copy.chown == "1");
    CHECK(copy.sources == Texts{"1"});
    CHECK(copy.destination == "1/");
    CHECK_THAT(parse_failure("FROM x\nCOPY --from=$a b c").what(), Contains("not supported for --from"));
}

TEST_CASE("expansion: heredocs of COPY, with and without quotes, tabs cut", "[unit][build]") {
    const auto copy = expanded_as<CopyInstruction>(
        "COPY <<A <<\"B\" <<-C /d/\n\"$a\" '$a' \\$a \\n\nA\n$a\nB\n\t\t$a\n\tC\n", {{"a", "1"}});
    CHECK(copy.inline_sources.at(0).content == "\"1\" '1' $a n\n");
    CHECK(copy.inline_sources.at(1).content == "$a\n");
    CHECK(copy.inline_sources.at(2).content == "1\n");
    const auto run = expanded_as<RunInstruction>("RUN cat <<-E\n\ta\n\tE\n");
    CHECK(run.heredocs.at(0).content == "a\n");
    CHECK(run.heredocs.at(0).written == "\ta\n");
}

TEST_CASE("expansion: mounts have their values filled in field by field", "[unit][build]") {
    const auto run = expanded_as<RunInstruction>(
        "RUN --mount=type=cache,target=/home/$u/.cache,uid=${id},sharing=locked x", {{"u", "a,b=c"}, {"id", "7"}});
    CHECK(run.mounts.at(0).target == "/home/a,b=c/.cache");
    CHECK(run.mounts.at(0).uid == 7);
    CHECK_THAT(expansion_failure("RUN --mount=type=cache,target=/x,uid=$u y", {{"u", "me"}}), Contains("uid"));
}

TEST_CASE("expansion: ports, volumes and signals are checked when they are known", "[unit][build]") {
    CHECK(expanded_as<ExposeInstruction>("EXPOSE $p 90/UDP 1-2", {{"p", "80 443"}}).ports ==
          Texts{"80/tcp", "443/tcp", "1/tcp", "2/tcp", "90/udp"});
    CHECK_THAT(expansion_failure("EXPOSE $p", {{"p", "http"}}), Contains("http"));
    CHECK_THAT(expansion_failure("VOLUME $v"), Contains("empty"));
    CHECK_THAT(expansion_failure("STOPSIGNAL $s", {{"s", "SIGNO"}}), Contains("SIGNO"));
    CHECK_THAT(expansion_failure("WORKDIR ${w:?set w}"), Contains("set w") && Contains("${w:?set w}"));
    std::string all = "EXPOSE";
    for (int i = 0; i < 4; ++i) {
        all += " 0-65535";
    }
    CHECK_THAT(expansion_failure(all), Contains("more ports"));
}

TEST_CASE("expansion: for display unset variables and quotes stay", "[unit][build]") {
    const auto shown = [](std::string_view text) { return expand_for_display(text, '\\', variables_of({{"a", "1"}})); };
    CHECK(shown("RUN echo \"$a\" '$a' $b ${b:-c}") == "RUN echo \"1\" '$a' $b ${b:-c}");
    CHECK(shown("RUN it's $a") == "RUN it's $a");
}

TEST_CASE("expansion: $0 of a replacement is the match, other names are nothing", "[unit][build]") {
    const auto variables = variables_of({{"v", "a.b"}, {"r", "[${0}$1$$]"}});
    CHECK(expand_word("${v//./$r}", '\\', variables) == "a[.$]b");
    CHECK(expand_word("${v/./$r}", '\\', variables) == "a[${0}$1$$]b");
    CHECK(expand_word("${v//./[\\$0]}", '\\', variables) == "a[\\.]b");
    CHECK(expand_word("${v//*/x}", '\\', variables) == "x");
    CHECK(expand_word("${v///-}", '\\', variables) == "-a-.-b-");
}

TEST_CASE("expansion: hostile text is refused or done in time", "[unit][build]") {
    const auto none = variables_of({});
    const auto nested = [](std::size_t depth) {
        std::string text;
        for (std::size_t i = 0; i < depth; ++i) {
            text += "${a:-";
        }
        return text + std::string(depth, '}');
    };
    CHECK(expand_word(nested(50), '\\', none).empty());
    CHECK_THROWS_WITH(expand_word(nested(10'000), '\\', none), Contains("nested deeper"));

    const auto large = variables_of({{"a", std::string(1U << 19, 'a')}});
    std::string many;
    for (int i = 0; i < 1000; ++i) {
        many += "$a";
    }
    CHECK_THROWS_WITH(expand_word(many, '\\', large), Contains("larger than the limit"));
    CHECK_THROWS_WITH(expand_word("\"" + many + "\"", '\\', large), Contains("larger than the limit"));
    CHECK_THROWS_WITH(expand_word("${a//a/" + std::string(1000, 'b') + "}", '\\', large), Contains("larger"));
    CHECK_THROWS_WITH(expand_word("${a//a*a*b/}", '\\', large), Contains("takes too long"));
    CHECK(expand_word("${a%%*b*}", '\\', large).size() == 1U << 19);
    CHECK(expand_word("${a##" + std::string(1000, '*') + "}", '\\', large).empty());
}

TEST_CASE("dockerfile: hostile files are refused or read in time", "[unit][build]") {
    std::string stages;
    for (std::size_t i = 0; i <= kMaxDockerfileStages; ++i) {
        stages += "FROM a\n";
    }
    CHECK_THAT(parse_failure(stages).what(), Contains("more stages"));

    std::string pieces = "FROM a\nRUN x";
    while (pieces.size() < kMaxDockerfile - 100) {
        pieces += "\\\n";
    }
    CHECK(Dockerfile::parse(pieces + "\n", "Dockerfile").stages.at(0).instructions.size() == 1);

    std::string lines = "FROM a\n";
    for (std::size_t i = 1; i < kMaxDockerfileInstructions; ++i) {
        lines += "ENV a=$a\n";
    }
    CHECK(Dockerfile::parse(lines, "Dockerfile").stages.at(0).instructions.size() == kMaxDockerfileInstructions - 1);
    CHECK_THAT(parse_failure(lines + "RUN x\n").what(), Contains("more instructions"));
    CHECK_THAT(parse_failure("FROM a\nCMD " + std::string(30'000, '[') + "\n" + "X").what(), Contains("X"));
    CHECK(parse_one("RUN \xff\xfe").keyword == "RUN");
}

TEST_CASE("onbuild triggers: one instruction, but not FROM, ONBUILD or MAINTAINER", "[unit][build]") {
    const auto copy = parse_onbuild("COPY <<EOF /x\nhello\nEOF");
    CHECK(std::get<CopyInstruction>(copy.kind).inline_sources.at(0).content == "hello\n");
    CHECK(std::get<OnbuildInstruction>(parse_one("onbuild  copy <<EOF /x\nhello\nEOF\n").kind).trigger ==
          "copy <<EOF /x\nhello\nEOF");
    for (const char* const text : {"FROM a", "ONBUILD RUN x", "maintainer x", "", "RUN a\nRUN b", "FOO x"}) {
        INFO(text);
        CHECK_THROWS_AS(parse_onbuild(text), DockerfileError);
    }
}
