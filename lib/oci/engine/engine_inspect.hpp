// Images as the API names and describes them, and whether one is the one that it should be.
#pragma once

#include "cooper/oci/engine.hpp"

#include <optional>
#include <string>

namespace cooper::oci {

struct InspectedImage {
    EngineImage image;
    /// The ID is that of a manifest or index, as containerd's image store has it. API 1.48 says so.
    bool id_of_manifest = false;
};

/// The body of GET /images/NAME/json. Throws Error{Unavailable} for what is none.
InspectedImage parse_inspected(const std::string& body);

/// Throws IntegrityError when `found` is another image than `loaded`, which is called `name`.
void check_loaded(const InspectedImage& found, const Image& loaded, const std::string& name);

/// As the API takes a platform in a query.
std::string platform_json(const Platform& platform);

/// "sha256:" and 12 to 64 hex digits, or the digits alone.
bool is_image_id(std::string_view name);

/// `name` as it stands in a path of the API: an ID as it is, else a reference, fully qualified so that docker and
/// podman agree on it. Throws Error{InvalidInput}.
std::string image_path(const std::string& name);

}  // namespace cooper::oci
