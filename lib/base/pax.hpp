// pax extended header records, "LENGTH KEY=VALUE\n" (private to what reads and writes tar).
#pragma once

#include "cooper/base/tar.hpp"

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::pax {

using Records = std::map<std::string, std::string, std::less<>>;

inline constexpr std::string_view kPath = "path";
inline constexpr std::string_view kLinkPath = "linkpath";
inline constexpr std::string_view kSize = "size";
inline constexpr std::string_view kUid = "uid";
inline constexpr std::string_view kGid = "gid";
inline constexpr std::string_view kMtime = "mtime";
inline constexpr std::string_view kXattrPrefix = "SCHILY.xattr.";

/// All records, in the order of their keys.
std::string format(const Records& records);

/// One after the other as they stand there. Throws as parse() does.
using RecordList = std::vector<std::pair<std::string, std::string>>;
RecordList parse_in_order(std::string_view text, const TarLimits& limits);

/// Strict: lengths that are exact, no key twice, no NUL where a name is meant. Throws Error{Integrity}, or
/// Error{InvalidInput} for a record beyond limits.max_pax_record.
Records parse(std::string_view text, const TarLimits& limits);

}  // namespace cooper::pax
