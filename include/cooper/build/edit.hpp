// Edits are values: a new image from an old one. Unknown config members, key order and number spelling are kept.
#pragma once

#include "cooper/build/layer.hpp"
#include "cooper/oci/image.hpp"
#include "cooper/oci/platform.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

/// What to change in the config. Empty optionals leave things as they are.
struct ConfigEdit {
    std::vector<std::pair<std::string, std::string>> env;  ///< set or replaced, order kept
    std::optional<std::vector<std::string>> entrypoint;    ///< resets cmd unless that is given too, as docker does
    std::optional<std::vector<std::string>> cmd;
    std::optional<std::string> workdir;
    std::optional<std::string> user;
    std::vector<std::pair<std::string, std::string>> labels;
    std::optional<TimePoint> created;  ///< of the image and its new history; nullopt: 1970-01-01
};

/// An image without layers for `platform`.
oci::Image scratch_image(const oci::Platform& platform);

/// `base` with `layers` on top and `edit` applied: an OCI manifest, blobs of the base plus the layers' files (which
/// must outlive the image). History gets one entry per layer, and one empty_layer entry for the config edit if there is
/// any; a base with layers but no history stays without. Throws Error{InvalidInput} for what a config cannot hold: text
/// that is not UTF-8, a variable without a name, a relative workdir.
oci::Image append(const oci::Image& base, const std::vector<BuiltLayer>& layers, const ConfigEdit& edit);

}  // namespace cooper::build
