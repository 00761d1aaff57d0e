// What the operations on multipart uploads share.
#pragma once

#include "cooper/s3/bucket.hpp"

#include "s3/store.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace cooper::s3 {

/// Joining 10,000 parts, or copying 5 GiB, takes minutes in which nothing, or a space now and then, comes.
inline constexpr std::chrono::minutes kPatience{10};

/// "part 3 of s3://bucket/key".
std::string part_name(const Store& store, const std::string& key, std::uint32_t number);
/// Throws Error{InvalidInput} unless `number` is 1 to 10,000.
NameValues part_query(const std::string& upload_id, std::uint32_t number);

/// The ChecksumCRC64NVME of an answer or of one part in it; nullopt when there is none.
std::optional<std::uint64_t> told_crc64(const xml::Element& element);

/// The answer says that there is no such upload. Which word comes with the 404 differs between stores.
bool is_upload_gone(const Reply& reply);
[[noreturn]] void raise_gone(const Reply& reply, const std::string& what, const std::string& upload_id);

}  // namespace cooper::s3
