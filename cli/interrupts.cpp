#include "interrupts.hpp"

#include "cooper/base/error.hpp"

#include "exit_code.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace cooper::cli {

namespace {

std::atomic<int> first_signal{0};
std::atomic<int> wake_descriptor{-1};
static_assert(std::atomic<int>::is_always_lock_free, "used in a signal handler");

extern "C" void take_signal(int number) {
    const int saved_errno = errno;
    int none = 0;
    if (!first_signal.compare_exchange_strong(none, number)) {
        _exit(kExitSignalBase + number);
    }
    const char wake = 's';
    // A full pipe is impossible: one byte at most is ever written. request_stop() itself locks, so it waits in the
    // watcher.
    [[maybe_unused]] const ssize_t written = ::write(wake_descriptor.load(), &wake, 1);
    errno = saved_errno;
}

}  // namespace

Interrupts::Interrupts() {
    if (::pipe2(pipe_.data(), O_CLOEXEC) != 0) {
        throw SystemError("making a pipe for signals", errno);
    }
    wake_descriptor = pipe_[1];
    watcher_ = std::thread([this] {
        char wake = 0;
        ssize_t count = -1;
        do {
            count = ::read(pipe_[0], &wake, 1);
        } while (count < 0 && errno == EINTR);
        if (count == 1) {
            source_.request_stop();
        }
    });
    struct sigaction action {};
    action.sa_handler = take_signal;
    action.sa_flags = SA_RESTART;
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
        ::sigaction(kSignals[i], nullptr, &previous_[i]);
        if (previous_[i].sa_handler != SIG_IGN) {
            ::sigaction(kSignals[i], &action, nullptr);
        }
    }
}

Interrupts::~Interrupts() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
        ::sigaction(kSignals[i], &previous_[i], nullptr);
    }
    wake_descriptor = -1;
    ::close(pipe_[1]);  // the watcher reads the end
    watcher_.join();
    ::close(pipe_[0]);
}

int Interrupts::received() noexcept {
    return first_signal;
}

}  // namespace cooper::cli
