#include "cooper/base/retry.hpp"

#include <algorithm>

namespace cooper {

namespace {

constexpr int kFullBudget = 500;
constexpr int kRetryCost = 5;
constexpr std::chrono::milliseconds kLongestRetryAfter = std::chrono::minutes(5);

/// base * 2^doublings, at most cap, without overflow.
std::chrono::milliseconds backoff_limit(const RetryPolicy& policy, int doublings) {
    std::chrono::milliseconds limit = std::min(policy.base, policy.cap);
    for (int i = 0; i < doublings && limit < policy.cap; ++i) {
        limit = limit > policy.cap / 2 ? policy.cap : limit * 2;
    }
    return limit;
}

}  // namespace

bool RetryBudget::take() {
    const std::scoped_lock lock(mutex_);
    if (tokens_ < kRetryCost) {
        return false;
    }
    tokens_ -= kRetryCost;
    return true;
}

void RetryBudget::give_back() {
    const std::scoped_lock lock(mutex_);
    tokens_ = std::min(tokens_ + 1, kFullBudget);
}

RetryBudget& RetryBudgets::of(const std::string& host) {
    const std::scoped_lock lock(mutex_);
    auto& budget = budgets_[host];
    if (!budget) {
        budget = std::make_unique<RetryBudget>();
    }
    return *budget;
}

Retrier::Retrier(const RetryPolicy& policy, RetryBudget& budget, const Run& run)
    : policy_(policy), budget_(&budget), run_(run), random_(std::random_device{}()) {}

bool Retrier::again(std::optional<std::chrono::milliseconds> retry_after) {
    using std::chrono::milliseconds;
    run_.check();
    if (tries_ >= policy_.attempts || !budget_->take()) {
        return false;
    }
    milliseconds wait{};
    if (retry_after) {
        wait = std::clamp(*retry_after, milliseconds(0), kLongestRetryAfter);
    } else {
        const milliseconds limit = backoff_limit(policy_, tries_);
        wait = milliseconds(std::uniform_int_distribution<milliseconds::rep>(
            0, std::max<milliseconds::rep>(0, limit.count()))(random_));
    }
    ++tries_;
    run_.clock->sleep_for(wait, run_.stop);
    return true;
}

}  // namespace cooper
