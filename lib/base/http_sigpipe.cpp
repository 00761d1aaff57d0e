#include "base/http_sigpipe.hpp"

#include <pthread.h>

#include <ctime>

namespace cooper {

namespace {

sigset_t only_sigpipe() noexcept {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

}  // namespace

SigpipeGuard::SigpipeGuard(bool needed) noexcept {
    if (!needed) {
        return;
    }
    sigset_t pending;
    sigpending(&pending);
    // One that waits already is blocked, and belongs to somebody else.
    if (sigismember(&pending, SIGPIPE) == 0) {
        const sigset_t sigpipe = only_sigpipe();
        active_ = pthread_sigmask(SIG_BLOCK, &sigpipe, &before_) == 0;
    }
}

SigpipeGuard::~SigpipeGuard() {
    if (active_) {
        const sigset_t sigpipe = only_sigpipe();
        const timespec at_once{};
        sigtimedwait(&sigpipe, nullptr, &at_once);
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
}

}  // namespace cooper
