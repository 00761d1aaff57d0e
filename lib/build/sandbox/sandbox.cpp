#include "cooper/build/sandbox.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/child_process.hpp"
#include "build/sandbox/exec_failure.hpp"
#include "build/sandbox/keeper.hpp"
#include "build/sandbox/root_paths.hpp"
#include "build/sandbox/stubs.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>

namespace cooper::build {

namespace {

using sandbox::ChildReport;
using sandbox::Keeper;

constexpr std::size_t kOutputStep = 64 * 1024;  // a pipe holds no more

/// What the command says, handed on.
class OutputPump {
public:
    OutputPump(FileDescriptor pipe, const std::function<void(Bytes)>& to)
        : pipe_(std::move(pipe)), to_(to), buffer_(std::make_unique_for_overwrite<std::byte[]>(kOutputStep)) {}

    /// -1, which poll ignores, when nobody can write any more.
    [[nodiscard]] int descriptor() const noexcept { return pipe_.get(); }

    /// One step; false when nothing is there for now.
    bool forward() {
        if (!pipe_.valid()) {
            return false;
        }
        const ssize_t count = read(pipe_.get(), buffer_.get(), kOutputStep);
        if (count > 0) {
            to_({buffer_.get(), static_cast<std::size_t>(count)});
            return true;
        }
        if (count < 0 && errno == EINTR) {
            return true;
        }
        if (count == 0 || errno != EAGAIN) {
            pipe_ = FileDescriptor();
        }
        return false;
    }

private:
    FileDescriptor pipe_;
    const std::function<void(Bytes)>& to_;
    std::unique_ptr<std::byte[]> buffer_;
};

/// The terminal as it was, when a command that had it has ended.
class KeepTerminal {
public:
    explicit KeepTerminal(bool needed) : owner_(needed ? tcgetpgrp(STDIN_FILENO) : -1) {}
    KeepTerminal(const KeepTerminal&) = delete;
    KeepTerminal& operator=(const KeepTerminal&) = delete;
    ~KeepTerminal() {
        if (owner_ < 0) {
            return;
        }
        // From the background that is a reason to be stopped, unless the signal is blocked.
        sigset_t stopping;
        sigset_t before;
        sigemptyset(&stopping);
        sigaddset(&stopping, SIGTTOU);
        pthread_sigmask(SIG_BLOCK, &stopping, &before);
        static_cast<void>(tcsetpgrp(STDIN_FILENO, owner_));
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

private:
    pid_t owner_;
};

void check_texts(const SandboxCommand& command) {
    const auto has_zero = [](const std::string& text) { return text.find('\0') != std::string::npos; };
    for (const auto* texts : {&command.arguments, &command.environment}) {
        for (const auto& text : *texts) {
            if (has_zero(text)) {
                throw Error(ErrorCode::InvalidInput, "an argument or variable of a command has a zero byte");
            }
        }
    }
}

/// Of the two reports that may be there, why it did not start counts more than that it ended.
struct Outcome {
    std::optional<int> wait_status;
    std::optional<ChildReport> failure;
};

Outcome read_reports(int pipe) {
    Outcome outcome;
    ChildReport message{};
    while (read(pipe, &message, sizeof message) == static_cast<ssize_t>(sizeof message)) {
        if (message.kind == ChildReport::Kind::Ended) {
            outcome.wait_status = message.value;
        } else if (!outcome.failure) {
            outcome.failure = message;
        }
    }
    return outcome;
}

SandboxResult result_of(int wait_status) {
    if (WIFSIGNALED(wait_status)) {
        return {128 + WTERMSIG(wait_status), WTERMSIG(wait_status)};
    }
    return {WEXITSTATUS(wait_status), 0};
}

/// Until the sandbox is empty. Throws Cancelled, and what `output` throws, when it is.
void wait_until_empty(Keeper& keeper, OutputPump& output, const Run& run) {
    const detail::StopEvent stop(run.stop);
    try {
        for (bool ended = false; !ended;) {
            std::array<pollfd, 3> events{
                {{output.descriptor(), POLLIN, 0}, {keeper.ended_event(), POLLIN, 0}, {stop.descriptor(), POLLIN, 0}}};
            if (poll(events.data(), events.size(), -1) < 0 && errno != EINTR) {
                throw SystemError("cannot wait for a command", errno);
            }
            run.check();
            ended = events[1].revents != 0;
            output.forward();
        }
    } catch (...) {
        keeper.kill();
        keeper.join();
        throw;
    }
    keeper.join();
    while (output.forward()) {
        run.check();
    }
}

[[noreturn]] void throw_failure(const std::filesystem::path& root, const SandboxCommand& command,
                                const ChildReport& failure) {
    if (failure.kind == ChildReport::Kind::Exec) {
        const auto candidates = sandbox::program_candidates(command);
        const auto at = static_cast<std::size_t>(failure.at);
        sandbox::throw_exec_failure(root, command, at < candidates.size() ? candidates[at] : command.arguments.front(),
                                    failure.value);
    }
    if (failure.kind == ChildReport::Kind::ProcRefused) {
        throw SystemError("cannot mount /proc in a sandbox", failure.value);
    }
    const auto step = static_cast<sandbox::ChildStep>(failure.at);
    SystemError error(sandbox::describe(step) + " in a sandbox", failure.value);
    if (step == sandbox::ChildStep::SetUser && failure.value == EINVAL) {
        error.advise("user " + std::to_string(command.user.uid) + " or one of the groups is beyond the ids of this " +
                     "user namespace: a range of 65536 in /etc/subuid and /etc/subgid is usual");
    }
    throw error;
}

/// nullopt: again, with the machine's /proc.
std::optional<SandboxResult> run_once(const std::filesystem::path& root, const SandboxCommand& command,
                                      const Confinement& how, const std::function<void(Bytes)>& output, const Run& run,
                                      bool old_proc) {
    const KeepTerminal keep_terminal(command.terminal);
    sandbox::Stubs stubs;
    auto pipe = command.terminal ? detail::Pipe{} : detail::make_output_pipe();
    auto reports = detail::make_output_pipe();
    OutputPump pump(std::move(pipe.ours), output);
    Keeper keeper(root, command, how, stubs, old_proc, pipe.childs.get(), reports.childs.get(), run);
    keeper.start();
    pipe.childs = FileDescriptor();
    reports.childs = FileDescriptor();
    wait_until_empty(keeper, pump, run);
    const auto outcome = read_reports(reports.ours.get());
    keeper.take_back();
    stubs.remove();
    if (outcome.failure) {
        if (outcome.failure->kind == ChildReport::Kind::ProcRefused && !old_proc) {
            return std::nullopt;
        }
        throw_failure(root, command, *outcome.failure);
    }
    if (!outcome.wait_status) {
        throw Error(ErrorCode::System, "the sandbox of a command was killed from outside");
    }
    return result_of(*outcome.wait_status);
}

}  // namespace

SandboxResult run_in_sandbox(const std::filesystem::path& root, const SandboxCommand& command, const Confinement& how,
                             const std::function<void(Bytes)>& output, const Run& run) {
    run.check();
    if (how.isolation == Isolation::None) {
        Error error(ErrorCode::Unsupported,
                    "commands cannot be run here" + (how.explanation.empty() ? std::string() : ": " + how.explanation));
        error.advise("build on a machine that allows user namespaces, or in a container with more rights");
        throw error;
    }
    check_texts(command);
    sandbox::refuse_own_program(root, sandbox::program_candidates(command));
    if (auto result = run_once(root, command, how, output, run, sandbox::new_proc_is_refused())) {
        return *result;
    }
    sandbox::remember_that_new_proc_is_refused();
    return run_once(root, command, how, output, run, true).value();
}

}  // namespace cooper::build
