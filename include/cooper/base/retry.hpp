// Trying again: jittered exponential backoff, and one budget per host so that many transfers cannot storm it.
#pragma once

#include "cooper/base/run.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>

namespace cooper {

struct RetryPolicy {
    int attempts = 6;                     ///< tries in all, the first included
    std::chrono::milliseconds base{200};  ///< wait before try n+1: random in [0, min(cap, base * 2^n)] ("full jitter")
    std::chrono::milliseconds cap{20'000};
};

/// Tokens shared by all that talks to one host: 500 at the start, a retry costs 5, a success gives 1 back. Thread-safe.
class RetryBudget {
public:
    bool take();
    void give_back();

private:
    std::mutex mutex_;
    int tokens_ = 500;
};

/// Budgets by host name. Thread-safe; budgets live as long as this.
class RetryBudgets {
public:
    RetryBudget& of(const std::string& host);

private:
    std::mutex mutex_;
    std::map<std::string, std::unique_ptr<RetryBudget>> budgets_;
};

/// One operation's retries. Not thread-safe; make one per operation.
class Retrier {
public:
    Retrier(const RetryPolicy& policy, RetryBudget& budget, const Run& run);
    /// Waits and returns true when another try is due; false when tries or budget are used up. `retry_after` (from the
    /// server) replaces the backoff. Throws Cancelled.
    bool again(std::optional<std::chrono::milliseconds> retry_after = std::nullopt);
    /// Progress was made (bytes arrived): the count of tries begins anew, the budget does not.
    void made_progress() { tries_ = 1; }
    void succeeded() { budget_->give_back(); }
    [[nodiscard]] int tries() const noexcept { return tries_; }

private:
    RetryPolicy policy_;
    RetryBudget* budget_;
    Run run_;
    int tries_ = 1;
    std::minstd_rand random_;
};

}  // namespace cooper
