// A multipart upload as an object: begun late, completed last, aborted when it is dropped.
#pragma once

#include "cooper/s3/bucket.hpp"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace cooper::s3 {

inline constexpr std::uint64_t kMinPart = 5ULL << 20;
inline constexpr std::uint32_t kMaxParts = 10'000;

/// max(wanted, size / 10,000 rounded up to 1 MiB), at least kMinPart.
std::uint64_t part_size_for(std::uint64_t size, std::uint64_t wanted);

/// One object's multipart upload. part() from several threads at once. Not completed when destroyed: aborted (with a
/// Run of its own, so that Ctrl-C still cleans up).
class Upload {
public:
    Upload(Bucket& bucket, std::string key, const ObjectHeaders& headers, const Run& run);
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;
    ~Upload();

    void part(std::uint32_t number, Bytes bytes, const Run& run);
    /// Server-side: Bucket::copy_part.
    void copy_part(std::uint32_t number, const std::string& source_key, const std::string& source_etag,
                   std::uint64_t first, std::uint64_t length, const Run& run);
    /// Makes the object visible. Parts must be 1..n without gaps. After an Ambiguous end the upload is left as it is:
    /// aborting could destroy what was just completed elsewhere.
    WriteResult complete(const WriteCondition& condition, const std::map<std::string, std::string>& expect_metadata,
                         const Run& run);
    void abort();

private:
    void add(UploadedPart part);

    Bucket& bucket_;
    std::string key_;
    std::string upload_id_;
    std::mutex mutex_;
    std::vector<UploadedPart> parts_;
    bool open_ = true;
    Run run_;  // without a stop, for aborting
};

/// Uploads a Ranged: one PUT up to 8 MiB, else parts in parallel. Used by tests and by tools that want S3 alone.
WriteResult upload(Bucket& bucket, const std::string& key, const Ranged& content, const ObjectHeaders& headers,
                   const WriteCondition& condition, const Run& run, std::uint64_t part_size = 16ULL << 20,
                   unsigned parallel = 4);

}  // namespace cooper::s3
