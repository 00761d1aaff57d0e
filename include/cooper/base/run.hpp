// Run: what every blocking operation takes. Cross-cutting seams only, never settings. Cheap to copy; borrows its seams.
#pragma once

#include "cooper/base/clock.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/progress.hpp"

#include <stop_token>

namespace cooper {

struct Run {
    std::stop_token stop;
    Clock* clock = &system_clock();
    Progress* progress = &no_progress();

    /// Throws Cancelled when a stop was requested.
    void check() const {
        if (stop.stop_requested()) {
            throw Cancelled();
        }
    }
    [[nodiscard]] Run with_stop(std::stop_token other) const { return {std::move(other), clock, progress}; }
};

}  // namespace cooper
