// manifest.json, the table of contents of a docker-archive (private).
#pragma once

#include "cooper/oci/reference.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// docker's, podman's and containers/image's archives stay far below.
inline constexpr std::size_t kMaxManifestJson = 1024 * 1024;

/// One image: names of members, and what it is called.
struct Listing {
    std::string config;
    std::vector<std::string> repo_tags;
    std::vector<std::string> layers;
};

/// Throws Error{InvalidInput}. Members that some writers add ("LayerSources", "Parent") are not looked at.
std::vector<Listing> parse_manifest_json(std::string_view text);

/// The number of the image that `name` or `which` ("@N") means, or of the only one. Throws Error: NotFound,
/// InvalidInput (several, or both); those present are listed.
std::size_t find_listing(const std::vector<Listing>& listings, const std::optional<Reference>& name,
                         std::string_view which);

}  // namespace cooper::oci
