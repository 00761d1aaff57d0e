// The tags of one image, from its settings, by the profile that they name.
#pragma once

#include "cooper/build/runtime_image.hpp"

namespace cooper::build {

inline constexpr std::string_view kProfileV0 = "v0";
inline constexpr std::string_view kProfileV1 = "v1";

/// The settings' profile; "cooper" when they name none.
std::string profile_of(const ImageSettings& settings);

/// The one directory that profiles v0 and v1 hash: the first source, "openhands" when none is named.
std::filesystem::path package_directory(const ImageSettings& settings);

/// Throws what RuntimeImage::from() throws of them.
HashTags tags_of_image(const ImageSettings& settings, const RuntimeImageInputs& inputs, const Run& run);

}  // namespace cooper::build
