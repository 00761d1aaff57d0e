#include "build/template/nearest.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace cooper::build::jinja {

namespace {

constexpr std::size_t kLongestWord = 40;

/// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row.back();
}

}  // namespace

std::string did_you_mean(std::string_view given, std::span<const std::string_view> known) {
    if (given.size() > kLongestWord) {
        return "";
    }
    std::string_view best;
    std::size_t least = given.size() / 3 + 2;  // a third of the letters may be wrong, and one more
    for (const std::string_view word : known) {
        const std::size_t away = distance(given, word);
        if (away < least) {
            least = away;
            best = word;
        }
    }
    return best.empty() ? "" : "; did you mean \"" + std::string(best) + "\"?";
}

}  // namespace cooper::build::jinja
