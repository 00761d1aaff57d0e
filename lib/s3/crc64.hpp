// The two ways to compute CRC-64/NVME, apart so that tests can compare them. Both take and give the raw state (not
// inverted).
#pragma once

#include "cooper/base/stream.hpp"

#include <cstdint>

namespace cooper::s3 {

std::uint64_t crc64_by_table(std::uint64_t state, Bytes bytes);
/// Needs crc64_can_fold().
std::uint64_t crc64_by_folding(std::uint64_t state, Bytes bytes);
bool crc64_can_fold() noexcept;

}  // namespace cooper::s3
