// JSON access for the rooms' own use (private: public headers do not show the library behind it).
//
// Parsing is strict where documents come from outside: depth at most 64, duplicate keys refused, valid UTF-8, nothing
// after the end. Access names what is missing: "manifest: layers[3].digest is not a string".
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::json {

using Value = nlohmann::ordered_json;

/// Throws Error{InvalidInput} "WHAT is not valid JSON: … at byte N".
Value parse(std::string_view text, std::string_view what);
/// Compact, keys in order, no HTML escapes, no newline at the end.
std::string write(const Value& value);

/// Member access on an object; `what` names the document in errors.
const Value& member(const Value& object, std::string_view key, std::string_view what);
const Value* find_member(const Value& object, std::string_view key);
std::string string_member(const Value& object, std::string_view key, std::string_view what);
std::optional<std::string> find_string(const Value& object, std::string_view key, std::string_view what);
std::uint64_t uint_member(const Value& object, std::string_view key, std::string_view what);
std::optional<std::int64_t> find_int(const Value& object, std::string_view key, std::string_view what);

}  // namespace cooper::json
