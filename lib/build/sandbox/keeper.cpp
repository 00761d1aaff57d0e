#include "build/sandbox/keeper.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "build/sandbox/exec_failure.hpp"
#include "build/sandbox/mounts.hpp"
#include "build/sandbox/probe.hpp"
#include "build/sandbox/seccomp.hpp"
#include "build/sandbox/stand_ins.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

namespace cooper::build::sandbox {

namespace {

std::atomic<bool> proc_refused{false};

/// All of them, in this thread and in what it starts.
class BlockedSignals {
public:
    BlockedSignals() {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

/// Where a thread came from: while it stays in the namespace of the mounts they do not go.
class MountNamespace {
public:
    MountNamespace() : outer_(open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)) {}
    void leave() const noexcept {
        if (outer_.valid()) {
            static_cast<void>(setns(outer_.get(), CLONE_NEWNS));
        }
    }

private:
    FileDescriptor outer_;
};

void raise_loopback() {
    const FileDescriptor control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
    if (!control.valid() || ioctl(control.get(), SIOCGIFFLAGS, &request) != 0) {
        throw SystemError("cannot look at the network of a sandbox", errno);
    }
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP | IFF_RUNNING);
    if (ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) {
        throw SystemError("cannot set up the network of a sandbox", errno);
    }
}

FileDescriptor above_standard_streams(FileDescriptor file) {
    if (file.get() > STDERR_FILENO || !file.valid()) {
        return file;
    }
    return FileDescriptor(fcntl(file.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

/// Fields 48 and 49 of /proc/self/stat: where our own arguments lie. Others read them there.
void find_title(ChildPlan& plan) {
    const auto text = find_file("/proc/self/stat", 4096).value_or("");
    const auto after_name = text.rfind(')');
    if (after_name == std::string::npos) {
        return;
    }
    constexpr std::size_t kArgumentsBegin = 48 - 2;  // the fields before and in the parentheses are two
    const auto fields = split(trim(std::string_view(text).substr(after_name + 1)), ' ');
    if (fields.size() <= kArgumentsBegin) {
        return;
    }
    const auto begin = parse_uint(fields[kArgumentsBegin - 1]);
    const auto end = parse_uint(fields[kArgumentsBegin]);
    if (begin && end && *begin != 0 && *end > *begin) {
        plan.title_begin = reinterpret_cast<char*>(static_cast<std::uintptr_t>(*begin));
        plan.title_size = *end - *begin;
    }
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

}  // namespace

bool new_proc_is_refused() noexcept {
    return proc_refused.load();
}
void remember_that_new_proc_is_refused() noexcept {
    proc_refused.store(true);
}

Keeper::Keeper(const std::filesystem::path& root, const SandboxCommand& command, const Confinement& how, Stubs& stubs,
               bool old_proc, int output, int report, const Run& run)
    : root_(root),
      command_(command),
      how_(how),
      stubs_(stubs),
      old_proc_(old_proc),
      output_(output),
      report_(report),
      run_(run),
      ended_(eventfd(0, EFD_CLOEXEC)) {
    if (!ended_.valid()) {
        throw SystemError("cannot create an event descriptor", errno);
    }
    own_processes_ = !old_proc && how.isolation != Isolation::Chroot;
}

Keeper::~Keeper() {
    if (thread_.joinable()) {
        kill();
        join();
    }
}

void Keeper::start() {
    auto result = started_.get_future();
    {
        const BlockedSignals blocked;
        thread_ = std::thread([this] { run(); });
    }
    try {
        result.get();
    } catch (...) {
        thread_.join();
        throw;
    }
}

void Keeper::kill() const noexcept {
    if (watcher_ > 0) {
        ::kill(watcher_, own_processes_ ? SIGKILL : SIGTERM);
    }
}

void Keeper::join() {
    thread_.join();
    while (waitpid(watcher_, nullptr, 0) < 0 && errno == EINTR) {
    }
    watcher_ = -1;
}

void Keeper::run() {
    try {
        prepare_and_start();
    } catch (...) {
        started_.set_exception(std::current_exception());
        return;
    }
    const pid_t watcher = watcher_;
    const int ended = ended_.get();
    started_.set_value();
    // It stays a zombie, so that kill() cannot meet another process of its number.
    siginfo_t info{};
    while (waitid(P_PID, static_cast<id_t>(watcher), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
    }
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(ended, &one, sizeof one);
}

void Keeper::prepare_and_start() {
    spare_input_ = above_standard_streams(FileDescriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)));
    if (how_.isolation == Isolation::Chroot) {
        if (command_.network == SandboxCommand::Network::None) {
            Error error(ErrorCode::Unsupported, "a command without a network needs a namespace, which is refused here");
            error.advise("--network=none needs isolation root, userns or single-user");
            throw error;
        }
        place_ = std::make_unique<StandIns>(root_, command_, how_, stubs_, run_);
        start_in_place();
        return;
    }
    const MountNamespace outer;
    enter_namespaces();
    place_ = std::make_unique<Mounts>(root_, command_, how_, stubs_, old_proc_, run_);
    start_in_place();
    outer.leave();
}

void Keeper::start_in_place() {
    place_->make_ready();
    ChildPlan plan = make_plan();
    plan.root = place_->root();
    plan.proc = place_->proc();
    plan.working_directory = place_->working_directory();
    watcher_ = start_children(plan);
    place_->let_go();
}

void Keeper::take_back() {
    place_->take_back();
}

void Keeper::enter_namespaces() {
    const bool no_network = command_.network == SandboxCommand::Network::None;
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | (no_network ? CLONE_NEWNET : 0)) != 0) {
        throw SystemError("cannot make namespaces for a command", errno);
    }
    if (sethostname(command_.hostname.data(), command_.hostname.size()) != 0) {
        throw SystemError("cannot set the host name of a sandbox", errno);
    }
    if (no_network) {
        raise_loopback();
    }
}

ChildPlan Keeper::make_plan() {
    ChildPlan plan;
    plan.own_processes = own_processes_;
    plan.report = report_;
    plan.terminal = command_.terminal;
    plan.input = command_.terminal ? STDIN_FILENO : -1;
    plan.output = command_.terminal ? STDOUT_FILENO : output_;
    plan.errors = command_.terminal ? STDERR_FILENO : output_;
    plan.spare_input = spare_input_.get();
    find_title(plan);
    environment_ = command_.environment;
    switch (how_.isolation) {
        case Isolation::Root:
            plan.filter = denying_filter();
            break;
        case Isolation::SingleUser:
            plan.filter = pretending_filter();
            plan.no_new_privileges = true;
            plan.change_ids = false;
            add_apt_configuration();
            break;
        case Isolation::Chroot:
            plan.how = ChildPlan::Root::Chroot;
            plan.capabilities &= ~(1ULL << CAP_SYS_CHROOT);  // a second chroot is the way out of the first
            if (may_administer()) {  // no container around us keeps the machine's devices and keys from the command
                plan.capabilities &= ~(1ULL << CAP_MKNOD);
                plan.filter = denying_filter();
            }
            break;
        case Isolation::UserRange:
        case Isolation::None:
            break;
    }
    fill_command(plan);
    return plan;
}

void Keeper::add_apt_configuration() {
    const std::string variable = "APT_CONFIG=";
    const auto is_set = [&](const std::string& each) { return each.starts_with(variable); };
    if (std::none_of(environment_.begin(), environment_.end(), is_set)) {
        environment_.push_back(variable + kAptConfiguration);
    }
}

void Keeper::fill_command(ChildPlan& plan) {
    candidates_ = program_candidates(command_);
    arguments_ = command_.arguments;
    for (const auto& candidate : candidates_) {
        plan.candidates.push_back(candidate.c_str());
    }
    plan.arguments = pointers_to(arguments_);
    plan.environment = pointers_to(environment_);
    plan.uid = command_.user.uid;
    plan.gid = command_.user.gid;
    // With its own group among them (CVE-2022-36109): files that a group may not read stay unreadable.
    plan.groups.assign(1, command_.user.gid);
    plan.groups.insert(plan.groups.end(), command_.user.groups.begin(), command_.user.groups.end());
    if (output_ >= 0 && how_.owners) {
        // So that /dev/stdout can be opened by a user who is not root.
        static_cast<void>(fchown(output_, command_.user.uid, command_.user.gid));
    }
}

}  // namespace cooper::build::sandbox
