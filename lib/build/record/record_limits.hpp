// How much a record of a build may hold (private).
#pragma once

#include <cstddef>

namespace cooper::build {

inline constexpr std::size_t kMaxRecordText = 16U << 20;
/// Of steps, bases, arguments; the largest real Dockerfiles have some hundred instructions.
inline constexpr std::size_t kMaxRecordItems = 10'000;

}  // namespace cooper::build
