// IMAGE[=NAME:TAG]... on the command line: where an image is, and what it is called where it goes.
#pragma once

#include "cooper/oci/image.hpp"
#include "cooper/oci/platform.hpp"
#include "cooper/oci/reference.hpp"

#include "session.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::cli {

/// Parsed, nothing opened yet.
struct ImageArgument {
    std::string source;                       ///< as typed, without the names
    std::optional<oci::Reference> reference;  ///< in a registry; nullopt: in a docker-archive
    std::vector<oci::Reference> names;        ///< from =NAME:TAG; may be empty

    /// Throws UsageError.
    static ImageArgument parse(std::string_view text);
};

/// An opened image with its names: those given, else the source's own. A reference by digest alone has none.
struct OpenedImage {
    oci::Image image;
    std::vector<oci::Reference> names;
    std::string source;
};

OpenedImage open_image(Session& session, const ImageArgument& argument, const std::optional<oci::Platform>& platform);

/// NAME:TAG with the tag written out; throws UsageError that names `subject`.
oci::Reference parse_name(std::string_view text, std::string_view subject);

/// --creds belong to one registry: throws UsageError when the images are in several.
void check_one_login(const ConnectionFlags& flags, const std::vector<ImageArgument>& images);

/// The names as an archive has them: "docker.io/library/app:1".
std::vector<std::string> repo_tags(const std::vector<oci::Reference>& names);

}  // namespace cooper::cli
