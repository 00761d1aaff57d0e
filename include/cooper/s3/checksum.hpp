// CRC-64/NVME, the checksum that AWS, Ceph and R2 all accept for whole multipart objects.
#pragma once

#include "cooper/base/stream.hpp"

#include <cstdint>
#include <string>

namespace cooper::s3 {

/// CRC-64/NVME (reflected polynomial 0x9A6C9329AC4BC9B5, init and xorout all ones) of `bytes`, going on from `crc` (0
/// at the start). PCLMULQDQ where the CPU has it, tables elsewhere; same result.
std::uint64_t crc64nvme(Bytes bytes, std::uint64_t crc = 0);
/// The CRC of A followed by B from both CRCs and B's length.
std::uint64_t crc64nvme_combine(std::uint64_t a, std::uint64_t b, std::uint64_t length_b);
/// Base64 of the big-endian value, as in x-amz-checksum-crc64nvme.
std::string crc64nvme_header(std::uint64_t crc);

}  // namespace cooper::s3
