// Which elements of two sequences belong together (private).
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

namespace cooper::build {

struct AlignedPair {
    std::optional<std::size_t> before;
    std::optional<std::size_t> after;
    bool equal = false;
};

/// Pairs equal elements, as many as can be without crossing (the longest common subsequence; of very long sequences
/// only what they have in common at both ends), and what is left between them in order. All positions of both, in
/// order.
std::vector<AlignedPair> align(std::size_t before, std::size_t after,
                               const std::function<bool(std::size_t before, std::size_t after)>& equal);

}  // namespace cooper::build
