// What the operations of a bucket share.
#pragma once

#include "cooper/s3/bucket.hpp"

#include "s3/store.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace cooper::s3 {

struct Bucket::State {
    State(std::string name, Settings settings, HttpClient& http, CredentialsProvider& credentials)
        : store(std::move(name), std::move(settings), http, credentials) {}

    Store store;
    std::mutex mutex;  // guards what follows
    std::optional<ConditionalWrites> conditional_writes;
    std::optional<TimePoint> presign_refreshed;  // the end of the session that was fetched for presigning
};

/// Content-Type and so on; throws Error{InvalidInput} for a value that cannot be a header, or more than 2 KB of
/// metadata.
NameValues object_headers(const ObjectHeaders& headers);
/// As stored: names lower case, bytes that cannot stand in a header percent-encoded.
std::string metadata_value(std::string_view value);
ObjectInfo info_of(const std::string& key, const Headers& headers);

/// Adds the checksum of `body`, computed when it is first needed; `crc64` when it is known already.
std::function<void(ChecksumForm, NameValues&)> checksum_of(std::shared_ptr<const Ranged> body,
                                                           std::optional<std::uint64_t> crc64);

/// If-Match or If-None-Match as this store likes it.
void add_condition(const Store& store, const WriteCondition& condition, NameValues& headers);
/// What an error answer to a conditional write means; throws when it is another error.
WriteResult condition_failed(const Reply& reply, const WriteCondition& condition, const std::string& what);

std::optional<ObjectInfo> head_object(Store& store, const std::string& key, const Run& run);

}  // namespace cooper::s3
