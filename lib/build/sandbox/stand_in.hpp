// The process that was started, when it is its child that works (private).
#pragma once

#include <signal.h>
#include <sys/types.h>

namespace cooper::build::sandbox {

/// What arrives for the process around us, from before the child exists.
class ForwardedSignals {
public:
    /// Blocks them.
    ForwardedSignals();
    ForwardedSignals(const ForwardedSignals&) = delete;
    ForwardedSignals& operator=(const ForwardedSignals&) = delete;
    /// As they were before.
    ~ForwardedSignals();

    /// Hands them on to `child`, which has a process group of its own, and ends as it ends.
    [[noreturn]] void stand_in_for(pid_t child) const;

private:
    sigset_t awaited_{};
    sigset_t before_{};
};

}  // namespace cooper::build::sandbox
