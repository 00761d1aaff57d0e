// What reading, merging and rendering of a changelog share.
#pragma once

#include "cooper/delivery/changelog.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

/// The heading's name of a commit: 7 to 40 characters of [0-9a-z] (`trust-and-delivery.md` 4.5; not hex alone, as the
/// design's own example shows "ghi9012").
bool is_heading_sha(std::string_view text) noexcept;

/// The repository and the images as they stand in the document.
std::string written_repository(std::string_view repository);
std::string written_images(const std::vector<std::string>& images);
/// The Status field's value: "WITHDRAWN 2024-01-16 - reason".
std::string written_status(const Withdrawal& withdrawal);
/// Of two withdrawals of one build: the later one, then the greater reason. Total, so that their order does not matter.
std::optional<Withdrawal> later_withdrawal(const std::optional<Withdrawal>& a, const std::optional<Withdrawal>& b);

}  // namespace cooper::delivery
