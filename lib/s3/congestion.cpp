#include "s3/congestion.hpp"

#include <algorithm>

namespace cooper::s3 {

namespace {

constexpr unsigned kSuccessesPerPlace = 8;
constexpr unsigned kUnlimitedFrom = 256;

}  // namespace

Congestion::Ticket Congestion::enter(const Run& run) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait(lock, run.stop, [this] { return under_way_ < limit_; })) {
        throw Cancelled();
    }
    ++under_way_;
    return Ticket(*this);
}

void Congestion::leave() {
    const std::scoped_lock lock(mutex_);
    --under_way_;
    settling_ -= settling_ > 0 ? 1 : 0;
    changed_.notify_one();
}

void Congestion::slow_down() {
    const std::scoped_lock lock(mutex_);
    if (settling_ > 0) {
        return;  // requests of the same burst: one burst halves once
    }
    settling_ = under_way_;
    limit_ = std::max(1U, std::min(limit_, under_way_) / 2);
    successes_ = 0;
}

void Congestion::succeeded() {
    const std::scoped_lock lock(mutex_);
    if (limit_ == std::numeric_limits<unsigned>::max() || ++successes_ < kSuccessesPerPlace) {
        return;
    }
    successes_ = 0;
    limit_ = limit_ >= kUnlimitedFrom ? std::numeric_limits<unsigned>::max() : limit_ + 1;
    changed_.notify_one();
}

}  // namespace cooper::s3
