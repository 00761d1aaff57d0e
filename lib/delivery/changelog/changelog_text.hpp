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

}  // namespace cooper::delivery
