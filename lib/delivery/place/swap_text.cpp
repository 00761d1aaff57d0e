#include "delivery/place/swap_text.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/delivery/publish.hpp"

namespace cooper::delivery {
namespace {

// With twenty publishers in step one wins each round, so a few more rounds than publishers.
constexpr int kTries = 50;
constexpr RetryPolicy kPace{kTries, std::chrono::milliseconds(50), std::chrono::milliseconds(3000)};

std::string merged(const TextChange& change, const std::optional<Place::Text>& found) {
    return change.merge(found ? &found->text : nullptr);
}

[[noreturn]] void throw_lost(const TextChange& change, const std::string& message) {
    LostRace lost(message);
    if (!change.advice.empty()) {
        lost.advise(change.advice);
    }
    throw lost;
}

}  // namespace

bool swap_text(Place& place, const std::string& key, const TextChange& change, const Run& run) {
    RetryBudget budget;
    Retrier retrier(kPace, budget, run);
    bool changed = false;
    std::string last_failure;
    do {
        const auto found = place.find_text(key, run);
        const std::string after = merged(change, found);
        if (found && after == found->text) {
            return changed;  // also the proof that a write before was not lost to somebody who does not compare
        }
        try {
            if (place.replace_text(key, after, found ? std::optional(found->etag) : std::nullopt, run)) {
                changed = true;
                if (const auto check = place.find_text(key, run); check && merged(change, check) == check->text) {
                    return true;
                }
            }
            last_failure.clear();
        } catch (const Error& error) {
            // It may have been written all the same: what is there now tells.
            if (error.code() != ErrorCode::Unavailable) {
                throw;
            }
            changed = true;
            last_failure = error.what();
        }
    } while (retrier.again());
    if (!last_failure.empty()) {
        throw Error(ErrorCode::Unavailable, "writing " + change.what + ": " + last_failure);
    }
    throw_lost(change, place.name() + "/" + key + " was changed by others in each of " + std::to_string(kTries) +
                           " tries to add to " + change.what);
}

bool settle_text(Place& place, const std::string& key, const TextChange& change, const Run& run) {
    RetryBudget budget;
    Retrier retrier(kPace, budget, run);
    bool changed = false;
    do {
        const auto found = place.find_text(key, run);
        const std::string after = merged(change, found);
        if (after == (found ? found->text : std::string())) {
            return changed;
        }
        place.put_text(key, after, run);
        changed = true;
    } while (retrier.again());
    throw_lost(change, place.name() + "/" + key + " did not settle in " + std::to_string(kTries) +
                           " tries: other publishers keep overwriting it, and the store has no conditional writes");
}

}  // namespace cooper::delivery
