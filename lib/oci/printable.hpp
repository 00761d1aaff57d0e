// Foreign text in messages.
#pragma once

#include <string>
#include <string_view>

namespace cooper::oci {

inline constexpr std::size_t kPrintableLimit = 200;

/// `text` fit for a line on a terminal: control and non-ASCII bytes become "?", anything after `limit` becomes "…".
std::string printable(std::string_view text, std::size_t limit = kPrintableLimit);

}  // namespace cooper::oci
