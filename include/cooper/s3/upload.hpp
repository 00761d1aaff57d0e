// A multipart upload as an object: begun or gone on with, completed last, aborted when it is dropped unless told to
// stay.
#pragma once

#include "cooper/s3/bucket.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace cooper::s3 {

inline constexpr std::uint64_t kMinPart = 5ULL << 20;
inline constexpr std::uint32_t kMaxParts = 10'000;

/// max(wanted, size / 10,000 rounded up to 1 MiB), at least kMinPart.
std::uint64_t part_size_for(std::uint64_t size, std::uint64_t wanted);

/// Whether `part` surely holds these bytes: the sizes are equal, and so are the CRC-64/NVME where the store told it,
/// else the MD5 that the ETag then has to be (with SSE-KMS it is none, and the answer is no). `crc64` saves computing
/// it again; an MD5 costs about 2 ns a byte and is computed only for a part without a CRC.
[[nodiscard]] bool part_holds(const UploadedPart& part, Bytes bytes, std::optional<std::uint64_t> crc64 = std::nullopt);
/// The same for who no longer has the bytes: yes only where the store told the CRC.
[[nodiscard]] bool part_holds(const UploadedPart& part, std::uint64_t size, std::uint64_t crc64);

/// `part` with the CRC-64/NVME of the bytes that it has to hold. When every part has one, complete() sends the CRC of
/// the whole, and a store that knows it proves that the object is these bytes, copied parts included.
[[nodiscard]] UploadedPart with_crc64(UploadedPart part, std::uint64_t crc64);

/// One object's multipart upload. part(), copy_part() and take() from several threads at once. Not completed when
/// destroyed: aborted (with a Run of its own, so that Ctrl-C still cleans up) unless leave_open() was called.
/// Every operation throws UploadGone when somebody else completed or aborted the upload meanwhile.
class Upload {
public:
    /// Begins an upload.
    Upload(Bucket& bucket, std::string key, const ObjectHeaders& headers, const Run& run);
    /// Goes on with one that was begun before; nullptr when it is not there. What found() has of it does not count
    /// until it is taken. The object's headers are those that the upload was begun with.
    [[nodiscard]] static std::unique_ptr<Upload> resume(Bucket& bucket, std::string key, std::string upload_id,
                                                        const Run& run);
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;
    ~Upload();

    [[nodiscard]] const std::string& upload_id() const noexcept { return upload_id_; }
    /// The parts that were there when the upload was resumed, by number.
    [[nodiscard]] const std::vector<UploadedPart>& found() const noexcept { return found_; }

    /// Sends a part. A number that was given before is replaced.
    void part(std::uint32_t number, Bytes bytes, const Run& run);
    /// Server-side, with the errors of Bucket::copy_part. Counts only when the result, once checked, is taken.
    [[nodiscard]] UploadedPart copy_part(std::uint32_t number, const std::string& source_key,
                                         const std::string& source_etag, std::uint64_t first, std::uint64_t length,
                                         const Run& run);
    /// Counts a part that is there already as done. A number that was given before is replaced.
    void take(UploadedPart part);
    /// What counts as done so far, by number: sent or taken.
    [[nodiscard]] std::vector<UploadedPart> parts() const;
    /// Makes the object visible. Parts must be 1..n without gaps. After an Ambiguous end the upload is left as it is:
    /// aborting could destroy what was just completed elsewhere.
    WriteResult complete(const WriteCondition& condition, const std::map<std::string, std::string>& expect_metadata,
                         const Run& run);
    /// From now on the destructor leaves the upload and its parts in the store, for a later resume(); they cost
    /// storage until then.
    void leave_open();
    void abort();

private:
    Upload(Bucket& bucket, std::string key, std::string upload_id, std::vector<UploadedPart> found, const Run& run);

    Bucket& bucket_;
    std::string key_;
    std::string upload_id_;
    std::vector<UploadedPart> found_;
    mutable std::mutex mutex_;
    std::map<std::uint32_t, UploadedPart> parts_;
    bool open_ = true;
    bool stays_ = false;  // when destroyed
    Run run_;             // without a stop, for aborting
};

/// Uploads a Ranged: one PUT up to 8 MiB, else parts in parallel. Used by tests and by tools that want S3 alone.
WriteResult upload(Bucket& bucket, const std::string& key, const Ranged& content, const ObjectHeaders& headers,
                   const WriteCondition& condition, const Run& run, std::uint64_t part_size = 16ULL << 20,
                   unsigned parallel = 4);

}  // namespace cooper::s3
