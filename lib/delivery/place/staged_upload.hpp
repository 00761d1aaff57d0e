// The end of an upload into a bucket: at once, or later by any process (private).
#pragma once

#include "cooper/delivery/place.hpp"
#include "cooper/s3/bucket.hpp"
#include "cooper/s3/upload.hpp"

#include <string>

namespace cooper::delivery {

/// Makes an upload visible whose parts have all been given. Ours or another publisher's of the same plan: either way
/// these bytes are there afterwards. Throws Error: Conflict (something else has the key), Unavailable (it is not known
/// whether it was made visible).
void complete_upload(s3::Bucket& bucket, const std::string& key, s3::Upload& upload, const TarballFacts& facts,
                     const Run& run);

/// StagedTarball::handle of an upload whose parts have all been given: its ID and what each part must be.
std::string handle_of(const s3::Upload& upload);

/// Place::complete_staged(), discard_staged(), remove_tarball().
void complete_staged_upload(s3::Bucket& bucket, const StagedTarball& staged, const Run& run);
void discard_staged_upload(s3::Bucket& bucket, const StagedTarball& staged, const Run& run);
bool remove_uploaded(s3::Bucket& bucket, const std::string& key, const TarballFacts& facts, const Run& run);

}  // namespace cooper::delivery
