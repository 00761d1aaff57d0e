// An object as a stream that goes on where a broken connection left it.
#pragma once

#include "cooper/base/stream.hpp"

#include "s3/store.hpp"

#include <memory>
#include <string>

namespace cooper::s3 {

/// From `offset` to the end. Throws NotFound when there is no such object; while reading, Conflict when it was
/// replaced. Borrows `store`.
std::unique_ptr<Source> open_object(Store& store, const std::string& key, std::uint64_t offset, const Run& run);

}  // namespace cooper::s3
