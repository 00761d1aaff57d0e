#include "base/child_process.hpp"

#include "cooper/base/process.hpp"
#include "cooper/base/text.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

namespace cooper {

namespace {

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

bool is_program(const std::string& path) {
    struct stat status {};
    return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && access(path.c_str(), X_OK) == 0;
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

FileDescriptor make_event() {
    FileDescriptor event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event.valid()) {
        throw SystemError("cannot create an event descriptor", errno);
    }
    return event;
}

}  // namespace

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

namespace detail {

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

FileDescriptor make_input(const std::string& text) {
    FileDescriptor file(memfd_create("cooper-input", MFD_CLOEXEC));
    if (!file.valid()) {
        throw SystemError("cannot create a file in memory", errno);
    }
    write_all_at(file.get(), 0, as_bytes(text), "standard input");
    return above_standard_streams(std::move(file));
}

pid_t start_program(const ProgramStart& start) {
    if (start.arguments.empty() || start.arguments.front().empty()) {
        throw Error(ErrorCode::InvalidInput, "no program to run was given");
    }
    const Environment environment = start.environment ? Environment(*start.environment) : Environment::process();
    SpawnPlan plan(find_program(start.arguments.front(), environment));
    if (!start.working_directory.empty()) {
        plan.change_directory(start.working_directory);
    }
    plan.connect(start.input, STDIN_FILENO);
    plan.connect(start.output, STDOUT_FILENO);
    plan.connect(start.errors, STDERR_FILENO);

    std::vector<std::string> arguments = start.arguments;
    std::vector<std::string> variables;
    for (const auto& [name, value] : environment.all()) {
        variables.push_back(name + "=" + value);
    }
    return plan.start(pointers_to(arguments).data(), pointers_to(variables).data());
}

Child::Child(pid_t id, Group group)
    : id_(id), group_(group), exit_event_(static_cast<int>(syscall(SYS_pidfd_open, id, 0))) {}

Child::~Child() {
    if (!ended_) {
        signal_group(SIGKILL);
        reap();
    }
}

bool Child::has_ended() {
    if (ended_) {
        return true;
    }
    siginfo_t info{};
    // It stays a zombie for now, so that its number still names its group and no other.
    if (waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno != EINTR) {
        const int error_number = errno;
        ended_ = true;  // the host program ignores SIGCHLD, so the kernel has dropped the status
        throw SystemError("cannot learn how the program ended", error_number);
    }
    if (info.si_pid != id_) {
        return false;
    }
    signal_ = info.si_code == CLD_EXITED ? 0 : info.si_status;
    exit_status_ = signal_ == 0 ? info.si_status : 128 + signal_;
    if (group_ == Group::EndsWithIt) {
        signal_group(SIGKILL);
    }
    ended_ = true;
    reap();
    if (group_ == Group::EndsWithIt) {
        wait_for_group();
    }
    return true;
}

/// A killed process runs until the kernel comes to it. Bounded: where nobody waits for orphans they stay as zombies.
void Child::wait_for_group() const noexcept {
    constexpr int kTries = 200;
    constexpr timespec kPause{0, 1'000'000};
    for (int i = 0; i < kTries && kill(-id_, 0) == 0; ++i) {
        nanosleep(&kPause, nullptr);
    }
}

void Child::signal_group(int signal) const {
    static_cast<void>(kill(-id_, signal));
}

void Child::reap() noexcept {
    while (waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

StopEvent::StopEvent(const std::stop_token& stop)
    : event_(make_event()), callback_(stop, [this] {
          const std::uint64_t one = 1;
          [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
      }) {}

}  // namespace detail

}  // namespace cooper
