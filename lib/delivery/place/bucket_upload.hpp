// A tarball on its way into a bucket (private).
#pragma once

#include "cooper/delivery/place.hpp"
#include "cooper/s3/bucket.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace cooper::delivery {

/// Below this, sending all again costs less than asking what is there.
inline constexpr std::uint64_t kRecordedFrom = 32ULL << 20;

/// How an upload that makes use of `reuse` is cut.
std::vector<std::uint64_t> cut_upload(std::uint64_t size, const Reuse& reuse);
/// The parts of any other upload.
std::uint64_t upload_part_size(std::uint64_t size);

/// Goes on with an upload of the same plan that was cut, where FOLDER/.uploads/IDENTITY.json says that there is one:
/// that record has the upload's ID and how it is cut. Begins a new one otherwise.
std::unique_ptr<TarballUpload> begin_bucket_upload(s3::Bucket& bucket, const std::string& key,
                                                   const TarballFacts& known, const Reuse* reuse, const Run& run);

}  // namespace cooper::delivery
