#include "base/workers.hpp"

namespace cooper {

Workers::Workers(const Run& run) : run_(run), forward_(run.stop, [this] { stop_.request_stop(); }) {}

Workers::~Workers() {
    stop_.request_stop();
    for (std::thread& thread : threads_) {
        if (thread.joinable()) {
            thread.join();
        }
    }
}

void Workers::start(std::function<void()> body) {
    threads_.emplace_back([this, body = std::move(body)] {
        try {
            body();
        } catch (...) {
            record_failure();
        }
    });
}

void Workers::join() {
    for (std::thread& thread : threads_) {
        thread.join();
    }
    threads_.clear();
    if (failure_) {
        std::rethrow_exception(failure_);
    }
}

void Workers::record_failure() noexcept {
    {
        const std::scoped_lock lock(mutex_);
        if (!failure_) {
            failure_ = std::current_exception();
        }
    }
    stop_.request_stop();
}

}  // namespace cooper
