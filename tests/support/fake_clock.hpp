#pragma once

#include "cooper/base/clock.hpp"

#include <mutex>
#include <vector>

namespace cooper::testing {

/// A clock that stands still; waiting moves it on and is recorded. Thread-safe.
class FakeClock final : public Clock {
public:
    explicit FakeClock(TimePoint start = TimePoint(std::chrono::seconds(1'700'000'000))) : now_(start) {}
    [[nodiscard]] std::chrono::system_clock::time_point now() const override;
    void sleep_for(std::chrono::milliseconds duration, std::stop_token stop) override;
    void advance(std::chrono::milliseconds duration);
    [[nodiscard]] std::vector<std::chrono::milliseconds> sleeps() const;

private:
    mutable std::mutex mutex_;
    std::chrono::system_clock::time_point now_;
    std::vector<std::chrono::milliseconds> sleeps_;
};

}  // namespace cooper::testing
