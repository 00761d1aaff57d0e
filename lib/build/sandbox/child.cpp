#include "build/sandbox/child.hpp"

#include "cooper/base/error.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

namespace cooper::build::sandbox {

namespace {

constexpr int kChildFailed = 125;
constexpr rlim_t kOpenFiles = 65536;
constexpr rlim_t kStackSize = 8UL << 20U;

/// Longer than "/proc/self/fd/2147483647".
using DescriptorName = std::array<char, 32>;

DescriptorName name_of(int descriptor) {
    DescriptorName name{"/proc/self/fd/"};
    std::size_t at = std::strlen(name.data());
    std::array<char, 12> digits{};
    std::size_t count = 0;
    do {
        digits[count++] = static_cast<char>('0' + descriptor % 10);
        descriptor /= 10;
    } while (descriptor > 0);
    while (count > 0) {
        name[at++] = digits[--count];
    }
    return name;
}

void report(const ChildPlan& plan, ChildReport::Kind kind, int value, int at) {
    const ChildReport message{kind, value, at};
    while (write(plan.report, &message, sizeof message) < 0 && errno == EINTR) {
    }
}

[[noreturn]] void fail(const ChildPlan& plan, ChildStep step) {
    report(plan, ChildReport::Kind::SetUp, errno, static_cast<int>(step));
    _exit(kChildFailed);
}

void close_range_of(unsigned first, unsigned last) {
    if (first > last || syscall(SYS_close_range, first, last, 0U) == 0) {
        return;
    }
    rlimit limit{};  // kernels before 5.9
    getrlimit(RLIMIT_NOFILE, &limit);
    constexpr rlim_t kMostTried = 1UL << 20U;
    const auto end = static_cast<unsigned>(std::min({limit.rlim_cur, kMostTried, static_cast<rlim_t>(last) + 1}));
    for (unsigned descriptor = first; descriptor < end; ++descriptor) {
        close(static_cast<int>(descriptor));
    }
}

/// Closes all from `first` on but those in `kept`.
template <std::size_t Count>
void close_all_but(unsigned first, std::array<int, Count> kept) {
    std::sort(kept.begin(), kept.end());
    for (const int descriptor : kept) {
        if (descriptor >= 0 && static_cast<unsigned>(descriptor) >= first) {
            if (descriptor > 0) {
                close_range_of(first, static_cast<unsigned>(descriptor) - 1);
            }
            first = static_cast<unsigned>(descriptor) + 1;
        }
    }
    close_range_of(first, UINT_MAX);
}

// ---- the root

void mount_proc(const ChildPlan& plan) {
    if (plan.proc < 0) {
        return;
    }
    if (mount("proc", name_of(plan.proc).data(), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
        report(plan, ChildReport::Kind::ProcRefused, errno, 0);
        _exit(kChildFailed);
    }
}

bool absent(int error_number) {
    return error_number == ENOENT || error_number == ENOTDIR;
}

/// What of the kernel is not for commands, as runc has it. Constant paths in file systems of the kernel.
void mask_kernel_files(const ChildPlan& plan) {
    constexpr std::array kHiddenFiles{"/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
                                      "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug"};
    constexpr std::array kHiddenDirectories{"/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware",
                                            "/sys/devices/virtual/powercap"};
    constexpr std::array kReadOnly{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
    for (const char* path : kHiddenFiles) {
        if (mount("/dev/null", path, nullptr, MS_BIND, nullptr) != 0 && !absent(errno)) {
            fail(plan, ChildStep::MaskKernelFiles);
        }
    }
    for (const char* path : kHiddenDirectories) {
        if (mount("tmpfs", path, "tmpfs", kFlags, "size=0") != 0 && !absent(errno)) {
            fail(plan, ChildStep::MaskKernelFiles);
        }
    }
    for (const char* path : kReadOnly) {
        if (mount(path, path, nullptr, MS_BIND | MS_REC, nullptr) != 0) {
            if (absent(errno)) {
                continue;
            }
            fail(plan, ChildStep::MaskKernelFiles);
        }
        if (mount(nullptr, path, nullptr, MS_BIND | MS_REMOUNT | kFlags, nullptr) != 0) {
            fail(plan, ChildStep::MaskKernelFiles);
        }
    }
}

void pivot(const ChildPlan& plan) {
    if (fchdir(plan.root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
        chdir("/") != 0) {
        fail(plan, ChildStep::EnterRoot);
    }
    if (plan.proc >= 0) {
        mask_kernel_files(plan);
    }
}

// ---- the command

/// Opening may have found a low number free, and then it is in its place already.
bool place(int file, int as) {
    return file == as ? fcntl(as, F_SETFD, 0) == 0 : dup2(file, as) == as;
}

void connect_streams(const ChildPlan& plan) {
    int input = plan.input;
    if (input < 0) {
        input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    if (input < 0) {
        input = plan.spare_input;
    }
    if (!place(input, STDIN_FILENO) || !place(plan.output, STDOUT_FILENO) || !place(plan.errors, STDERR_FILENO)) {
        fail(plan, ChildStep::ConnectStreams);
    }
}

void take_terminal() {
    // The signal for doing this from the background is blocked, and so it is done.
    if (setpgid(0, 0) == 0) {
        static_cast<void>(tcsetpgrp(STDIN_FILENO, getpid()));
    }
}

void reset_signals() {
    struct sigaction plain {};
    plain.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) {
        sigaction(signal, &plain, nullptr);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
}

void set_limit(__rlimit_resource resource, rlim_t wanted) {
    rlimit limit{};
    if (getrlimit(resource, &limit) == 0) {
        limit.rlim_cur = std::min(wanted, limit.rlim_max);
        static_cast<void>(setrlimit(resource, &limit));
    }
}

/// The same wherever a build runs, as far as the hard limits allow it.
void set_limits() {
    set_limit(RLIMIT_CORE, 0);  // a core would become part of the layer
    set_limit(RLIMIT_NOFILE, kOpenFiles);
    set_limit(RLIMIT_STACK, kStackSize);
    for (const auto resource : {RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_AS, RLIMIT_NPROC}) {
        set_limit(resource, RLIM_INFINITY);
    }
}

/// Where we cannot mount we may also lack the right to drop; what is in the way of that is not ours to give.
void drop_from_bounding_set(const ChildPlan& plan) {
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
        const bool kept = capability < 64 && ((plan.capabilities >> capability) & 1U) != 0;
        if (!kept && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && plan.how == ChildPlan::Root::Pivot) {
            fail(plan, ChildStep::DropCapabilities);
        }
    }
    static_cast<void>(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
}

/// Those of the list that we have; what another user has is gone with the change of ids.
void keep_capabilities(const ChildPlan& plan) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets{};
    if (syscall(SYS_capget, &header, sets.data()) != 0) {
        fail(plan, ChildStep::DropCapabilities);
    }
    for (unsigned i = 0; i < sets.size(); ++i) {
        sets[i].permitted &= static_cast<std::uint32_t>(plan.capabilities >> (32 * i));
        sets[i].effective = plan.uid == 0 || !plan.change_ids ? sets[i].permitted : 0;
        sets[i].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, sets.data()) != 0) {
        fail(plan, ChildStep::DropCapabilities);
    }
}

void install_filter(const ChildPlan& plan) {
    if (plan.filter.empty()) {
        return;
    }
    sock_fprog program{static_cast<unsigned short>(plan.filter.size()), const_cast<sock_filter*>(plan.filter.data())};
    // Without SPEC_ALLOW the kernel slows all of the command down against attacks that no secret of ours is in reach
    // of.
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) != 0 &&
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) {
        fail(plan, ChildStep::InstallFilter);
    }
}

/// Raw calls: those of the C library would change the ids of threads that this process no longer has.
void set_ids(const ChildPlan& plan) {
    if (plan.change_ids && (syscall(SYS_setgroups, plan.groups.size(), plan.groups.data()) != 0 ||
                            syscall(SYS_setresgid, plan.gid, plan.gid, plan.gid) != 0 ||
                            syscall(SYS_setresuid, plan.uid, plan.uid, plan.uid) != 0)) {
        fail(plan, ChildStep::SetUser);
    }
}

void drop_privileges(const ChildPlan& plan) {
    drop_from_bounding_set(plan);
    if (plan.no_new_privileges) {
        set_ids(plan);
        keep_capabilities(plan);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
            fail(plan, ChildStep::InstallFilter);
        }
        install_filter(plan);
        return;
    }
    install_filter(plan);  // takes a capability that is dropped here
    set_ids(plan);
    keep_capabilities(plan);
}

[[noreturn]] void execute(const ChildPlan& plan) {
    int error_number = ENOENT;
    int at = 0;
    for (std::size_t i = 0; i < plan.candidates.size(); ++i) {
        execve(plan.candidates[i], plan.arguments.data(), plan.environment.data());
        // As execvp(3): one that may not be run is remembered, and a later one that may is taken.
        if (!absent(errno)) {
            error_number = errno;
            at = static_cast<int>(i);
            if (errno != EACCES) {
                break;
            }
        }
    }
    report(plan, ChildReport::Kind::Exec, error_number, at);
    _exit(kChildFailed);
}

[[noreturn]] void run_command(const ChildPlan& plan) {
    if (plan.how == ChildPlan::Root::Chroot && (fchdir(plan.root) != 0 || chroot(".") != 0)) {
        fail(plan, ChildStep::EnterRoot);
    }
    if (fchdir(plan.working_directory) != 0) {
        fail(plan, ChildStep::EnterWorkingDirectory);
    }
    if (!plan.terminal) {
        setsid();
    }
    connect_streams(plan);
    close_all_but<1>(STDERR_FILENO + 1, {plan.report});
    if (plan.terminal) {
        take_terminal();
    }
    umask(0022);
    set_limits();
    // A keyring of its own: what the user of this process keeps in his is not for the command.
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr, 0, 0, 0);
    drop_privileges(plan);
    if (!plan.own_processes) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    reset_signals();
    execute(plan);
}

// ---- the process that watches over the command

/// Without a process namespace: everything below us, until nothing is left. What loses its parent becomes our child.
void kill_descendants() {
    std::array<char, 4096> list{};
    constexpr int kMaxRounds = 100'000;
    for (int round = 0; round < kMaxRounds; ++round) {
        const int file = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
        const ssize_t size = file < 0 ? 0 : read(file, list.data(), list.size() - 1);
        close(file);
        pid_t id = 0;
        for (ssize_t i = 0; i < size; ++i) {
            const char c = list[static_cast<std::size_t>(i)];
            if (c >= '0' && c <= '9') {
                id = id * 10 + (c - '0');
            } else if (id > 1) {
                kill(id, SIGKILL);
                id = 0;
            }
        }
        while (waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        if (waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD) {
            return;
        }
    }
}

[[noreturn]] void end_all(const ChildPlan& plan) {
    if (!plan.own_processes) {
        kill_descendants();
    }
    _exit(0);  // with the first process of a namespace the kernel ends the others
}

[[noreturn]] void watch(const ChildPlan& plan, pid_t command) {
    close_all_but<1>(0, {plan.report});
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigaddset(&awaited, SIGTERM);
    for (;;) {
        int status = 0;
        pid_t ended = 0;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            if (ended == command) {
                report(plan, ChildReport::Kind::Ended, status, 0);
                end_all(plan);
            }
        }
        if (sigwaitinfo(&awaited, nullptr) == SIGTERM && !plan.own_processes) {
            end_all(plan);
        }
    }
}

bool maker_is_gone(const ChildPlan& plan) {
    pollfd event{plan.report, 0, 0};
    return poll(&event, 1, 0) > 0 && (event.revents & POLLERR) != 0;
}

void hide_from_command(const ChildPlan& plan) {
    constexpr char kTitle[] = "cooper";
    prctl(PR_SET_NAME, kTitle);
    prctl(PR_SET_DUMPABLE, 0);  // /proc/1/environ, exe, fd, mem: not even root has them without CAP_SYS_PTRACE
    if (plan.title_size > sizeof kTitle) {
        std::memset(plan.title_begin, 0, plan.title_size);
        std::memcpy(plan.title_begin, kTitle, sizeof kTitle);
    }
}

[[noreturn]] void run_watcher(const ChildPlan& plan) {
    close_all_but<9>(0, {plan.root, plan.proc, plan.working_directory, plan.input, plan.output, plan.errors,
                         plan.spare_input, plan.report, -1});
    prctl(PR_SET_PDEATHSIG, plan.own_processes ? SIGKILL : SIGTERM);
    if (maker_is_gone(plan)) {  // before the line above
        _exit(kChildFailed);
    }
    hide_from_command(plan);
    if (!plan.own_processes) {
        prctl(PR_SET_CHILD_SUBREAPER, 1);
    }
    mount_proc(plan);
    if (plan.how == ChildPlan::Root::Pivot) {
        pivot(plan);
    }
    // SIGCHLD may be ignored by the program around us, and then nobody would learn the status.
    struct sigaction plain {};
    plain.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &plain, nullptr);
    const pid_t command = vfork();
    if (command == 0) {
        run_command(plan);
    }
    if (command < 0) {
        fail(plan, ChildStep::StartCommand);
    }
    watch(plan, command);
}

}  // namespace

std::string describe(ChildStep step) {
    switch (step) {
        case ChildStep::EnterRoot:
            return "cannot make the file system the root";
        case ChildStep::MaskKernelFiles:
            return "cannot hide files of the kernel";
        case ChildStep::EnterWorkingDirectory:
            return "cannot enter the working directory";
        case ChildStep::ConnectStreams:
            return "cannot connect standard streams";
        case ChildStep::StartCommand:
            return "cannot start a process";
        case ChildStep::DropCapabilities:
            return "cannot drop capabilities";
        case ChildStep::InstallFilter:
            return "cannot install the filter of system calls";
        case ChildStep::SetUser:
            return "cannot become the user of the command";
    }
    return "cannot prepare the command";
}

pid_t start_children(const ChildPlan& plan) {
    // Not fork(3): no handlers of other libraries, and a namespace in the same call.
    const unsigned long flags = SIGCHLD | (plan.own_processes ? CLONE_NEWPID : 0UL);
    const long child = syscall(SYS_clone, flags, nullptr, nullptr, nullptr, 0UL);
    if (child == 0) {
        run_watcher(plan);
    }
    if (child < 0) {
        throw SystemError("cannot start a process in a sandbox", errno);
    }
    return static_cast<pid_t>(child);
}

}  // namespace cooper::build::sandbox
