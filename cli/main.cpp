// cooper: the command. Finds the verb, runs it, and turns what it throws into one message and an exit code.
#include "cooper/base/error.hpp"

#include "command.hpp"
#include "exit_code.hpp"
#include "interrupts.hpp"
#include "log_file.hpp"
#include "output.hpp"

#include <nlohmann/json.hpp>

#include <csignal>
#include <filesystem>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::cli {

namespace {

constexpr std::string_view kExitCodes =
    "Exit codes\n"
    "    0  done, and verified\n"
    "    1  another failure; of cooper diff and explain also: there are differences\n"
    "    2  the command line is wrong\n"
    "    3  a step of a build failed\n"
    "    4  bytes are not what their digest, size or signature says\n"
    "    5  not the same again, or not to the grade that was asked (reproduce, verify)\n"
    "    6  a gate said no: a scanner found something, or a test failed\n"
    "    7  credentials are missing, wrong or not sufficient (registry, S3, STS), or who asks may not (authorize)\n"
    "    8  the network or a service failed, retries used up\n"
    "    9  lost the race for the changelog, or the store cannot do it safely\n"
    "   10  the same commit was published before with other bytes\n"
    "   11  no space left on a disk, or blobs of the local store are damaged\n"
    "   12  a gate could not say anything: its program is missing, crashed, ran out of time, or changed the tarball\n"
    "   13  the lock or delta is of a version that this cooper does not know\n"
    "  130  stopped by Ctrl-C (143: by SIGTERM, 129: by SIGHUP), everything cleaned up\n";

struct Failure {
    int exit_code = kExitFailure;
    std::string kind;  // "integrity", "usage", …
    std::string message;
    std::string advice;
};

/// What a run of the command came to; `verb` is known even when it fails.
struct Outcome {
    int exit_code = kExitDone;
    std::string verb;
};

std::string overview() {
    std::string out =
        "cooper moves, makes and changes container images without a daemon, and delivers them as files.\n\n"
        "Usage: cooper VERB [ARGUMENTS] [FLAGS]\n\nVerbs\n";
    for (const auto& command : all_commands()) {
        const VerbText text = command->text();
        out +=
            "  " + std::string(text.name) + std::string(19 - text.name.size(), ' ') + std::string(text.summary) + "\n";
    }
    return out +
           "\nExamples\n"
           "  # deliver an image to customers who cannot pull: a tarball, a changelog entry, a link\n"
           "  cooper publish ghcr.io/acme/app:1.2 --to s3://bucket --branch main --commit \"$(git rev-parse HEAD)\"\n"
           "  # make an image from a directory, with no registry and no daemon\n"
           "  cooper append scratch --layer ./site:/srv --tag site:1 -o site.tar\n\n"
           "cooper help VERB explains a verb; cooper help exit-codes lists what scripts can rely on.\n";
}

struct Selected {
    std::unique_ptr<Command> command;
    std::size_t words = 1;  // that the verb took
};

Selected select_verb(std::span<const std::string_view> arguments) {
    auto commands = all_commands();
    for (auto& command : commands) {
        const std::string_view name = command->text().name;
        const std::size_t space = name.find(' ');
        if (space == std::string_view::npos ? arguments[0] == name
                                            : arguments.size() > 1 && arguments[0] == name.substr(0, space) &&
                                                  arguments[1] == name.substr(space + 1)) {
            return {std::move(command), space == std::string_view::npos ? 1U : 2U};
        }
    }
    std::vector<std::string_view> names{"help"};
    for (const auto& command : commands) {
        names.push_back(command->text().name);
    }
    std::string given(arguments[0]);
    if ((given == "s3" || given == "store" || given == "index" || given == "kit" || given == "links") &&
        arguments.size() > 1) {
        given += " " + std::string(arguments[1]);
    }
    const auto suggestion = nearest(given, names);
    throw UsageError("there is no verb \"" + given + "\"",
                     suggestion ? "cooper " + std::string(*suggestion) : "cooper help lists all");
}

int run_verb(Command& command, std::span<const std::string_view> arguments, std::string& verb) {
    verb = command.text().name;
    CommandLine line(command.text());
    command.declare(line);
    const auto positionals = line.parse(arguments);
    if (!positionals) {
        print(line.help());
        return kExitDone;
    }
    if (!command.output.log_dir.empty()) {
        open_log(command.output.log_dir, verb);
    }
    const WorkflowCommandsStopped workflow_commands_stopped;
    command.run(*positionals);
    return command.exit_code;
}

int run(std::span<const std::string_view> arguments, std::string& verb) {
    if (arguments.empty()) {
        throw UsageError("which verb?", "cooper help lists all");
    }
    if (arguments[0] == "--version") {
        return run_verb(*make_version_command(), arguments.subspan(1), verb);
    }
    if (arguments[0] == "--help" || arguments[0] == "-h" || (arguments[0] == "help" && arguments.size() == 1)) {
        print(overview());
        return kExitDone;
    }
    if (arguments[0] == "help" && arguments[1] == "exit-codes") {
        print(kExitCodes);
        return kExitDone;
    }
    if (arguments[0] == "help") {
        const Selected selected = select_verb(arguments.subspan(1));
        return run_verb(*selected.command, std::vector<std::string_view>{"--help"}, verb);
    }
    const Selected selected = select_verb(arguments);
    return run_verb(*selected.command, arguments.subspan(selected.words), verb);
}

// The only place that catches everything.
std::optional<Failure> failure_of(std::span<const std::string_view> arguments, Outcome& outcome) noexcept try {
    try {
        outcome.exit_code = run(arguments, outcome.verb);
        return std::nullopt;
    } catch (const UsageError& error) {
        return Failure{kExitUsage, "usage", error.what(), error.advice()};
    } catch (const Cancelled& stopped) {
        return Failure{kExitFailure, "stopped", stopped.what(), ""};
    } catch (const Error& error) {
        return Failure{exit_code_of(error), std::string(to_string(error.code())), error.what(), error.advice()};
    } catch (const std::bad_alloc&) {
        return Failure{kExitFailure, "system", "out of memory", ""};
    } catch (const std::exception& error) {
        return Failure{kExitFailure, "internal", error.what(), "this is a defect of cooper: please report it"};
    }
} catch (...) {
    return Failure{};
}

void report(const Failure& failure, const std::string& verb, bool json) {
    const std::string text = std::string(failure.kind == "stopped" ? "" : "error: ") + printable(failure.message) +
                             (failure.advice.empty() ? "" : "\n  try: " + printable(failure.advice));
    end_log(text);
    end_log("ended with exit code " + std::to_string(failure.exit_code));
    {
        const WorkflowCommandsStopped workflow_commands_stopped;
        complain("cooper: " + text + "\n" + (log_path().empty() ? "" : "  log: " + printable(log_path()) + "\n"));
    }
    if (in_github_actions()) {
        complain(error_annotation(verb.empty() ? "cooper" : "cooper " + verb,
                                  failure.message + (failure.advice.empty() ? "" : "\ntry: " + failure.advice)));
    }
    if (json) {
        print_json({{"error",
                     {{"code", failure.kind},
                      {"exit_code", failure.exit_code},
                      {"message", failure.message},
                      {"advice", failure.advice}}}});
    }
}

int main_with(std::span<const std::string_view> arguments) noexcept try {
    static_cast<void>(std::signal(
        SIGPIPE, SIG_IGN));  // a reader that went away is an error of write(), not our death with uploads open
    Outcome outcome;
    auto failure = failure_of(arguments, outcome);
    if (!failure) {
        end_log("ended with exit code " + std::to_string(outcome.exit_code));
        return outcome.exit_code;
    }
    if (const int signal = Interrupts::received(); signal != 0) {
        failure->exit_code = kExitSignalBase + signal;
    }
    const auto flags_end = std::find(arguments.begin(), arguments.end(), "--");
    report(*failure, outcome.verb, std::find(arguments.begin(), flags_end, "--json") != flags_end);
    return failure->exit_code;
} catch (...) {  // out of memory, or standard output is gone as well
    return kExitFailure;
}

}  // namespace

}  // namespace cooper::cli

int main(int argc, char** argv) {
    const std::vector<std::string_view> arguments(argv + 1, argv + (argc > 0 ? argc : 1));
    return cooper::cli::main_with(arguments);
}
