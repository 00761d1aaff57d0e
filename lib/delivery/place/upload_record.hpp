// What a run that was cut leaves in the bucket so that the next one goes on with its upload (private).
//
// FOLDER/.uploads/IDENTITY.json, named by the plan's identity: whoever has the same plan knows what each part must be.
// The parts themselves are checked before they count, so a wrong record costs bytes and nothing else.
#pragma once

#include "cooper/s3/bucket.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

struct UploadRecord {
    std::string upload_id;
    std::vector<std::uint64_t> lengths;  ///< of all parts
    bool operator==(const UploadRecord&) const = default;
};

std::string upload_record_key(const std::string& tarball_key, const std::string& identity);

std::string upload_record_to_json(const UploadRecord& record);
/// nullopt: no record of an upload.
std::optional<UploadRecord> upload_record_from_json(const std::string& text);

/// nullopt: there is none of an upload of `size` bytes.
std::optional<UploadRecord> find_upload_record(s3::Bucket& bucket, const std::string& record_key, std::uint64_t size,
                                               const Run& run);

/// One that stays tells of an upload that is gone, and is looked at by nobody but a second run of this commit; a
/// publisher that may not delete is no reason to fail.
void forget_upload_record(s3::Bucket& bucket, const std::string& record_key, const Run& run) noexcept;

}  // namespace cooper::delivery
