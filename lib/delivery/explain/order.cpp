#include "delivery/explain/order.hpp"

#include <algorithm>

namespace cooper::delivery {

namespace {

/// The length of the longest increasing subsequence: what need not be moved.
std::size_t in_order(const std::vector<OrderedPath>& common) {
    std::vector<std::size_t> ends;  // the smallest end of an increasing subsequence of each length
    for (const auto& each : common) {
        const auto at = std::lower_bound(ends.begin(), ends.end(), each.b);
        if (at == ends.end()) {
            ends.push_back(each.b);
        } else {
            *at = each.b;
        }
    }
    return ends.size();
}

bool sorted_by_bytes(const std::vector<OrderedPath>& common, const std::string* OrderedPath::*path) {
    return std::is_sorted(common.begin(), common.end(),
                          [path](const auto& x, const auto& y) { return *(x.*path) < *(y.*path); });
}

}  // namespace

std::optional<OrderDifference> compare_positions(std::vector<OrderedPath> common) {
    std::sort(common.begin(), common.end(), [](const auto& x, const auto& y) { return x.a < y.a; });
    const auto moved = common.size() - in_order(common);
    if (moved == 0) {
        return std::nullopt;
    }
    const bool a_sorted = sorted_by_bytes(common, &OrderedPath::path);
    auto as_in_b = common;
    std::sort(as_in_b.begin(), as_in_b.end(), [](const auto& x, const auto& y) { return x.b < y.b; });
    const bool b_sorted = sorted_by_bytes(as_in_b, &OrderedPath::path_in_b);
    const auto [first, ignored] = std::mismatch(common.begin(), common.end(), as_in_b.begin(),
                                                [](const auto& x, const auto& y) { return x.a == y.a; });
    OrderDifference difference{*first->path, first->a, first->b, "", a_sorted && b_sorted};
    difference.detail = std::to_string(moved) + " of " + std::to_string(common.size()) + " stand elsewhere; ";
    difference.detail += a_sorted == b_sorted ? (a_sorted ? "both are" : "neither is") : (a_sorted ? "A is" : "B is");
    difference.detail += " sorted by bytes";
    return difference;
}

}  // namespace cooper::delivery
