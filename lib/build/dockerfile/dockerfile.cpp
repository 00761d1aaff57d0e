#include "cooper/build/dockerfile.hpp"

#include "build/dockerfile/checks.hpp"
#include "build/dockerfile/directives.hpp"
#include "build/dockerfile/instructions.hpp"
#include "build/dockerfile/lines.hpp"
#include "build/dockerfile/source_error.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

class Parser {
public:
    Parser(std::string_view text, std::string_view file) {
        result_.text = text;
        result_.file = file;
    }

    Dockerfile parse() {
        const auto split = split_dockerfile(result_.text, result_.file);
        result_.escape = split.escape;
        result_.syntax = find_directive(result_.text, "syntax", true);
        result_.check = find_directive(result_.text, "check", false);
        if (split.lines.empty()) {
            throw source_error(result_.text, result_.file, 0, "the file has no instructions",
                               "a Dockerfile begins with FROM, after ARGs at most");
        }
        for (const auto& line : split.lines) {
            take(line);
        }
        if (result_.stages.empty()) {
            throw source_error(result_.text, result_.file, split.lines.back().begin,
                               "the file has no FROM, so there is nothing to build");
        }
        check_lines(split, result_);
        return std::move(result_);
    }

private:
    void take(const DockerfileLine& line) {
        const LineFailure fail = [&](std::size_t offset, const std::string& problem, const std::string& advice) {
            throw source_error(result_.text, result_.file, line.place_of(offset), problem, advice);
        };
        const auto position = position_of_line(line);
        if (line.keyword == "FROM") {
            auto stage = read_stage(line, fail);
            stage.position = position;
            stage.check = check_of_comments(line.comments);
            if (result_.stages.size() == kMaxDockerfileStages) {
                fail(0, "more stages than the limit of " + std::to_string(kMaxDockerfileStages), "");
            }
            result_.stages.push_back(std::move(stage));
            return;
        }
        auto instruction = read_instruction(line, result_.escape, fail);
        instruction.position = position;
        instruction.check = check_of_comments(line.comments);
        if (!result_.stages.empty()) {
            result_.stages.back().instructions.push_back(std::move(instruction));
        } else if (std::holds_alternative<ArgInstruction>(instruction.kind)) {
            result_.global.push_back(std::move(instruction));
        } else {
            fail(line.text.find(line.word), line.keyword + " stands before the first FROM, where only ARG may",
                 "begin the file with FROM");
        }
    }

    /// The keyword's place, which is on the first line unless that is nothing but a continuation.
    DockerfilePosition position_of_line(const DockerfileLine& line) const {
        const auto place = line.place_of(std::min(line.text.find(line.word), line.text.size()));
        const std::string_view text = result_.text;
        const auto between = text.substr(line.begin, place - line.begin);
        const auto column = place - (text.substr(0, place).rfind('\n') + 1) + 1;
        return {line.number + static_cast<std::size_t>(std::count(between.begin(), between.end(), '\n')), column};
    }

    Dockerfile result_;
};

}  // namespace

Dockerfile Dockerfile::parse(std::string_view text, std::string_view file) {
    return Parser(text, file).parse();
}

DockerfileError Dockerfile::error(const Instruction& instruction, const std::string& message) const {
    return source_error(text, file, instruction.position, message);
}

Instruction parse_onbuild(std::string_view trigger) {
    constexpr std::string_view kFile = "ONBUILD";
    const auto split = split_dockerfile(trigger, kFile);
    const LineFailure fail = [&](std::size_t offset, const std::string& problem, const std::string& advice) {
        const auto place = split.lines.empty() ? 0 : split.lines[0].place_of(offset);
        throw source_error(trigger, kFile, place, problem, advice);
    };
    if (split.lines.size() != 1) {
        fail(0, "an ONBUILD trigger is one instruction", "");
    }
    const auto& line = split.lines[0];
    if (line.keyword == "FROM" || line.keyword == "ONBUILD" || line.keyword == "MAINTAINER") {
        fail(0, line.keyword + " isn't allowed as an ONBUILD trigger", "");
    }
    return read_instruction(line, split.escape, fail);
}

}  // namespace cooper::build
