#include "cooper/base/nearest.hpp"

#include <algorithm>
#include <vector>

namespace cooper {

namespace {

// The edit distance with swapped neighbours counted as one slip (optimal string alignment).
std::size_t slips(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                cost[i][j] = i + j;
                continue;
            }
            cost[i][j] = std::min(
                {cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
            }
        }
    }
    return cost[a.size()][b.size()];
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view given, std::span<const std::string_view> candidates) {
    constexpr std::size_t kLongestName = 40;  // bounds the table in slips()
    if (given.size() > kLongestName) {
        return std::nullopt;
    }
    std::optional<std::string_view> best;
    std::size_t best_slips = given.size() < 6 ? 2 : 3;  // one slip in a short word, two in a longer one
    for (const std::string_view candidate : candidates) {
        const bool fits = candidate.size() < given.size() + best_slips && given.size() < candidate.size() + best_slips;
        const std::size_t count = fits ? slips(given, candidate) : best_slips;
        if (count < best_slips) {
            best = candidate;
            best_slips = count;
        }
    }
    return best;
}

}  // namespace cooper
