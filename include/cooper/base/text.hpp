// Small text work that several rooms need: hex, base64, percent-encoding, splitting.
#pragma once

#include "cooper/base/stream.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper {

std::string to_hex(Bytes bytes);                                ///< lower case
std::optional<std::string> from_hex(std::string_view text);     ///< raw bytes; nullopt on a bad digit or odd length
std::string to_base64(Bytes bytes);                             ///< RFC 4648 section 4, padded
std::optional<std::string> from_base64(std::string_view text);  ///< standard or URL alphabet, padding optional

/// Percent-encodes every byte but `A-Z a-z 0-9 - . _ ~` and those in `keep` (RFC 3986 2.3; SigV4's UriEncode).
std::string percent_encode(std::string_view text, std::string_view keep = "");
/// Decodes %XX; leaves anything else as it is. `plus_is_space` for form encoding.
std::string percent_decode(std::string_view text, bool plus_is_space = false);

std::string_view trim(std::string_view text);                       ///< spaces, tabs, CR, LF at both ends
std::string to_lower(std::string_view text);                        ///< ASCII only
bool equals_ignoring_case(std::string_view a, std::string_view b);  ///< ASCII only
std::vector<std::string_view> split(std::string_view text, char separator);
std::optional<std::uint64_t> parse_uint(std::string_view text);  ///< the whole text, decimal digits only
bool is_valid_utf8(std::string_view text);

/// "1.2 GB" style (powers of 1000, one decimal from kB on).
std::string format_bytes(std::uint64_t bytes);

}  // namespace cooper
