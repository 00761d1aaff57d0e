#include "build/dockerfile/stages.hpp"

#include "cooper/base/text.hpp"

namespace cooper::build {

std::vector<StageLines> find_stages(const DockerfileLines& lines) {
    std::vector<StageLines> stages;
    for (std::size_t i = 0; i < lines.lines.size(); ++i) {
        const auto& line = lines.lines[i];
        if (line.keyword != "FROM") {
            continue;
        }
        if (!stages.empty()) {
            stages.back().end = i;
        }
        StageLines stage;
        stage.first = i;
        stage.end = lines.lines.size();
        const auto words = split_blanks(line.rest());
        if (!words.empty()) {
            stage.image = words[0];
        }
        if (words.size() == 3 && equals_ignoring_case(words[1], "AS")) {
            stage.name = to_lower(words[2]);
        }
        stages.push_back(std::move(stage));
    }
    return stages;
}

std::optional<std::size_t> find_stage_lines(const std::vector<StageLines>& stages, std::string_view target) {
    for (std::size_t i = stages.size(); i > 0; --i) {
        if (!target.empty() && equals_ignoring_case(stages[i - 1].name, target)) {
            return i - 1;
        }
    }
    const auto number = parse_uint(target);
    return number && *number < stages.size() ? std::optional(static_cast<std::size_t>(*number)) : std::nullopt;
}

}  // namespace cooper::build
