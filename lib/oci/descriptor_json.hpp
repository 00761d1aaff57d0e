// Descriptors as they stand in manifests and indexes.
#pragma once

#include "cooper/oci/descriptor.hpp"

#include "base/json.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// The member, nullptr when it is absent or null: Go writes empty maps and lists as null when they lack omitempty.
const json::Value* find_filled(const json::Value& object, std::string_view key);

/// `where` names the value in errors: "manifest: layers[3]". Throws Error{InvalidInput}.
Descriptor read_descriptor(const json::Value& value, std::string_view where);

/// An object of strings, absent or null: empty.
std::map<std::string, std::string> read_annotations(const json::Value& object, std::string_view where);

/// The member of `object` that must be an array of at most `limit` values.
const json::Value& read_array(const json::Value& object, std::string_view key, std::size_t limit,
                              std::string_view where);

}  // namespace cooper::oci
