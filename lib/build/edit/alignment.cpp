#include "build/edit/alignment.hpp"

#include <algorithm>
#include <cstdint>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxCells = 2'000'000;  // 1,000 layers on each side; 4 MB

using Equal = std::function<bool(std::size_t, std::size_t)>;

/// Positions of the longest common subsequence of [begin, before_end) and [begin, after_end).
std::vector<std::pair<std::size_t, std::size_t>> common(std::size_t begin, std::size_t before_end,
                                                        std::size_t after_end, const Equal& equal) {
    const auto rows = before_end - begin, columns = after_end - begin;
    if (rows == 0 || columns == 0 || rows > kMaxCells / columns) {
        return {};
    }
    // length[i][j]: of what is common to the rests from i and from j; at most kMaxCells, so the shorter side fits.
    std::vector<std::uint16_t> length((rows + 1) * (columns + 1));
    const auto at = [&](std::size_t i, std::size_t j) -> std::uint16_t& { return length[i * (columns + 1) + j]; };
    for (auto i = rows; i-- > 0;) {
        for (auto j = columns; j-- > 0;) {
            at(i, j) = equal(begin + i, begin + j) ? static_cast<std::uint16_t>(at(i + 1, j + 1) + 1)
                                                   : std::max(at(i + 1, j), at(i, j + 1));
        }
    }
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    for (std::size_t i = 0, j = 0; i < rows && j < columns;) {
        if (equal(begin + i, begin + j)) {
            pairs.emplace_back(begin + i++, begin + j++);
        } else if (at(i + 1, j) >= at(i, j + 1)) {
            ++i;
        } else {
            ++j;
        }
    }
    return pairs;
}

}  // namespace

std::vector<AlignedPair> align(std::size_t before, std::size_t after, const Equal& equal) {
    std::size_t begin = 0;
    while (begin < before && begin < after && equal(begin, begin)) {
        ++begin;
    }
    std::size_t tail = 0;
    while (tail < before - begin && tail < after - begin && equal(before - tail - 1, after - tail - 1)) {
        ++tail;
    }
    std::vector<AlignedPair> result;
    std::size_t i = 0, j = 0;
    const auto gap = [&](std::size_t before_end, std::size_t after_end) {
        while (i < before_end || j < after_end) {
            AlignedPair pair;
            if (i < before_end) {
                pair.before = i++;
            }
            if (j < after_end) {
                pair.after = j++;
            }
            result.push_back(pair);
        }
    };
    const auto take = [&](std::size_t b, std::size_t a) {
        gap(b, a);
        result.push_back({i++, j++, true});
    };
    for (std::size_t k = 0; k < begin; ++k) {
        take(k, k);
    }
    for (const auto& [b, a] : common(begin, before - tail, after - tail, equal)) {
        take(b, a);
    }
    gap(before - tail, after - tail);
    for (std::size_t k = tail; k > 0; --k) {
        take(before - k, after - k);
    }
    return result;
}

}  // namespace cooper::build
