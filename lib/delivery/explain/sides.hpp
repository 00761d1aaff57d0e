// What is at the two places that explain compares (private).
#pragma once

#include "cooper/oci/copy.hpp"

#include "delivery/explain/archive.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

struct SideImage {
    std::string name;  ///< its first one; may be empty
    oci::Image image;
    bool has_manifest = true;  ///< false: ours, made for an archive that has none
};

struct OpenedSide {
    std::vector<SideImage> images;
    std::vector<oci::RawManifest> indexes;  ///< above them; of places that are no archives
    std::optional<std::string> damage;      ///< why images cannot be read
};

/// An archive that is compared as a file: no stream or pipe, and no image in it named.
bool is_whole_archive(const oci::PlaceName& place);

/// The archive, plain; one that is compressed as a whole is inflated into the spool.
std::shared_ptr<const FileRanged> open_plain(const oci::PlaceName& place, const oci::PlaceAccess& access,
                                             const Run& run);

/// All images of a place. Damage is told, other failures are thrown.
OpenedSide open_side(const oci::PlaceName& place, const ScannedArchive* scanned, const oci::PlaceAccess& access,
                     const Run& run);

/// Images with the same name and platform, else in order.
struct ImagePair {
    const SideImage* a = nullptr;
    const SideImage* b = nullptr;
    std::string label;  ///< " of app:1" where there are several, else ""
};
std::vector<ImagePair> pair_images(const OpenedSide& a, const OpenedSide& b);

/// Of one side's images, numbered as their pairs are.
MemberRoles roles_in(const ScannedArchive& archive, const std::vector<const SideImage*>& images);

}  // namespace cooper::delivery
