#include "cooper/base/retry.hpp"

#include "cooper/base/error.hpp"

#include "support/fake_clock.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using cooper::testing::FakeClock;
using std::chrono::milliseconds;

namespace {

Run run_with(FakeClock& clock) {
    Run run;
    run.clock = &clock;
    return run;
}

}  // namespace

TEST_CASE("retrier: tries as often as the policy says", "[unit][base]") {
    FakeClock clock;
    RetryBudget budget;
    RetryPolicy policy;
    policy.attempts = 3;
    Retrier retrier(policy, budget, run_with(clock));
    REQUIRE(retrier.again());
    REQUIRE(retrier.again());
    REQUIRE_FALSE(retrier.again());
    REQUIRE(retrier.tries() == 3);
    REQUIRE(clock.sleeps().size() == 2);
}

TEST_CASE("retrier: waits lie between nothing and the doubled base, and under the cap", "[unit][base]") {
    FakeClock clock;
    RetryPolicy policy;
    policy.attempts = 8;
    policy.base = milliseconds(100);
    policy.cap = milliseconds(1000);
    for (int round = 0; round < 50; ++round) {
        FakeClock round_clock;
        RetryBudget budget;
        Retrier retrier(policy, budget, run_with(round_clock));
        while (retrier.again()) {
        }
        const auto sleeps = round_clock.sleeps();
        REQUIRE(sleeps.size() == 7);
        milliseconds limit = policy.base;
        for (const milliseconds slept : sleeps) {
            limit = std::min(limit * 2, policy.cap);
            REQUIRE(slept >= milliseconds(0));
            REQUIRE(slept <= limit);
        }
    }
}

TEST_CASE("retrier: waits are spread, so that many clients do not come back at once", "[unit][base]") {
    FakeClock clock;
    RetryPolicy policy;
    policy.attempts = 2;
    for (int i = 0; i < 50; ++i) {
        RetryBudget budget;
        Retrier(policy, budget, run_with(clock)).again();
    }
    auto sleeps = clock.sleeps();
    std::sort(sleeps.begin(), sleeps.end());
    REQUIRE(std::unique(sleeps.begin(), sleeps.end()) - sleeps.begin() > 10);
}

TEST_CASE("retrier: an absurd policy does not overflow", "[unit][base]") {
    FakeClock clock;
    RetryBudget budget;
    RetryPolicy policy;
    policy.attempts = 90;
    policy.base = std::chrono::hours(24 * 365 * 100);
    policy.cap = milliseconds::max();
    Retrier retrier(policy, budget, run_with(clock));
    for (int i = 0; i < 80; ++i) {
        REQUIRE(retrier.again(milliseconds(0)));
    }
    REQUIRE(clock.sleeps().back() == milliseconds(0));
}

TEST_CASE("retrier: the server's Retry-After replaces the backoff, up to five minutes", "[unit][base]") {
    FakeClock clock;
    RetryBudget budget;
    Retrier retrier({}, budget, run_with(clock));
    REQUIRE(retrier.again(milliseconds(7'000)));
    REQUIRE(retrier.again(std::chrono::hours(10)));
    REQUIRE(retrier.again(milliseconds(-5)));
    REQUIRE(clock.sleeps() == std::vector<milliseconds>{milliseconds(7'000), milliseconds(300'000), milliseconds(0)});
}

TEST_CASE("retrier: progress starts the count anew, not the budget", "[unit][base]") {
    FakeClock clock;
    RetryBudget budget;
    RetryPolicy policy;
    policy.attempts = 2;
    Retrier retrier(policy, budget, run_with(clock));
    int again = 0;
    while (retrier.again()) {
        retrier.made_progress();
        ++again;
    }
    REQUIRE(again == 100);  // 500 tokens, 5 each
}

TEST_CASE("retry budget: is shared, and successes fill it slowly", "[unit][base]") {
    RetryBudget budget;
    for (int i = 0; i < 100; ++i) {
        REQUIRE(budget.take());
    }
    REQUIRE_FALSE(budget.take());
    for (int i = 0; i < 4; ++i) {
        budget.give_back();
        REQUIRE_FALSE(budget.take());
    }
    budget.give_back();
    REQUIRE(budget.take());
    REQUIRE_FALSE(budget.take());
}

TEST_CASE("retry budget: never grows beyond its start", "[unit][base]") {
    RetryBudget budget;
    for (int i = 0; i < 1000; ++i) {
        budget.give_back();
    }
    int taken = 0;
    while (budget.take()) {
        ++taken;
    }
    REQUIRE(taken == 100);
}

TEST_CASE("retry budgets: one for each host", "[unit][base]") {
    RetryBudgets budgets;
    REQUIRE(&budgets.of("a") == &budgets.of("a"));
    REQUIRE(&budgets.of("a") != &budgets.of("b"));
}

TEST_CASE("retrier: a stop request ends the waiting", "[unit][base]") {
    FakeClock clock;
    RetryBudget budget;
    std::stop_source stop;
    Run run = run_with(clock);
    run.stop = stop.get_token();
    Retrier retrier({}, budget, run);
    stop.request_stop();
    REQUIRE_THROWS_AS(retrier.again(), Cancelled);
}
