// Step records as documents (private): one in a file of its own, many in a cache that travels.
//
//   {"schema":"cooper.build.cache/1","records":[{"key":"sha256:…","diff_id":"sha256:…","tar_size":1,
//    "instruction":"RUN make","compressor":"…","blob":{"media_type":"…","digest":"sha256:…","size":1}}]}
//
// Canonical: members sorted, records sorted by key, no white space.
#pragma once

#include "cooper/build/build_cache.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// Of one cache that is read; more would not fit into a document that registries take.
inline constexpr std::size_t kMaxCacheRecords = 10'000;
/// One record with its longest texts.
inline constexpr std::size_t kMaxStepFile = 8 * 1024;

std::string step_to_json(const StepRecord& record);
/// Throws Error{InvalidInput}; Error{Unsupported} for another format.
StepRecord step_from_json(std::string_view text, std::string_view what);

/// Sorted by key, each key once (the first one counts).
std::string records_to_json(std::vector<StepRecord> records);
/// Throws Error{InvalidInput} for whatever records_to_json() does not write, a key that stands twice among it;
/// Error{Unsupported} for another format.
std::vector<StepRecord> records_from_json(std::string_view text, std::string_view what);

}  // namespace cooper::build
