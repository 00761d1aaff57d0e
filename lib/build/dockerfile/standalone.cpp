#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/context.hpp"

#include "build/dockerfile/arguments.hpp"
#include "build/dockerfile/lines.hpp"
#include "build/dockerfile/stages.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <set>

namespace cooper::build {

namespace {

using Args = std::vector<std::pair<std::string, std::string>>;

/// "a, b, c"; a Dockerfile may have thousands.
std::string listed(const std::set<std::string, std::less<>>& names) {
    constexpr std::size_t kMost = 20;
    std::string text;
    std::size_t told = 0;
    for (const auto& name : names) {
        if (told++ == kMost) {
            return text + ", …";
        }
        text += (text.empty() ? "" : ", ") + oci::printable(name);
    }
    return text.empty() ? "none" : text;
}

/// One word of an ARG line: NAME or NAME=DEFAULT.
struct Declared {
    DockerfileWord word;  // in the line's text
    std::string_view name;
    std::optional<std::string_view> value;
};

std::vector<Declared> declared_in(const DockerfileLine& line, char escape) {
    std::vector<Declared> found;
    const std::string_view text = line.text;
    for (auto word : split_words(line.rest(), escape)) {
        word.begin += line.arguments;
        word.end += line.arguments;
        const auto whole = text.substr(word.begin, word.end - word.begin);
        const auto equals = whole.find('=');
        Declared one{word, whole.substr(0, equals), std::nullopt};
        if (equals != std::string_view::npos) {
            one.value = whole.substr(equals + 1);
        }
        found.push_back(one);
    }
    return found;
}

std::set<std::string, std::less<>> declared_names(const DockerfileLines& lines) {
    std::set<std::string, std::less<>> names;
    for (const auto& line : lines.lines) {
        if (line.keyword == "ARG") {
            for (const auto& one : declared_in(line, lines.escape)) {
                names.emplace(one.name);
            }
        }
    }
    return names;
}

void check_declared(const DockerfileLines& lines, const Args& args) {
    const auto declared = declared_names(lines);
    for (const auto& [name, value] : args) {
        if (!declared.contains(name)) {
            throw Error(ErrorCode::InvalidInput, "the Dockerfile declares no build argument " + oci::printable(name))
                .advise("it declares: " + listed(declared));
        }
    }
}

/// The number of lines that the target needs.
std::size_t lines_until(const DockerfileLines& lines, std::string_view target) {
    const auto stages = find_stages(lines);
    if (target.empty()) {
        return lines.lines.size();
    }
    if (const auto found = find_stage_lines(stages, target)) {
        return stages[*found].end;
    }
    std::set<std::string, std::less<>> names;
    for (const auto& stage : stages) {
        if (!stage.name.empty()) {
            names.insert(stage.name);
        }
    }
    throw Error(ErrorCode::InvalidInput, "the Dockerfile has no stage '" + oci::printable(target) + "'")
        .advise("its stages: " + listed(names));
}

/// What "FROM $X" sees: the ARGs before the first FROM, with `args` in place of their defaults.
DockerfileVariables global_variables(const DockerfileLines& lines, const DockerfileVariables& args) {
    DockerfileVariables variables;
    for (const auto& line : lines.lines) {
        if (line.keyword == "FROM") {
            break;
        }
        if (line.keyword != "ARG") {
            continue;
        }
        for (const auto& one : declared_in(line, lines.escape)) {
            if (const auto given = args.find(one.name); given != args.end()) {
                variables.insert_or_assign(std::string(one.name), given->second);
            } else if (one.value) {
                if (auto value = find_expansion(*one.value, variables, lines.escape)) {
                    variables.insert_or_assign(std::string(one.name), *std::move(value));
                }
            }
        }
    }
    return variables;
}

/// The image or stage that COPY --from=X, ADD --from=X or RUN --mount=…,from=X name.
std::vector<std::string_view> sources_of(const DockerfileLine& line) {
    std::vector<std::string_view> found;
    for (const auto& each : line.flags) {
        const std::string_view flag = each.text;
        if ((line.keyword == "COPY" || line.keyword == "ADD") && flag.starts_with("--from=")) {
            found.push_back(flag.substr(7));
        } else if (line.keyword == "RUN" && flag.starts_with("--mount=")) {
            for (const auto part : split(flag.substr(8), ',')) {
                if (part.starts_with("from=")) {
                    found.push_back(part.substr(5));
                }
            }
        }
    }
    return found;
}

class ImagesFound {
public:
    void add(std::string_view image) {
        const bool is_stage = stages_.contains(to_lower(image));
        if (image.empty() || image == "scratch" || is_stage || parse_uint(image) ||
            image.find('$') != std::string_view::npos || !known_.emplace(image).second) {
            return;
        }
        images_.emplace_back(image);
    }
    void add_stage(const std::string& name) { stages_.insert(name); }
    [[nodiscard]] std::vector<std::string> take() { return std::move(images_); }

private:
    std::set<std::string, std::less<>> stages_;
    std::set<std::string, std::less<>> known_;
    std::vector<std::string> images_;
};

}  // namespace

std::string standalone_dockerfile(std::string_view text, std::string_view target, const Args& args) {
    const auto dockerfile = split_dockerfile(text);
    check_declared(dockerfile, args);
    const auto count = lines_until(dockerfile, target);
    const DockerfileVariables values(args.begin(), args.end());
    std::string result;
    std::size_t taken = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto& line = dockerfile.lines[i];
        if (line.keyword != "ARG") {
            continue;
        }
        for (const auto& one : declared_in(line, dockerfile.escape)) {
            const auto given = values.find(one.name);
            if (given == values.end()) {
                continue;
            }
            result += text.substr(taken, line.place_of(one.word.begin) - taken);
            result += given->first + "=" + quoted_argument(given->first, given->second, dockerfile.escape);
            taken = line.place_of(one.word.end - 1) + 1;
        }
    }
    const auto end = count < dockerfile.lines.size() ? dockerfile.lines[count].begin : text.size();
    return result.append(text.substr(taken, end - taken));
}

std::vector<std::string> arguments_of_dockerfile(std::string_view text) {
    const auto names = declared_names(split_dockerfile(text));
    return {names.begin(), names.end()};
}

std::vector<std::string> images_of_dockerfile(std::string_view text, const Args& args) {
    const auto dockerfile = split_dockerfile(text);
    const auto variables = global_variables(dockerfile, {args.begin(), args.end()});
    const auto stages = find_stages(dockerfile);
    ImagesFound images;
    for (const auto& stage : stages) {
        if (const auto image = find_expansion(stage.image, variables, dockerfile.escape)) {
            images.add(*image);
        }
        if (!stage.name.empty()) {
            images.add_stage(stage.name);
        }
        for (std::size_t i = stage.first + 1; i < stage.end; ++i) {
            for (const auto source : sources_of(dockerfile.lines[i])) {
                images.add(source);
            }
        }
    }
    return images.take();
}

}  // namespace cooper::build
