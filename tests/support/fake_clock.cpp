#include "support/fake_clock.hpp"

#include "cooper/base/error.hpp"

namespace cooper::testing {

std::chrono::system_clock::time_point FakeClock::now() const {
    const std::scoped_lock lock(mutex_);
    return now_;
}

void FakeClock::sleep_for(std::chrono::milliseconds duration, std::stop_token stop) {
    if (stop.stop_requested()) {
        throw Cancelled();
    }
    const std::scoped_lock lock(mutex_);
    sleeps_.push_back(duration);
    now_ += duration;
}

void FakeClock::advance(std::chrono::milliseconds duration) {
    const std::scoped_lock lock(mutex_);
    now_ += duration;
}

std::vector<std::chrono::milliseconds> FakeClock::sleeps() const {
    const std::scoped_lock lock(mutex_);
    return sleeps_;
}

}  // namespace cooper::testing
