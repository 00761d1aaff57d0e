#include "build/sandbox/stand_in.hpp"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>

namespace cooper::build::sandbox {

namespace {

[[noreturn]] void end_as(int status) {
    if (!WIFSIGNALED(status)) {
        _exit(WEXITSTATUS(status));
    }
    const int signal_number = WTERMSIG(status);
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    signal(signal_number, SIG_DFL);
    sigset_t just_it;
    sigemptyset(&just_it);
    sigaddset(&just_it, signal_number);
    kill(getpid(), signal_number);
    sigprocmask(SIG_UNBLOCK, &just_it, nullptr);
    _exit(128 + signal_number);
}

void collect(pid_t child) {
    int status = 0;
    pid_t ended = 0;
    while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
        if (ended == child) {
            end_as(status);
        }
    }
}

}  // namespace

ForwardedSignals::ForwardedSignals() {
    sigemptyset(&awaited_);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCHLD}) {
        sigaddset(&awaited_, number);
    }
    sigprocmask(SIG_BLOCK, &awaited_, &before_);
    if (struct sigaction now{}; sigaction(SIGCHLD, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) {
        signal(SIGCHLD, SIG_DFL);  // else the child's status would be lost
    }
}

ForwardedSignals::~ForwardedSignals() {
    sigprocmask(SIG_SETMASK, &before_, nullptr);
}

void ForwardedSignals::stand_in_for(pid_t child) const {
    for (;;) {
        collect(child);
        const int number = sigwaitinfo(&awaited_, nullptr);
        if (number == SIGTSTP) {  // Ctrl-Z reaches our group alone
            kill(-child, SIGSTOP);
            raise(SIGSTOP);
            kill(-child, SIGCONT);
        } else if (number > 0 && number != SIGCHLD) {
            kill(child, number);
        }
    }
}

}  // namespace cooper::build::sandbox
