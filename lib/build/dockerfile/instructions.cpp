#include "build/dockerfile/instructions.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/edit.hpp"

#include "build/dockerfile/characters.hpp"
#include "build/dockerfile/run_mount.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace cooper::build {

namespace {

using Kind = InstructionFlags::Kind;
using Known = InstructionFlags::Known;

constexpr std::array<std::string_view, 18> kKeywords{
    "ADD",   "ARG",        "CMD",     "COPY", "ENTRYPOINT", "ENV",        "EXPOSE", "FROM",   "HEALTHCHECK",
    "LABEL", "MAINTAINER", "ONBUILD", "RUN",  "SHELL",      "STOPSIGNAL", "USER",   "VOLUME", "WORKDIR"};

std::vector<std::string> strings(const std::vector<std::string_view>& words) {
    return {words.begin(), words.end()};
}

std::vector<std::string> one_or_none(std::string_view text) {
    return text.empty() ? std::vector<std::string>() : std::vector<std::string>{std::string(text)};
}

/// NAME=VALUE…, or the old form NAME VALUE, whose value is the rest of the line.
std::vector<std::string> assignments(const DockerfileLine& line, char escape) {
    const auto rest = line.rest();
    const auto words = split_words(rest, escape);
    std::vector<std::string> parts;
    if (words.empty()) {
        return parts;
    }
    const auto text_of = [&](const DockerfileWord& word) { return rest.substr(word.begin, word.end - word.begin); };
    if (text_of(words[0]).find('=') == std::string_view::npos) {
        const auto end = rest.find_first_of(kDockerfileBlanks);
        if (end == std::string_view::npos) {
            throw Error(ErrorCode::InvalidInput, line.keyword + " must have two arguments");
        }
        const auto value = rest.find_first_not_of(kDockerfileBlanks, end);
        return {std::string(rest.substr(0, end)), std::string(rest.substr(value)), ""};
    }
    for (const auto& word : words) {
        const auto text = text_of(word);
        const auto equals = text.find('=');
        if (equals == std::string_view::npos) {
            throw Error(ErrorCode::InvalidInput, "\"" + oci::printable(text) + "\" has no '=': " + line.keyword +
                                                     " takes NAME=VALUE, a value with blanks in quotes");
        }
        parts.emplace_back(text.substr(0, equals));
        parts.emplace_back(text.substr(equals + 1));
        parts.emplace_back("=");
    }
    return parts;
}

std::vector<std::string> healthcheck_arguments(const DockerfileLine& line) {
    const auto rest = line.rest();
    if (rest.empty()) {
        return {};
    }
    const auto type_end = std::min(rest.find_first_of(kDockerfileBlanks), rest.size());
    std::vector<std::string> words{std::string(rest.substr(0, type_end))};
    auto command = line.json ? *line.json : one_or_none(trim_left_blanks(rest.substr(type_end)));
    words.insert(words.end(), std::make_move_iterator(command.begin()), std::make_move_iterator(command.end()));
    return words;
}

class InstructionReader {
public:
    InstructionReader(const DockerfileLine& line, char escape, const LineFailure& fail)
        : line_(line), escape_(escape), fail_(fail) {
        try {
            arguments_ = arguments_of(line, escape);
        } catch (const Error& error) {
            this->fail(error.what());
        }
    }

    InstructionKind read() const {
        static constexpr std::array<std::pair<std::string_view, InstructionKind (InstructionReader::*)() const>, 17>
            kReaders{{{"ADD", &InstructionReader::read_copy},
                      {"ARG", &InstructionReader::read_arg},
                      {"CMD", &InstructionReader::read_cmd},
                      {"COPY", &InstructionReader::read_copy},
                      {"ENTRYPOINT", &InstructionReader::read_entrypoint},
                      {"ENV", &InstructionReader::read_env},
                      {"EXPOSE", &InstructionReader::read_expose},
                      {"HEALTHCHECK", &InstructionReader::read_healthcheck},
                      {"LABEL", &InstructionReader::read_label},
                      {"MAINTAINER", &InstructionReader::read_maintainer},
                      {"ONBUILD", &InstructionReader::read_onbuild},
                      {"RUN", &InstructionReader::read_run},
                      {"SHELL", &InstructionReader::read_shell},
                      {"STOPSIGNAL", &InstructionReader::read_stop_signal},
                      {"USER", &InstructionReader::read_user},
                      {"VOLUME", &InstructionReader::read_volume},
                      {"WORKDIR", &InstructionReader::read_workdir}}};
        const auto* const reader =
            std::find_if(kReaders.begin(), kReaders.end(), [&](const auto& one) { return one.first == line_.keyword; });
        if (reader == kReaders.end()) {
            fail_at(line_.text.find(line_.word), "unknown instruction: " + oci::printable(line_.word),
                    did_you_mean(line_.keyword, kKeywords));
        }
        return (this->*reader->second)();
    }

    DockerfileStage read_from() const {
        if (arguments_.size() != 1 && (arguments_.size() != 3 || !equals_ignoring_case(arguments_[1], "AS"))) {
            fail("FROM requires either one or three arguments", "write it as FROM IMAGE [AS NAME]");
        }
        DockerfileStage stage;
        stage.base = arguments_[0];
        if (arguments_.size() == 3) {
            stage.name = to_lower(arguments_[2]);
            check_stage_name(stage.name);
        }
        static constexpr std::array kFlags{Known{"platform", Kind::Text}};
        stage.platform = flags(kFlags).text("platform");
        stage.original = trim_blanks(line_.text);
        return stage;
    }

private:
    [[noreturn]] void fail_at(std::size_t offset, const std::string& problem, const std::string& advice = "") const {
        fail_(offset, problem, advice);
        throw Error(ErrorCode::InvalidInput, problem);
    }
    [[noreturn]] void fail(const std::string& problem, const std::string& advice = "") const {
        fail_at(line_.arguments, problem, advice);
    }

    [[nodiscard]] InstructionFlags flags(std::span<const Known> known = {}) const {
        return InstructionFlags(line_, known, fail_);
    }

    void need_some() const {
        if (arguments_.empty()) {
            fail(line_.keyword + " requires at least one argument");
        }
    }

    [[nodiscard]] const std::string& need_one() const {
        if (arguments_.size() != 1) {
            fail(line_.keyword + " requires exactly one argument");
        }
        return arguments_[0];
    }
    [[nodiscard]] const std::string& need_one_without_flags() const {
        const auto& argument = need_one();
        static_cast<void>(flags());
        return argument;
    }

    void check_stage_name(std::string_view name) const {
        constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyz";
        constexpr std::string_view kRest = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
        if (name.substr(0, 1).find_first_not_of(kFirst) != std::string_view::npos ||
            name.find_first_not_of(kRest) != std::string_view::npos) {
            fail_at(line_.text.rfind(arguments_[2]),
                    "invalid name for build stage: \"" + oci::printable(arguments_[2]) + "\"",
                    "a name begins with a letter and has letters, digits, '-', '_' and '.'");
        }
    }

    [[nodiscard]] std::vector<KeyValue> pairs() const {
        need_some();
        static_cast<void>(flags());
        std::vector<KeyValue> found;
        for (std::size_t i = 0; i + 2 < arguments_.size(); i += 3) {
            if (arguments_[i].empty()) {
                fail(line_.keyword + " names can not be blank");
            }
            found.push_back({arguments_[i], arguments_[i + 1]});
        }
        return found;
    }

    [[nodiscard]] bool is_legacy() const { return arguments_.size() == 3 && arguments_[2].empty(); }

    [[nodiscard]] CommandWords command() const {
        CommandWords found;
        found.shell = !line_.json;
        found.words = arguments_;
        return found;
    }

    [[nodiscard]] InstructionKind read_arg() const {
        need_some();
        ArgInstruction arg;
        for (const auto& word : arguments_) {
            const auto equals = word.find('=');
            if (equals == 0) {
                fail("ARG names can not be blank");
            }
            ArgInstruction::Declaration declaration;
            declaration.name = word.substr(0, equals);
            if (equals != std::string::npos) {
                declaration.value = word.substr(equals + 1);
            }
            arg.declarations.push_back(std::move(declaration));
        }
        return arg;
    }

    [[nodiscard]] InstructionKind read_env() const { return EnvInstruction{pairs(), is_legacy()}; }
    [[nodiscard]] InstructionKind read_label() const { return LabelInstruction{pairs(), is_legacy()}; }
    [[nodiscard]] InstructionKind read_maintainer() const { return MaintainerInstruction{need_one_without_flags()}; }
    [[nodiscard]] InstructionKind read_workdir() const { return WorkdirInstruction{need_one_without_flags()}; }
    [[nodiscard]] InstructionKind read_user() const { return UserInstruction{need_one_without_flags()}; }
    [[nodiscard]] InstructionKind read_stop_signal() const { return StopSignalInstruction{need_one()}; }

    [[nodiscard]] InstructionKind read_cmd() const {
        static_cast<void>(flags());
        return CmdInstruction{command()};
    }
    [[nodiscard]] InstructionKind read_entrypoint() const {
        static_cast<void>(flags());
        return EntrypointInstruction{command()};
    }

    [[nodiscard]] InstructionKind read_shell() const {
        static_cast<void>(flags());
        need_some();
        if (!line_.json) {
            fail("SHELL requires the arguments to be in JSON form", "for example SHELL [\"/bin/bash\", \"-c\"]");
        }
        return ShellInstruction{arguments_};
    }

    [[nodiscard]] InstructionKind read_expose() const {
        need_some();
        static_cast<void>(flags());
        ExposeInstruction expose{arguments_};
        std::sort(expose.ports.begin(), expose.ports.end());
        return expose;
    }

    [[nodiscard]] InstructionKind read_volume() const {
        need_some();
        static_cast<void>(flags());
        VolumeInstruction volume;
        for (const auto& word : arguments_) {
            const auto path = trim_blanks(word);
            if (path.empty()) {
                fail("a VOLUME can not be an empty string");
            }
            volume.paths.emplace_back(path);
        }
        return volume;
    }

    [[nodiscard]] InstructionKind read_copy() const {
        static constexpr std::array kCopyFlags{Known{"chown", Kind::Text},   Known{"from", Kind::Text},
                                               Known{"chmod", Kind::Text},   Known{"link", Kind::Boolean},
                                               Known{"exclude", Kind::List}, Known{"parents", Kind::Boolean}};
        static constexpr std::array kAddFlags{Known{"chown", Kind::Text},    Known{"chmod", Kind::Text},
                                              Known{"link", Kind::Boolean},  Known{"keep-git-dir", Kind::Boolean},
                                              Known{"checksum", Kind::Text}, Known{"unpack", Kind::Boolean},
                                              Known{"exclude", Kind::List}};
        if (arguments_.size() < 2) {
            fail(line_.keyword + " requires at least two arguments, but only one was provided",
                 "write it as " + line_.keyword + " SOURCE… DESTINATION");
        }
        CopyInstruction copy;
        copy.add = line_.keyword == "ADD";
        const auto given = copy.add ? flags(kAddFlags) : flags(kCopyFlags);
        copy.from = given.text("from");
        copy.chown = given.text("chown");
        copy.chmod = given.text("chmod");
        copy.checksum = given.text("checksum");
        copy.link = given.boolean("link").value_or(false);
        copy.parents = given.boolean("parents").value_or(false);
        copy.keep_git_dir = given.boolean("keep-git-dir").value_or(false);
        copy.unpack = given.boolean("unpack");
        copy.exclude = given.list("exclude");
        if (copy.from.find('$') != std::string::npos) {
            check_copy_from(copy.from, given.offset("from"));
        }
        take_sources(copy);
        return copy;
    }

    void check_copy_from(const std::string& from, std::size_t offset) const {
        std::string plain;
        try {
            plain = expand_word(from, escape_, [](std::string_view) { return std::nullopt; });
        } catch (const Error&) {
            plain.clear();
        }
        if (plain != from) {
            fail_at(offset, "variable expansion is not supported for --from",
                    "define a stage with FROM, using an ARG from above the first FROM, and use its name here");
        }
    }

    static std::optional<Heredoc> as_heredoc(std::string_view word) {
        try {
            return parse_heredoc_word(word);
        } catch (const Error&) {
            return std::nullopt;
        }
    }

    void take_sources(CopyInstruction& copy) const {
        copy.destination = arguments_.back();
        if (as_heredoc(copy.destination)) {
            fail(line_.keyword + " cannot accept a heredoc as a destination");
        }
        for (auto word = arguments_.begin(); word + 1 != arguments_.end(); ++word) {
            auto heredoc = as_heredoc(*word);
            if (!heredoc) {
                copy.sources.push_back(*word);
                continue;
            }
            const auto body = std::find_if(line_.heredocs.rbegin(), line_.heredocs.rend(),
                                           [&](const Heredoc& one) { return one.name == heredoc->name; });
            if (body != line_.heredocs.rend()) {
                heredoc->content = heredoc->chomp ? without_leading_tabs(body->content) : body->content;
            }
            copy.inline_sources.push_back(*std::move(heredoc));
        }
    }

    [[nodiscard]] InstructionKind read_run() const {
        static constexpr std::array kFlags{Known{"mount", Kind::List}, Known{"network", Kind::Text},
                                           Known{"security", Kind::Text}};
        const auto given = flags(kFlags);
        RunInstruction run;
        run.command = command();
        run.mount_texts = given.list("mount");
        run.network = given.text("network");
        run.security = given.text("security");
        for (const auto& mount : run.mount_texts) {
            try {
                static_cast<void>(check_run_mount(mount));
            } catch (const Error& error) {
                fail_at(given.offset("mount"), error.what(), error.advice());
            }
        }
        check_one_of(given, "network", {"default", "none", "host"});
        check_one_of(given, "security", {"sandbox", "insecure"});
        for (auto heredoc : line_.heredocs) {
            heredoc.written = heredoc.content;
            if (heredoc.chomp) {
                heredoc.content = without_leading_tabs(heredoc.content);
            }
            run.heredocs.push_back(std::move(heredoc));
        }
        return run;
    }

    void check_one_of(const InstructionFlags& given, std::string_view name,
                      std::initializer_list<std::string_view> allowed) const {
        const auto value = given.text(name);
        if (given.offset(name) == 0 || std::find(allowed.begin(), allowed.end(), value) != allowed.end()) {
            return;
        }
        const std::vector<std::string_view> names(allowed);
        fail_at(given.offset(name), "\"" + oci::printable(value) + "\" is no value of --" + std::string(name),
                did_you_mean(value, names));
    }

    [[nodiscard]] std::optional<std::chrono::nanoseconds> interval(const InstructionFlags& given,
                                                                   std::string_view name) const {
        const auto text = given.text(name);
        if (text.empty()) {
            return std::nullopt;
        }
        std::chrono::nanoseconds value{};
        try {
            value = parse_go_duration(text);
        } catch (const Error& error) {
            fail_at(given.offset(name), error.what());
        }
        if (value == std::chrono::nanoseconds(0)) {
            return std::nullopt;
        }
        if (value < std::chrono::milliseconds(1)) {
            fail_at(given.offset(name), "--" + std::string(name) + " cannot be less than 1ms");
        }
        return value;
    }

    [[nodiscard]] InstructionKind read_healthcheck() const {
        static constexpr std::array kFlags{Known{"interval", Kind::Text}, Known{"timeout", Kind::Text},
                                           Known{"start-period", Kind::Text}, Known{"start-interval", Kind::Text},
                                           Known{"retries", Kind::Text}};
        need_some();
        HealthcheckInstruction check;
        const auto type = to_upper(arguments_[0]);
        if (type == "NONE") {
            if (arguments_.size() > 1) {
                fail("HEALTHCHECK NONE takes no arguments");
            }
            check.test = {"NONE"};
            return check;
        }
        const auto given = flags(kFlags);
        if (type != "CMD") {
            fail("unknown type \"" + oci::printable(type) + "\" in HEALTHCHECK",
                 "write HEALTHCHECK CMD COMMAND or HEALTHCHECK NONE");
        }
        if (arguments_.size() < 2) {
            fail("the command after HEALTHCHECK CMD is missing");
        }
        check.test = arguments_;
        check.test[0] = line_.json ? "CMD" : "CMD-SHELL";
        check.interval = interval(given, "interval");
        check.timeout = interval(given, "timeout");
        check.start_period = interval(given, "start-period");
        check.start_interval = interval(given, "start-interval");
        check.retries = retries(given);
        return check;
    }

    [[nodiscard]] std::optional<std::uint64_t> retries(const InstructionFlags& given) const {
        const auto text = given.text("retries");
        if (text.empty()) {
            return std::nullopt;
        }
        std::int32_t number = 0;
        const auto* const begin = text.data() + (text.starts_with('+') ? 1 : 0);
        const auto* const end = text.data() + text.size();
        const auto [last, error] = std::from_chars(begin, end, number);
        if (error != std::errc() || last != end || number < 0) {
            fail_at(given.offset("retries"), "--retries is a number, not \"" + oci::printable(text) + "\"");
        }
        return number == 0 ? std::nullopt : std::optional<std::uint64_t>(number);
    }

    [[nodiscard]] InstructionKind read_onbuild() const {
        need_some();
        static_cast<void>(flags());
        const auto trigger = trigger_of(line_, escape_);
        if (trigger.keyword == "ONBUILD") {
            fail("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
        }
        if (trigger.keyword == "MAINTAINER" || trigger.keyword == "FROM") {
            fail(trigger.keyword + " isn't allowed as an ONBUILD trigger");
        }
        const auto word = line_.text.find(line_.word) + line_.word.size();
        OnbuildInstruction onbuild{std::string(trim_left_blanks(std::string_view(line_.text).substr(word)))};
        for (const auto& heredoc : line_.heredocs) {
            onbuild.trigger += "\n" + heredoc.content + heredoc.name;
        }
        return onbuild;
    }

    const DockerfileLine& line_;
    char escape_;
    const LineFailure& fail_;
    std::vector<std::string> arguments_;
};

}  // namespace

std::vector<std::string> arguments_of(const DockerfileLine& line, char escape) {
    if (line.keyword == "HEALTHCHECK") {
        return healthcheck_arguments(line);
    }
    if (line.json) {
        return *line.json;
    }
    if (line.keyword == "ENV" || line.keyword == "LABEL") {
        return assignments(line, escape);
    }
    if (line.keyword == "ARG") {
        std::vector<std::string> words;
        for (const auto& word : split_words(line.rest(), escape)) {
            words.emplace_back(line.rest().substr(word.begin, word.end - word.begin));
        }
        return words;
    }
    const bool listed = line.keyword == "COPY" || line.keyword == "ADD" || line.keyword == "EXPOSE" ||
                        line.keyword == "FROM" || line.keyword == "VOLUME";
    return listed ? strings(split_blanks(line.rest())) : one_or_none(line.rest());
}

DockerfileStage read_stage(const DockerfileLine& line, const LineFailure& fail) {
    return InstructionReader(line, '\\', fail).read_from();
}

Instruction read_instruction(const DockerfileLine& line, char escape, const LineFailure& fail) {
    Instruction instruction{InstructionReader(line, escape, fail).read(), line.keyword, "", {}, ""};
    instruction.original = trim_blanks(line.text);
    return instruction;
}

}  // namespace cooper::build
