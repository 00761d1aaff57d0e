// Ctrl-C and its relatives as a stop request: the first asks everything to stop and clean up, the second ends at once.
#pragma once

#include <array>
#include <csignal>
#include <stop_token>
#include <thread>

namespace cooper::cli {

/// Takes SIGINT, SIGTERM and SIGHUP (unless they were ignored, as under nohup) as long as it lives. One at a time.
class Interrupts {
public:
    Interrupts();
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;
    ~Interrupts();
    [[nodiscard]] std::stop_token token() const noexcept { return source_.get_token(); }
    /// The first signal taken by any Interrupts so far; 0: none.
    static int received() noexcept;

private:
    static constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};
    std::stop_source source_;
    std::array<int, 2> pipe_{-1, -1};
    std::array<struct sigaction, kSignals.size()> previous_{};
    std::thread watcher_;
};

}  // namespace cooper::cli
