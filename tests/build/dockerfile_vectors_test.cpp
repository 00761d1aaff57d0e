// Answers of BuildKit's parser, lexer and small grammars (tests/golden/dockerfile/README.md).
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/dockerfile.hpp"
#include "cooper/build/edit.hpp"
#include "cooper/oci/platform.hpp"

#include "build/dockerfile/directives.hpp"
#include "build/dockerfile/expansion.hpp"
#include "build/dockerfile/instructions.hpp"
#include "build/dockerfile/lines.hpp"
#include "build/vectors/vectors.hpp"

#include <catch2/catch.hpp>

#include <array>
#include <map>

using namespace cooper;
using namespace cooper::build;
using cooper::testing::dockerfile_vectors;
using cooper::testing::find_text;
using cooper::testing::text_or;
using cooper::testing::texts;
using cooper::testing::Value;

namespace {

using Lookup = std::map<std::string, std::string, std::less<>>;

VariableLookup lookup_of(const Lookup& values) {
    return [&values](std::string_view name) {
        const auto found = values.find(name);
        return found == values.end() ? std::nullopt : std::optional(found->second);
    };
}

/// What went wrong, nullopt: nothing.
template <class Body>
std::optional<std::string> failure_of(Body body) {
    try {
        body();
        return std::nullopt;
    } catch (const Error& error) {
        return error.what();
    }
}

// --- parser ----------------------------------------------------------------------------------------------------------

Value node_of(const DockerfileLine& line, char escape, bool nested);

Value arguments_as_json(const DockerfileLine& line, char escape) {
    if (line.keyword == "ONBUILD") {
        if (line.rest().empty()) {
            return Value::array();
        }
        return Value::array({Value{{"sub", node_of(trigger_of(line, escape), escape, true)}}});
    }
    const auto arguments = arguments_of(line, escape);
    constexpr std::string_view kKnown =
        " ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER RUN SHELL STOPSIGNAL USER VOLUME "
        "WORKDIR ";
    const bool is_known = kKnown.find(" " + line.keyword + " ") != std::string_view::npos;
    return is_known ? Value(arguments) : Value::array({""});  // BuildKit's node of what it does not know
}

Value node_of(const DockerfileLine& line, char escape, bool nested) {
    Value node{{"args", arguments_as_json(line, escape)}};
    node["end_line"] = nested ? 0 : line.last;
    for (const auto& flag : line.flags) {
        node["flags"].push_back(flag.text);
    }
    for (const auto& heredoc : line.heredocs) {
        node["heredocs"].push_back(Value{{"chomp", heredoc.chomp},
                                         {"content", heredoc.content},
                                         {"expand", heredoc.expand},
                                         {"fd", heredoc.descriptor},
                                         {"name", heredoc.name}});
    }
    node["instruction"] = line.word;
    if (line.json && (nested || line.keyword != "ONBUILD")) {
        node["json"] = true;
    }
    node["original"] = line.text;
    if (!line.comments.empty()) {
        node["prev_comment"] = line.comments;
    }
    node["start_line"] = nested ? 0 : line.number;
    return node;
}

std::string go_quoted(std::string_view text) {
    std::string quoted = "\"";
    for (const char c : text) {
        switch (c) {
            case '"':
            case '\\':
                quoted += '\\';
                quoted += c;
                break;
            case '\n':
                quoted += "\\n";
                break;
            case '\t':
                quoted += "\\t";
                break;
            case '\b':
                quoted += "\\b";
                break;
            case '\0':
                quoted += "\\x00";
                break;
            case '\f':
                quoted += "\\f";
                break;
            case '\v':
                quoted += "\\v";
                break;
            case '\r':
                quoted += "\\r";
                break;
            default:
                quoted += c;
        }
    }
    return quoted + "\"";
}

/// BuildKit's s-expression of one node.
std::string dump_of(const Value& node) {
    std::string text = to_lower(text_or(node, "instruction"));
    if (node.contains("flags")) {
        text += " [";
        for (const auto& flag : node.at("flags")) {
            text += (text.ends_with('[') ? "" : " ") + go_quoted(flag.get<std::string>());
        }
        text += "]";
    }
    for (const auto& argument : node.at("args")) {
        text += argument.is_string() ? " " + go_quoted(argument.get<std::string>())
                                     : " (" + dump_of(argument.at("sub")) + ")";
    }
    return text;
}

/// The same node without what our line does not say.
Value sorted(const Value& node) {
    return Value(nlohmann::json(node));
}

}  // namespace

TEST_CASE("dockerfile vectors: lines, flags, words and heredocs as BuildKit parses them", "[unit][build][golden]") {
    for (const auto& item : dockerfile_vectors("parser-cases.json")) {
        const auto text = text_or(item, "dockerfile");
        INFO(text_or(item, "name") << "\n" << text.substr(0, 2000));
        if (item.contains("error")) {
            const auto problem = failure_of([&] {
                const auto split = split_dockerfile(text);
                for (const auto& line : split.lines) {
                    static_cast<void>(arguments_of(line, split.escape));
                }
                if (split.lines.empty()) {
                    throw Error(ErrorCode::InvalidInput, "no instructions");
                }
            });
            CHECK(problem.has_value());
            continue;
        }
        const auto split = split_dockerfile(text);
        CHECK(std::string(1, split.escape) == text_or(item, "escape_token", "\\"));
        const auto& nodes = item.at("nodes");
        REQUIRE(split.lines.size() == nodes.size());
        std::string dump;
        std::vector<std::string> warnings;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            const auto node = node_of(split.lines[i], split.escape, false);
            CHECK(sorted(node).dump(1) == sorted(nodes[i]).dump(1));
            dump += (dump.empty() ? "(" : "\n(") + dump_of(node) + ")";
            if (split.lines[i].blank_line) {
                warnings.push_back("Empty continuation line found in: " + split.lines[i].text);
            }
        }
        CHECK(warnings == (item.contains("warnings") ? texts(item.at("warnings")) : std::vector<std::string>()));
        if (item.contains("dump")) {
            CHECK(dump == text_or(item, "dump"));
        }
    }
}

TEST_CASE("dockerfile vectors: directives", "[unit][build][golden]") {
    for (const auto& item : dockerfile_vectors("parser-cases.json")) {
        const auto text = text_or(item, "dockerfile");
        INFO(text.substr(0, 2000));
        const auto expected = [&](const char* key) {
            return item.contains(key) ? text_or(item.at(key), "cmdline") : std::string();
        };
        CHECK(find_directive(text, "syntax", true) == expected("syntax"));
        CHECK(find_directive(text, "check", false) == expected("check"));
    }
}

// --- instructions ----------------------------------------------------------------------------------------------------

namespace {

Value list_or_null(const std::vector<std::string>& list) {
    return list.empty() ? Value() : Value(list);
}

Value mount_as_json(const RunMount& mount) {
    constexpr std::array<const char*, 5> kTypes{"bind", "cache", "tmpfs", "secret", "ssh"};
    constexpr std::array<const char*, 3> kSharing{"shared", "private", "locked"};
    Value json{{"Type", kTypes.at(static_cast<std::size_t>(mount.type))},
               {"From", mount.from},
               {"Source", mount.source},
               {"Target", mount.target},
               {"ReadOnly", mount.read_only},
               {"SizeLimit", mount.size.value_or(0)},
               {"CacheID", mount.id},
               {"CacheSharing", kSharing.at(static_cast<std::size_t>(mount.sharing))},
               {"Required", mount.required.value_or(false)},
               {"Env", Value()},
               {"Mode", Value()},
               {"UID", Value()},
               {"GID", Value()}};
    if (mount.env) {
        json["Env"] = *mount.env;
    }
    if (mount.mode) {
        json["Mode"] = *mount.mode;
    }
    if (mount.uid) {
        json["UID"] = *mount.uid;
    }
    if (mount.gid) {
        json["GID"] = *mount.gid;
    }
    return json;
}

/// One instruction in the words of the vectors.
struct AsJson {
    Value json;

    void operator()(const ArgInstruction& arg) {
        for (const auto& one : arg.declarations) {
            Value declaration{{"key", one.name}};
            if (one.value) {
                declaration["value"] = *one.value;
            }
            json["args"].push_back(declaration);
        }
    }
    void pairs(const std::vector<KeyValue>& all, bool legacy) {
        for (const auto& one : all) {
            json["pairs"].push_back(Value{{"key", one.key}, {"legacy", legacy}, {"value", one.value}});
        }
    }
    void operator()(const EnvInstruction& env) { pairs(env.variables, env.legacy); }
    void operator()(const LabelInstruction& label) { pairs(label.labels, label.legacy); }
    void operator()(const MaintainerInstruction& maintainer) { json["value"] = maintainer.name; }
    void operator()(const WorkdirInstruction& workdir) { json["value"] = workdir.path; }
    void operator()(const UserInstruction& user) { json["value"] = user.user; }
    void operator()(const StopSignalInstruction& stop) { json["value"] = stop.signal; }
    void operator()(const ShellInstruction& shell) { json["values"] = shell.shell; }
    void operator()(const VolumeInstruction& volume) { json["values"] = volume.paths; }
    void operator()(const ExposeInstruction& expose) { json["ports"] = expose.ports; }
    void operator()(const OnbuildInstruction& onbuild) { json["expression"] = onbuild.trigger; }

    void command(const CommandWords& words) {
        json["cmdline"] = words.words;
        json["shell_form"] = words.shell;
    }
    void operator()(const CmdInstruction& cmd) { command(cmd.command); }
    void operator()(const EntrypointInstruction& entrypoint) {
        command(entrypoint.command);
        json["cmdline"] = list_or_null(entrypoint.command.words);
    }

    void operator()(const CopyInstruction& copy) {
        json["sources"] = list_or_null(copy.sources);
        json["dest"] = copy.destination;
        json["chown"] = copy.chown;
        json["chmod"] = copy.chmod;
        json["link"] = copy.link;
        json["exclude"] = list_or_null(copy.exclude);
        for (const auto& source : copy.inline_sources) {
            json["inline"].push_back(Value{{"data", source.content}, {"expand", source.expand}, {"name", source.name}});
        }
        if (!copy.add) {
            json["from"] = copy.from;
            json["parents"] = copy.parents;
            return;
        }
        json["checksum"] = copy.checksum;
        if (copy.unpack) {
            json["unpack"] = *copy.unpack;
        }
    }

    void operator()(const RunInstruction& run) {
        command(run.command);
        for (const auto& heredoc : run.heredocs) {
            json["files"].push_back(Value{{"chomp", heredoc.chomp}, {"data", heredoc.written}, {"name", heredoc.name}});
        }
        json["network"] = run.network.empty() ? "default" : run.network;
        json["security"] = run.security.empty() ? "sandbox" : run.security;
        const auto error = failure_of([&] {
            for (const auto& text : run.mount_texts) {
                json["mounts"].push_back(mount_as_json(parse_run_mount(text)));
            }
        });
        if (error) {
            json.erase("mounts");
            json["mount_error"] = "any";
        }
    }

    void operator()(const HealthcheckInstruction& check) {
        Value health{{"Test", check.test}};
        const auto add = [&](const char* key, const std::optional<std::chrono::nanoseconds>& value) {
            if (value) {
                health[key] = value->count();
            }
        };
        add("Interval", check.interval);
        add("Timeout", check.timeout);
        add("StartPeriod", check.start_period);
        add("StartInterval", check.start_interval);
        if (check.retries) {
            health["Retries"] = *check.retries;
        }
        json["health"] = health;
    }
};

Value as_json(const Instruction& instruction) {
    AsJson visitor{Value{{"name", instruction.keyword}}};
    std::visit(visitor, instruction.kind);
    return visitor.json;
}

/// What we do not keep, or keep with its default filled in.
Value comparable(Value expected) {
    expected.erase("flags_used");
    if (expected.contains("mount_error")) {
        expected["mount_error"] = "any";
    }
    if (expected.contains("mounts")) {
        for (auto& mount : expected["mounts"]) {
            if (mount["CacheSharing"] == "") {
                mount["CacheSharing"] = "shared";
            }
        }
    }
    return expected;
}

Value stages_as_json(const Dockerfile& dockerfile) {
    Value stages = Value::array();
    for (const auto& stage : dockerfile.stages) {
        Value commands;
        for (const auto& instruction : stage.instructions) {
            commands.push_back(as_json(instruction));
        }
        stages.push_back(
            Value{{"base", stage.base}, {"commands", commands}, {"name", stage.name}, {"platform", stage.platform}});
    }
    return stages;
}

}  // namespace

TEST_CASE("dockerfile vectors: instructions with their flags and mounts as BuildKit reads them",
          "[unit][build][golden]") {
    for (const auto& item : dockerfile_vectors("instruction-cases.json")) {
        const auto text = text_or(item, "dockerfile");
        INFO(text);
        if (item.contains("error")) {
            CHECK(failure_of([&] { Dockerfile::parse(text, "Dockerfile"); }).has_value());
            continue;
        }
        const auto dockerfile = Dockerfile::parse(text, "Dockerfile");
        Value expected = item.at("stages");
        for (auto& stage : expected) {
            for (auto& command : stage["commands"]) {
                const auto keep_git_dir = command.find("keep_git_dir");
                if (keep_git_dir != command.end()) {
                    const auto& copy = std::get<CopyInstruction>(dockerfile.stages[0].instructions[0].kind);
                    CHECK(copy.keep_git_dir == keep_git_dir->get<bool>());
                    command.erase("keep_git_dir");
                }
                command = comparable(command);
            }
        }
        CHECK(sorted(stages_as_json(dockerfile)).dump(1) == sorted(expected).dump(1));
        Value global = Value::array();
        for (const auto& instruction : dockerfile.global) {
            const Value arg_instruction = as_json(instruction);
            for (const auto& arg : arg_instruction.at("args")) {
                global.push_back(arg);
            }
        }
        CHECK(sorted(global).dump(1) == sorted(item.value("meta_args", Value::array())).dump(1));
    }
}

// --- words and small grammars ----------------------------------------------------------------------------------------

TEST_CASE("dockerfile vectors: variables and quotes as BuildKit's lexer takes them", "[unit][build][golden]") {
    for (const auto& item : dockerfile_vectors("shell-word-cases.json")) {
        INFO(item.dump());
        const auto values = item.at("env").get<Lookup>();
        ExpansionOptions options;
        options.escape = text_or(item, "escape", "\\").at(0);
        options.keep_quotes = item.value("raw_quotes", false);
        options.keep_unset = item.value("skip_unset_env", false);
        options.split = text_or(item, "kind") == "words";
        options.quotes_are_text = item.value("skip_process_quotes", false);
        const auto input = text_or(item, "input");
        if (item.contains("error")) {
            CHECK(failure_of([&] { expand(input, options, lookup_of(values)); }).has_value());
            continue;
        }
        const auto expansion = expand(input, options, lookup_of(values));
        if (text_or(item, "kind") == "words") {
            CHECK(expansion.words == texts(item.at("words")));
            continue;
        }
        CHECK(expansion.text == text_or(item, "result"));
        const auto names = [&](const char* key) {
            const auto list = texts(item.at(key));
            return VariableNames(list.begin(), list.end());
        };
        CHECK(expansion.matched == names("matched"));
        CHECK(expansion.unmatched == names("unmatched"));
    }
}

TEST_CASE("dockerfile vectors: ports", "[unit][build][golden]") {
    for (const auto& item : dockerfile_vectors("expose-cases.json")) {
        INFO(item.dump());
        const auto input = text_or(item, "input");
        if (item.contains("error")) {
            CHECK(failure_of([&] { parse_ports(input); }).has_value());
        } else {
            CHECK(parse_ports(input) == texts(item.at("ports")));
        }
    }
}

TEST_CASE("dockerfile vectors: durations", "[unit][build][golden]") {
    for (const auto& item : dockerfile_vectors("duration-cases.json")) {
        INFO(item.dump());
        const auto input = text_or(item, "input");
        if (item.contains("error")) {
            CHECK(failure_of([&] { static_cast<void>(parse_go_duration(input)); }).has_value());
        } else {
            CHECK(parse_go_duration(input).count() == item.at("ns").get<std::int64_t>());
        }
    }
}

TEST_CASE("dockerfile vectors: platforms", "[unit][build][golden]") {
    for (const auto& item : dockerfile_vectors("platform-cases.json")) {
        INFO(item.dump());
        const auto input = text_or(item, "input");
        const bool of_windows = !text_or(item, "osversion").empty();  // "windows(10.0)": nothing here builds those
        if (item.contains("error") || of_windows) {
            CHECK(failure_of([&] { oci::Platform::parse(input); }).has_value());
        } else {
            CHECK(oci::Platform::parse(input).text() == text_or(item, "normalized"));
        }
    }
}
