// Names in a store (private).
#pragma once

#include "cooper/base/run.hpp"

#include "base/json.hpp"
#include "oci/store/store_directory.hpp"

#include <functional>

namespace cooper::oci {

/// Lets `change` edit index.json under its lock. When it returns true the new one is on the disk before this returns:
/// blobs can be fetched again, names cannot.
bool change_names(const StoreDirectory& directory, const std::function<bool(json::Value& document)>& change,
                  const Run& run);

}  // namespace cooper::oci
