// Suggestions for names that were mistyped.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace cooper {

/// The candidate that a slip of the fingers turned into `given`; nullopt when none is near.
std::optional<std::string_view> nearest(std::string_view given, std::span<const std::string_view> candidates);

}  // namespace cooper
