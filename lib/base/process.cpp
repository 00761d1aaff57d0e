#include "cooper/base/process.hpp"

#include "cooper/base/environment.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>

namespace cooper {

namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

/// Standard streams' numbers must not be ours when the child's are put in place: dup2 would overwrite one of them.
FileDescriptor above_standard_streams(FileDescriptor file) {
    if (file.get() > STDERR_FILENO) {
        return file;
    }
    FileDescriptor moved(fcntl(file.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!moved.valid()) {
        throw SystemError("cannot duplicate a file descriptor", errno);
    }
    return moved;
}

struct Pipe {
    FileDescriptor ours;
    FileDescriptor childs;
};

Pipe make_output_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw SystemError("cannot create a pipe", errno);
    }
    FileDescriptor ours(ends[0]);
    FileDescriptor childs(ends[1]);
    if (fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) {
        throw SystemError("cannot set up a pipe", errno);
    }
    return {std::move(ours), above_standard_streams(std::move(childs))};
}

/// Standard input as a file in memory: no writing while the program runs, so no SIGPIPE and no deadlock.
FileDescriptor make_input(const std::string& text) {
    FileDescriptor file(memfd_create("cooper-input", MFD_CLOEXEC));
    if (!file.valid()) {
        throw SystemError("cannot create a file in memory", errno);
    }
    write_all_at(file.get(), 0, as_bytes(text), "standard input");
    return above_standard_streams(std::move(file));
}

bool is_program(const std::string& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && access(path.c_str(), X_OK) == 0;
}

/// Looks `name` up in PATH as the child will see it. Relative and empty elements are left out: they would run programs
/// from whatever directory we stand in.
std::string find_program(const std::string& name, const Environment& environment) {
    if (name.find('/') != std::string::npos) {
        return name;
    }
    const std::string path = environment.get("PATH").value_or("/usr/local/bin:/usr/bin:/bin");
    for (const std::string_view directory : split(path, ':')) {
        if (directory.starts_with('/')) {
            std::string candidate = std::string(directory) + "/" + name;
            if (is_program(candidate)) {
                return candidate;
            }
        }
    }
    throw Error(ErrorCode::NotFound, "no program '" + name + "' in PATH");
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> pointers;
    pointers.reserve(texts.size() + 1);
    for (std::string& text : texts) {
        pointers.push_back(text.data());
    }
    pointers.push_back(nullptr);
    return pointers;
}

void check_spawn(int error_number, const std::string& program) {
    if (error_number != 0) {
        throw SystemError("cannot run " + program, error_number);
    }
}

/// The child's file descriptors and directory, in the order in which posix_spawn applies them.
class SpawnPlan {
public:
    explicit SpawnPlan(std::string program) : program_(std::move(program)) {
        check_spawn(posix_spawn_file_actions_init(&actions_), program_);
        if (const int error_number = posix_spawnattr_init(&attributes_); error_number != 0) {
            posix_spawn_file_actions_destroy(&actions_);
            check_spawn(error_number, program_);
        }
    }
    SpawnPlan(const SpawnPlan&) = delete;
    SpawnPlan& operator=(const SpawnPlan&) = delete;
    ~SpawnPlan() {
        posix_spawnattr_destroy(&attributes_);
        posix_spawn_file_actions_destroy(&actions_);
    }

    void connect(const FileDescriptor& file, int as) {
        check_spawn(posix_spawn_file_actions_adddup2(&actions_, file.get(), as), program_);
    }

    void change_directory(const std::string& directory) {
        check_spawn(posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str()), program_);
    }

    pid_t start(char* const* arguments, char* const* environment) {
        sigset_t none;
        sigset_t all;
        sigemptyset(&none);
        sigfillset(&all);
        // A group of its own, so that what the program starts is killed with it; signals as in a fresh process.
        check_spawn(posix_spawnattr_setflags(&attributes_,
                                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF),
                    program_);
        check_spawn(posix_spawnattr_setpgroup(&attributes_, 0), program_);
        check_spawn(posix_spawnattr_setsigmask(&attributes_, &none), program_);
        check_spawn(posix_spawnattr_setsigdefault(&attributes_, &all), program_);
        pid_t child = -1;
        check_spawn(posix_spawn(&child, program_.c_str(), &actions_, &attributes_, arguments, environment), program_);
        return child;
    }

private:
    std::string program_;
    posix_spawn_file_actions_t actions_{};
    posix_spawnattr_t attributes_{};
};

/// A started program. Killed with its group and waited for when it goes unless it has ended.
class Child {
public:
    explicit Child(pid_t id) : id_(id), exit_event_(static_cast<int>(syscall(SYS_pidfd_open, id, 0))) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (!ended_) {
            kill(-id_, SIGKILL);
            while (waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
            }
        }
    }

    /// Becomes readable when the program ends; invalid on kernels before 5.3.
    [[nodiscard]] const FileDescriptor& exit_event() const noexcept { return exit_event_; }

    bool has_ended() {
        int status = 0;
        const pid_t waited = ended_ ? 0 : waitpid(id_, &status, WNOHANG);
        if (waited < 0 && errno != EINTR) {
            ended_ = true;  // the host program ignores SIGCHLD, so the kernel has dropped the status
            throw SystemError("cannot learn how the program ended", errno);
        }
        if (waited == id_) {
            ended_ = true;
            exit_status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        }
        return ended_;
    }

    [[nodiscard]] int exit_status() const noexcept { return exit_status_; }

private:
    pid_t id_;
    FileDescriptor exit_event_;
    bool ended_ = false;
    int exit_status_ = 0;
};

/// One output of the child and what has come from it.
class Collector {
public:
    Collector(FileDescriptor pipe, std::string& text, std::size_t limit)
        : pipe_(std::move(pipe)), text_(&text), limit_(limit) {}

    /// -1 (which poll ignores) once the program closed its end.
    [[nodiscard]] int descriptor() const noexcept { return pipe_.get(); }

    /// Takes what is there now.
    void drain(const std::string& program) {
        std::array<char, 16 * 1024> buffer;
        while (pipe_.valid()) {
            const ssize_t count = read(pipe_.get(), buffer.data(), buffer.size());
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count < 0 && errno == EAGAIN) {
                return;
            }
            if (count <= 0) {
                pipe_ = FileDescriptor();
                return;
            }
            if (static_cast<std::size_t>(count) > limit_ - text_->size()) {
                throw Error(ErrorCode::CommandFailed, program + " was stopped: it wrote more than the limit of " +
                                                          std::to_string(limit_) + " bytes");
            }
            text_->append(buffer.data(), static_cast<std::size_t>(count));
        }
    }

private:
    FileDescriptor pipe_;
    std::string* text_;
    std::size_t limit_;
};

/// A descriptor that becomes readable when a stop is requested.
class StopEvent {
public:
    explicit StopEvent(const std::stop_token& stop)
        : event_(make_event()), callback_(stop, [this] {
              const std::uint64_t one = 1;
              [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
          }) {}
    [[nodiscard]] int descriptor() const noexcept { return event_.get(); }

private:
    static FileDescriptor make_event() {
        FileDescriptor event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!event.valid()) {
            throw SystemError("cannot create an event descriptor", errno);
        }
        return event;
    }

    FileDescriptor event_;
    std::stop_callback<std::function<void()>> callback_;
};

int wait_time(SteadyTime deadline, bool exit_is_signalled) {
    using std::chrono::milliseconds;
    constexpr milliseconds kExitPollInterval{20};  // only where the kernel cannot signal the exit
    constexpr milliseconds kLongest{60'000};
    const auto rest = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    return static_cast<int>(
        std::clamp(rest, milliseconds(0), exit_is_signalled ? kLongest : kExitPollInterval).count());
}

pid_t start_program(const ProcessRequest& request, const FileDescriptor& input, const Pipe& output,
                    const Pipe& errors) {
    const Environment environment = request.environment ? Environment(*request.environment) : Environment::process();
    SpawnPlan plan(find_program(request.arguments.front(), environment));
    if (!request.working_directory.empty()) {
        plan.change_directory(request.working_directory);
    }
    plan.connect(input, STDIN_FILENO);
    plan.connect(output.childs, STDOUT_FILENO);
    plan.connect(errors.childs, STDERR_FILENO);

    std::vector<std::string> arguments = request.arguments;
    std::vector<std::string> variables;
    for (const auto& [name, value] : environment.all()) {
        variables.push_back(name + "=" + value);
    }
    return plan.start(pointers_to(arguments).data(), pointers_to(variables).data());
}

}  // namespace

ProcessResult run_process(const ProcessRequest& request, const Run& run) {
    run.check();
    if (request.arguments.empty() || request.arguments.front().empty()) {
        throw Error(ErrorCode::InvalidInput, "no program to run was given");
    }
    const std::string& program = request.arguments.front();
    const SteadyTime deadline = std::chrono::steady_clock::now() + request.timeout;
    const StopEvent stop_event(run.stop);

    const FileDescriptor input = make_input(request.input);
    Pipe output = make_output_pipe();
    Pipe errors = make_output_pipe();
    Child child(start_program(request, input, output, errors));
    output.childs = FileDescriptor();
    errors.childs = FileDescriptor();

    ProcessResult result;
    Collector out(std::move(output.ours), result.output, request.output_limit);
    Collector err(std::move(errors.ours), result.error_output, request.output_limit);
    while (!child.has_ended()) {
        std::array<pollfd, 4> events{{{out.descriptor(), POLLIN, 0},
                                      {err.descriptor(), POLLIN, 0},
                                      {child.exit_event().get(), POLLIN, 0},
                                      {stop_event.descriptor(), POLLIN, 0}}};
        const int ready = poll(events.data(), events.size(), wait_time(deadline, child.exit_event().valid()));
        if (ready < 0 && errno != EINTR) {
            throw SystemError("cannot wait for " + program, errno);
        }
        run.check();
        out.drain(program);
        err.drain(program);
        if (std::chrono::steady_clock::now() >= deadline && !child.has_ended()) {
            throw Error(ErrorCode::CommandFailed,
                        program + " did not end within " + format_duration(request.timeout) + " and was killed");
        }
    }
    // The end of the program counts, not the end of its outputs: something it left running may hold them open.
    out.drain(program);
    err.drain(program);
    result.exit_status = child.exit_status();
    return result;
}

}  // namespace cooper
