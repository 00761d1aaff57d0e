// Values on the command line that describe edits of images.
#pragma once

#include "cooper/base/clock.hpp"
#include "cooper/base/environment.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::cli {

/// KEY=VALUE pairs; throws UsageError that names `flag`.
std::vector<std::pair<std::string, std::string>> parse_pairs(const std::vector<std::string>& texts,
                                                             std::string_view flag);
/// A JSON array of strings, or one word. Throws Error{InvalidInput}.
std::vector<std::string> parse_words(std::string_view text);
/// "epoch", seconds since 1970, or RFC 3339. Throws Error{InvalidInput}.
TimePoint parse_time(std::string_view text);
/// Throws UsageError.
std::optional<TimePoint> source_date_epoch(const Environment& environment);

}  // namespace cooper::cli
