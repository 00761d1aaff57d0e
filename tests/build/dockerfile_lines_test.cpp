#include "cooper/base/error.hpp"
#include "cooper/build/context.hpp"

#include "build/dockerfile/lines.hpp"
#include "build/tree_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using Catch::Contains;
using cooper::testing::code_of;

namespace {

/// "3-5 RUN --flag|rest" of each line.
std::vector<std::string> told(std::string_view text) {
    std::vector<std::string> lines;
    for (const auto& line : split_dockerfile(text).lines) {
        const auto covered = text.substr(line.begin, line.end - line.begin);
        const auto breaks = std::count(covered.begin(), covered.end(), '\n') - (covered.ends_with('\n') ? 1 : 0);
        std::string flags;
        for (const auto& flag : line.flags) {
            flags += flag.text + " ";
        }
        lines.push_back(std::to_string(line.number) + "-" +
                        std::to_string(line.number + static_cast<std::size_t>(breaks)) + " " + line.keyword + " " +
                        flags + "|" + std::string(line.rest()));
    }
    return lines;
}

using Lines = std::vector<std::string>;
using BuildArgs = std::vector<std::pair<std::string, std::string>>;

std::string lines_failure(std::string_view text) {
    try {
        split_dockerfile(text);
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return error.what();
    }
    FAIL("no error");
    return "";
}

std::string standalone_failure(std::string_view text, std::string_view target, const BuildArgs& args) {
    try {
        standalone_dockerfile(text, target, args);
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return std::string(error.what()) + " | " + error.advice();
    }
    FAIL("no error");
    return "";
}

}  // namespace

TEST_CASE("dockerfile lines: continuations, comments and blank lines", "[unit][build]") {
    CHECK(told("FROM a\n# c\n\n  run x\n") == Lines{"1-1 FROM |a", "4-4 RUN |x"});
    CHECK(told("RUN a \\\n  # comment \\\n\n  b\nFROM x") == Lines{"1-4 RUN |a   b", "5-5 FROM |x"});
    CHECK(told("RUN a \\  \t\nb") == Lines{"1-2 RUN |a b"});
    CHECK(told("RUN a \\\\\nFROM b") == Lines{"1-1 RUN |a \\\\", "2-2 FROM |b"});
    CHECK(told("RUN a \\\\\\\nFROM b") == Lines{"1-1 RUN |a \\\\\\", "2-2 FROM |b"});
    CHECK(told("RUN a \\") == Lines{"1-1 RUN |a"});
    CHECK(told("RU\\\nN a\r\nFROM b\r\n") == Lines{"1-2 RUN |a", "3-3 FROM |b"});
    CHECK(told("\xEF\xBB\xBF# escape=`\nRUN a `\nb\\\nFROM x") == Lines{"2-3 RUN |a b\\", "4-4 FROM |x"});
    CHECK(told("").empty());
    CHECK(told("\\\n\\\n") == Lines{"1-2  |"});  // nothing at all is an instruction that nobody knows
    CHECK(told("RUN echo # no comment") == Lines{"1-1 RUN |echo # no comment"});
}

TEST_CASE("dockerfile lines: flags", "[unit][build]") {
    CHECK(told("FROM --platform=linux/amd64 a AS b") == Lines{"1-1 FROM --platform=linux/amd64 |a AS b"});
    CHECK(told("RUN --mount=type=cache,target=\"/a b\" --network='no''ne' -- --x y") ==
          Lines{"1-1 RUN --mount=type=cache,target=/a b --network=none |--x y"});
    CHECK(told("COPY --from=\\\n  a --chown=x /y /z") == Lines{"1-2 COPY --from= |a --chown=x /y /z"});
    CHECK(told("RUN -x --y") == Lines{"1-1 RUN |-x --y"});
}

TEST_CASE("dockerfile lines: heredocs belong to their line", "[unit][build]") {
    CHECK(told("RUN <<EOF cat\nFROM x \\\nEOF\nFROM b") == Lines{"1-3 RUN |<<EOF cat", "4-4 FROM |b"});
    CHECK(told("COPY <<A <<-\"B C\" /x\na\nA\n\tb\n\tB C\nFROM b") ==
          Lines{"1-5 COPY |<<A <<-\"B C\" /x", "6-6 FROM |b"});
    CHECK(told("ONBUILD RUN << X\nX\nRUN y") == Lines{"1-2 ONBUILD |RUN << X", "3-3 RUN |y"});
    CHECK(told("RUN [\"<<EOF\"]\nFROM b") == Lines{"1-1 RUN |[\"<<EOF\"]", "2-2 FROM |b"});
    CHECK(told("RUN echo \"<<EOF\" '<<EOF' \\<<EOF a<<EOF <<<EOF\nFROM b").size() == 2);
    CHECK(told("CMD <<EOF\nFROM b").size() == 2);
    CHECK_THAT(lines_failure("FROM a\nRUN <<EOF\nEOF \n"), Contains("Dockerfile:2:") && Contains("EOF"));
}

TEST_CASE("dockerfile lines: directives come first, once", "[unit][build]") {
    CHECK(told("# syntax=docker/dockerfile:1\n#escape = `\nRUN a `\nb") == Lines{"3-4 RUN |a b"});
    CHECK(told("# comment\n# escape=`\nRUN a `\nb") == Lines{"3-3 RUN |a `", "4-4 B |"});
    CHECK_THAT(lines_failure("# escape=x\nFROM a"), Contains("Dockerfile:1:") && Contains("\"x\""));
    CHECK_THAT(lines_failure("# escape=`\n# ESCAPE=\\\nFROM a"), Contains("Dockerfile:2:") && Contains("escape"));
}

TEST_CASE("dockerfile lines: what is too large is refused", "[unit][build]") {
    CHECK(told("RUN " + std::string(kMaxDockerfileLine - 4, 'x')).size() == 1);
    CHECK_THAT(lines_failure("FROM a\nRUN " + std::string(kMaxDockerfileLine, 'x')),
               Contains("Dockerfile:2:") && Contains("65535"));
    CHECK_THAT(lines_failure(std::string(kMaxDockerfile + 1, '\n')), Contains("4194304"));
}

TEST_CASE("dockerfile lines: every byte of a line's text has its place", "[unit][build]") {
    const std::string text = "FROM a\n  RUN one \\\n# c\n  two \\\nthree\n";
    const auto line = split_dockerfile(text).lines.at(1);
    for (std::size_t i = 0; i < line.text.size(); ++i) {
        CHECK(text[line.place_of(i)] == line.text[i]);
    }
}

TEST_CASE("standalone dockerfile: arguments become defaults, all else keeps its bytes", "[unit][build]") {
    const std::string text =
        "# syntax=docker/dockerfile:1\n"
        "ARG BASE=debian   VERSION\n"
        "FROM ${BASE} AS one # no comment\n"
        "ARG VERSION=1 \\\n"
        "  # why\n"
        "  OTHER=\"a b\"\n"
        "RUN <<EOF\nARG VERSION=kept\nEOF\n"
        "FROM one AS two\n"
        "arg VERSION\n";
    CHECK(standalone_dockerfile(text, "", {}) == text);
    CHECK(standalone_dockerfile(text, "", {{"VERSION", "2.0"}, {"BASE", "python:3.12-slim"}}) ==
          "# syntax=docker/dockerfile:1\n"
          "ARG BASE=python:3.12-slim   VERSION=2.0\n"
          "FROM ${BASE} AS one # no comment\n"
          "ARG VERSION=2.0 \\\n"
          "  # why\n"
          "  OTHER=\"a b\"\n"
          "RUN <<EOF\nARG VERSION=kept\nEOF\n"
          "FROM one AS two\n"
          "arg VERSION=2.0\n");
    CHECK_THAT(standalone_dockerfile(text, "two", {{"OTHER", "x"}}), Contains("  OTHER=x\n"));
}

TEST_CASE("standalone dockerfile: values are quoted where they must be", "[unit][build]") {
    const auto with = [](const std::string& value, const std::string& before = "") {
        return standalone_dockerfile(before + "ARG A=1", "", {{"A", value}}).substr(before.size());
    };
    CHECK(with("ubuntu:22.04@sha256:ab") == "ARG A=ubuntu:22.04@sha256:ab");
    CHECK(with("") == "ARG A=\"\"");
    CHECK(with("a b") == "ARG A=\"a b\"");
    CHECK(with("it's $HOME \"x\" \\") == R"(ARG A="it's \$HOME \"x\" \\")");
    CHECK(with("$X \\ `", "# escape=`\n") == "ARG A=\"`$X \\ ``\"");
    CHECK(with("# x") == "ARG A=\"# x\"");
    CHECK_THAT(standalone_failure("ARG A", "", {{"A", "one\ntwo"}}), Contains("A") && !Contains("two"));
    CHECK_THAT(standalone_failure("ARG A\"=1", "", {{"A\"", "1"}}), Contains("no name of a build argument"));
}

TEST_CASE("standalone dockerfile: stages behind the target are cut", "[unit][build]") {
    const std::string text = "ARG X\nFROM a AS Base\nRUN x\n# next\nFROM Base\nRUN y\nFROM b AS last\nARG Y\nRUN z\n";
    CHECK(standalone_dockerfile(text, "base", {}) == "ARG X\nFROM a AS Base\nRUN x\n# next\n");
    CHECK(standalone_dockerfile(text, "1", {}) == text.substr(0, text.find("FROM b")));
    CHECK(standalone_dockerfile(text, "LAST", {}) == text);
    CHECK(standalone_dockerfile("FROM a AS x\nRUN 1\nFROM b AS x\nRUN 2\nFROM c\n", "x", {}) ==
          "FROM a AS x\nRUN 1\nFROM b AS x\nRUN 2\n");
    CHECK(standalone_dockerfile(text, "base", {{"Y", "1"}}) == "ARG X\nFROM a AS Base\nRUN x\n# next\n");
    CHECK_THAT(standalone_failure(text, "bas", {}), Contains("'bas'") && Contains("base, last"));
    CHECK_THAT(standalone_failure(text, "3", {}), Contains("'3'"));
}

TEST_CASE("standalone dockerfile: arguments that nobody declares are named", "[unit][build]") {
    CHECK_THAT(standalone_failure("ARG ONE\nFROM a\nARG TWO=2\n", "", {{"THREE", "secret value"}}),
               Contains("THREE") && Contains("ONE, TWO") && !Contains("secret value"));
    CHECK_THAT(standalone_failure("FROM a\n", "", {{"X", "1"}}), Contains("none"));
}

TEST_CASE("images of a dockerfile: bases and sources, stages left out, arguments filled in", "[unit][build]") {
    const auto images = [](std::string_view text, const BuildArgs& args = {}) {
        return images_of_dockerfile(text, args);
    };
    CHECK(images("FROM --platform=$BUILDPLATFORM golang:1.22 AS Build\nFROM scratch\nCOPY --from=build /a /a\n"
                 "COPY --from=0 /a /b\nCOPY --from=ghcr.io/astral-sh/uv:0.5 /uv /\nADD --from=x /a /\n"
                 "RUN --mount=type=bind,from=tools,target=/t --mount=from=Build x\n") ==
          Lines{"golang:1.22", "ghcr.io/astral-sh/uv:0.5", "x", "tools"});
    CHECK(images("ARG V=22.04\nARG B=ubuntu:$V\nFROM ${B}\nFROM $B\nFROM ${B%x}\nFROM $UNKNOWN\n") ==
          Lines{"ubuntu:22.04"});
    CHECK(images("ARG V=22.04\nARG B=ubuntu:${V}\nFROM ${B}\n", {{"V", "24.04"}}) == Lines{"ubuntu:24.04"});
    CHECK(images("ARG B\nFROM ${B:-debian:12}\n") == Lines{"debian:12"});
    CHECK(images("ARG B\nFROM ${B:-debian:${V:-13}}\n") == Lines{"debian:13"});
    CHECK(images("ARG B=c\nFROM ${B:-$UNKNOWN}\nFROM ${B:+$UNKNOWN}a\nFROM d$UNKNOWN\n") == Lines{"c"});
    CHECK(images("ARG B=x\nFROM a${B:+-slim}\nFROM b${N:+-slim}\nFROM \"c\"\n") == Lines{"a-slim", "b", "c"});
    CHECK(images("FROM a AS b\nARG C=d\nFROM b\nFROM $C\n") == Lines{"a"});
    CHECK(images("FROM\nFROM a b c d\nONBUILD COPY --from=x / /\n") == Lines{"a"});
}

TEST_CASE("images of a dockerfile: nesting is bounded", "[unit][build]") {
    std::string deep;
    for (int i = 0; i < 10'000; ++i) {
        deep += "${A:-";
    }
    deep += "x" + std::string(10'000, '}');
    CHECK(images_of_dockerfile("FROM " + deep + "\n", {}).empty());
}
