// How many requests may be under way at once, once a store has asked for less (503 SlowDown).
#pragma once

#include "cooper/base/run.hpp"

#include <condition_variable>
#include <limits>
#include <mutex>

namespace cooper::s3 {

/// Without limit until the first slow_down(), which halves what is under way; every eight successes give one back.
/// Safe from several threads.
class Congestion {
public:
    /// A place among the requests under way, given back when it goes.
    class Ticket {
    public:
        explicit Ticket(Congestion& owner) : owner_(owner) {}
        Ticket(const Ticket&) = delete;
        Ticket& operator=(const Ticket&) = delete;
        ~Ticket() { owner_.leave(); }

    private:
        Congestion& owner_;
    };

    /// Waits for a place; throws Cancelled on a stop request.
    Ticket enter(const Run& run);
    void slow_down();
    void succeeded();

private:
    void leave();

    std::mutex mutex_;
    std::condition_variable_any changed_;
    unsigned under_way_ = 0;
    unsigned limit_ = std::numeric_limits<unsigned>::max();
    unsigned successes_ = 0;
    unsigned settling_ = 0;  // requests that were under way at the last halving and have not yet ended
};

}  // namespace cooper::s3
