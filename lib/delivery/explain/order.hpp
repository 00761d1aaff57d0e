// Whether the same things come in the same order (private).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

struct OrderedPath {
    std::size_t a = 0;  ///< position on each side
    std::size_t b = 0;
    const std::string* path = nullptr;  ///< in A
    const std::string* path_in_b = nullptr;
};

struct OrderDifference {
    std::string path;  ///< the first that stands elsewhere
    std::size_t a = 0;
    std::size_t b = 0;
    std::string detail;  ///< "12 of 340 stand elsewhere; A is sorted by bytes, B is not"
    bool both_sorted = false;
};

/// nullopt: the same order. O(n log n).
std::optional<OrderDifference> compare_positions(std::vector<OrderedPath> common);

}  // namespace cooper::delivery
