#include "build/dockerfile/checks.hpp"

#include "cooper/base/text.hpp"

#include "build/dockerfile/characters.hpp"
#include "build/dockerfile/directives.hpp"
#include "build/dockerfile/source_error.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

/// strconv.ParseBool's words.
std::optional<bool> parse_switch(std::string_view text) {
    constexpr std::array<std::string_view, 6> kOn{"1", "t", "T", "true", "TRUE", "True"};
    constexpr std::array<std::string_view, 6> kOff{"0", "f", "F", "false", "FALSE", "False"};
    if (std::find(kOn.begin(), kOn.end(), text) != kOn.end()) {
        return true;
    }
    return std::find(kOff.begin(), kOff.end(), text) != kOff.end() ? std::optional(false) : std::nullopt;
}

bool is_lower(std::string_view text) {
    return to_lower(text) == text;
}

bool is_upper(std::string_view text) {
    return to_upper(text) == text;
}

class LineChecks {
public:
    LineChecks(const DockerfileLines& lines, Dockerfile& dockerfile)
        : lines_(lines), dockerfile_(dockerfile), rules_(rules_of(dockerfile)) {}

    void run() {
        dockerfile_.warnings_are_errors = rules_.errors();
        check_casing();
        for (const auto& line : lines_.lines) {
            if (line.blank_line) {
                warn("NoEmptyContinuation", "Empty continuation line", {*line.blank_line, 1}, line);
            }
            if (line.keyword == "MAINTAINER") {
                warn("MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label", line);
            } else if (line.keyword == "FROM") {
                check_from(line);
            } else if (line.keyword == "ARG") {
                check_description(line, names_of(line));
            }
        }
        std::stable_sort(dockerfile_.warnings.begin(), dockerfile_.warnings.end(),
                         [](const auto& a, const auto& b) { return a.position.line < b.position.line; });
    }

private:
    static CheckRules rules_of(const Dockerfile& dockerfile) {
        try {
            return CheckRules(dockerfile.check);
        } catch (const Error& error) {
            const auto place = dockerfile.text.find(dockerfile.check);
            throw source_error(dockerfile.text, dockerfile.file, place, error.what(),
                               "write it as # check=skip=RULE,RULE;error=true");
        }
    }

    void warn(std::string_view rule, std::string message, DockerfilePosition position, const DockerfileLine& line) {
        if (rules_.reports(rule, check_of_comments(line.comments))) {
            dockerfile_.warnings.push_back({std::string(rule), std::move(message), position});
        }
    }
    void warn(std::string_view rule, std::string message, const DockerfileLine& line) {
        warn(rule, std::move(message), {line.number, 1}, line);
    }

    void check_casing() {
        std::size_t lower = 0;
        std::size_t upper = 0;
        for (const auto& line : counted_lines()) {
            lower += is_lower(line->word) ? 1U : 0U;
            upper += is_upper(line->word) ? 1U : 0U;
        }
        const bool want_lower = lower > upper;
        for (const auto& line : counted_lines()) {
            if (want_lower ? !is_lower(line->word) : !is_upper(line->word)) {
                warn("ConsistentInstructionCasing",
                     "Command '" + line->word + "' should match the case of the command majority (" +
                         (want_lower ? "lowercase" : "uppercase") + ")",
                     *line);
            }
        }
    }

    /// Those from the first FROM on.
    [[nodiscard]] std::vector<const DockerfileLine*> counted_lines() const {
        std::vector<const DockerfileLine*> counted;
        for (const auto& line : lines_.lines) {
            if (!counted.empty() || line.keyword == "FROM") {
                counted.push_back(&line);
            }
        }
        return counted;
    }

    void check_from(const DockerfileLine& line) {
        const auto words = split_blanks(line.rest());
        if (words.size() != 3) {
            return;
        }
        const auto name = to_lower(words[2]);
        const std::string shown(words[2]);
        if (shown != name) {
            warn("StageNameCasing", "Stage name '" + shown + "' should be lowercase", line);
        }
        const bool mixed = !is_lower(line.word) && !is_upper(line.word);
        if (!mixed && (is_lower(line.word) ? !is_lower(words[1]) : !is_upper(words[1]))) {
            warn("FromAsCasing",
                 "'" + std::string(words[1]) + "' and '" + line.word + "' keywords' casing do not match", line);
        }
        if (name == "context" || name == "scratch") {
            warn("ReservedStageName", "Stage name should not use the same name as reserved stage \"" + name + "\"",
                 line);
        }
        if (!stage_names_.insert(name).second) {
            warn("DuplicateStageName", "Duplicate stage name \"" + name + "\", stage names should be unique", line);
        }
        check_description(line, {name});
    }

    [[nodiscard]] std::vector<std::string> names_of(const DockerfileLine& arg) const {
        std::vector<std::string> names;
        for (const auto& word : split_words(arg.rest(), lines_.escape)) {
            const auto text = arg.rest().substr(word.begin, word.end - word.begin);
            names.emplace_back(text.substr(0, text.find('=')));
        }
        return names;
    }

    void check_description(const DockerfileLine& line, const std::vector<std::string>& names) {
        if (line.comments.empty() || names.empty()) {
            return;
        }
        const std::string_view comment = line.comments.back();
        if (std::find(names.begin(), names.end(), comment.substr(0, comment.find(' '))) == names.end()) {
            warn("InvalidDefinitionDescription",
                 "Comment for " + line.keyword + " should follow the format: `# " +
                     (names.size() > 1 ? "<arg_key>" : names[0]) + " <description>`",
                 line);
        }
    }

    const DockerfileLines& lines_;
    Dockerfile& dockerfile_;
    CheckRules rules_;
    std::set<std::string> stage_names_;
};

}  // namespace

CheckRules::Rules CheckRules::parse_rules(std::string_view text) {
    Rules rules;
    rules.all = trim(text) == "all";
    for (const auto name : split(text, ',')) {
        rules.names.emplace(trim(name));
    }
    return rules;
}

CheckRules::CheckRules(std::string_view text) {
    for (const auto option : split(trim(text), ';')) {
        if (trim(text).empty()) {
            return;
        }
        const auto equals = option.find('=');
        const auto key = trim(option.substr(0, equals));
        const auto value = equals == std::string_view::npos ? "" : trim(option.substr(equals + 1));
        if (equals != std::string_view::npos && key == "skip") {
            skipped_ = parse_rules(value);
        } else if (equals != std::string_view::npos && key == "experimental") {
            experimental_ = parse_rules(value);
        } else if (const auto on = parse_switch(value); key == "error" && on) {
            errors_ = *on;
        } else {
            throw Error(ErrorCode::InvalidInput, "invalid check option \"" + oci::printable(option) + "\"");
        }
    }
}

bool CheckRules::reports(std::string_view rule, std::string_view also) const {
    if (!also.empty()) {
        const CheckRules here(also);
        if (rule == "InvalidDefinitionDescription" ? here.experimental_.has(rule) : here.skipped_.has(rule)) {
            return rule == "InvalidDefinitionDescription";
        }
    }
    return rule == "InvalidDefinitionDescription" ? experimental_.has(rule) : !skipped_.has(rule);
}

std::string check_of_comments(const std::vector<std::string>& comments) {
    for (const std::string_view comment : comments) {
        const auto directive = parse_directive(comment);
        if (!directive || directive->key != "check") {
            continue;
        }
        const auto value = directive->value.substr(0, directive->value.find(' '));
        try {
            static_cast<void>(CheckRules(value));
            return std::string(value);
        } catch (const Error&) {
            return "";
        }
    }
    return "";
}

void check_lines(const DockerfileLines& lines, Dockerfile& dockerfile) {
    LineChecks(lines, dockerfile).run();
}

}  // namespace cooper::build
