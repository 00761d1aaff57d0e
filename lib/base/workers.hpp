// A handful of threads for one operation: the first failure stops the rest and is the one that is thrown.
#pragma once

#include "cooper/base/run.hpp"

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace cooper {

/// Threads that live as long as one operation. Joined by join() or the destructor, never detached.
class Workers {
public:
    /// Stops with `run`: its stop token and a failure both reach run().stop.
    explicit Workers(const Run& run);
    ~Workers();
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    /// What the threads must use: stops on the caller's request and on the first failure.
    [[nodiscard]] Run run() const { return run_.with_stop(stop_.get_token()); }
    void start(std::function<void()> body);
    /// Waits for all; rethrows the first failure.
    void join();

private:
    void record_failure() noexcept;

    Run run_;
    std::stop_source stop_;
    std::stop_callback<std::function<void()>> forward_;
    std::mutex mutex_;
    std::exception_ptr failure_;
    std::vector<std::thread> threads_;
};

}  // namespace cooper
