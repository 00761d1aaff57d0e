// IMAGE[=NAME:TAG]... on the command line: where an image is, and what it is called where it goes.
#pragma once

#include "cooper/oci/copy.hpp"
#include "cooper/oci/image.hpp"
#include "cooper/oci/place.hpp"
#include "cooper/oci/platform.hpp"
#include "cooper/oci/reference.hpp"

#include "session.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::cli {

/// Parsed, nothing opened yet. What looks like a file ("./layout", "app.tar") is one, and must exist.
struct ImageArgument {
    std::string source;                 ///< as typed, without the names
    oci::PlaceName place;               ///< where it is
    std::vector<oci::Reference> names;  ///< from =NAME:TAG; may be empty

    [[nodiscard]] bool in_registry() const noexcept { return place.kind == oci::PlaceName::Kind::Registry; }

    /// Throws UsageError.
    static ImageArgument parse(std::string_view text);
};

/// An opened image with its names: those given, else the source's own. A reference by digest alone has none.
struct OpenedImage {
    oci::Image image;
    std::vector<oci::Reference> names;
    std::string source;
    std::vector<oci::Reference> repositories;        ///< of registries that hold its blobs
    std::optional<oci::Index> index = std::nullopt;  ///< that its platform was chosen from
};

/// `store`: whether the local store keeps what comes from a registry.
OpenedImage open_image(Session& session, const ImageArgument& argument, const std::optional<oci::Platform>& platform,
                       Session::Store store = Session::Store::Read);

/// A place to read from, as typed; a file or a directory that exists may be named without its transport, and "-" is
/// an archive on standard input. Throws UsageError.
oci::PlaceName parse_source(std::string_view text);
/// A place to write to. Throws UsageError.
oci::PlaceName parse_destination(std::string_view text);

/// NAME:TAG with the tag written out; throws UsageError that names `subject`.
oci::Reference parse_name(std::string_view text, std::string_view subject);

/// --creds belong to one registry: throws UsageError when the places are in several.
void check_one_login(const ConnectionFlags& flags, const std::vector<oci::PlaceName>& places);
void check_one_login(const ConnectionFlags& flags, const std::vector<ImageArgument>& images);

/// The names as an archive has them: "docker.io/library/app:1".
std::vector<std::string> repo_tags(const std::vector<oci::Reference>& names);

}  // namespace cooper::cli
