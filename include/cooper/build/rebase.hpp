// An image on another base: the layers below are exchanged, those on top stay the same blobs.
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/image.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace cooper::build {

struct RebaseOptions {
    /// Reads the layers of all three and warns where directories were links, or became links, that the layers on top
    /// rely on. False: no layer is fetched.
    bool check_paths = true;
    /// What the annotation org.opencontainers.image.base.name becomes, where the image has it; empty: it goes.
    std::string base_name;
};

struct Rebased {
    oci::Image image;
    std::size_t layers_kept = 0;               ///< those on top
    std::vector<std::string> taken_from_base;  ///< "env PATH", "label version": what came along with the new base
    std::vector<std::string> warnings;
};

/// `image`, which begins with the layers of `old_base` (compared by diff ID), with those of `new_base` beneath instead.
///
/// The base's part of the history is the new base's; a base without history gets entries that say so. The config is the
/// image's, with one exception: what it has unchanged from the old base, value by value (a variable, a label, a port, a
/// volume, entrypoint with cmd, workdir, user, stop signal, health check, shell), is as the new base has it, and what
/// the new base adds comes along. What the image says otherwise than the old base did stays. The manifest becomes an
/// OCI manifest where the two are of different kinds; unknown members and annotations stay, but that
/// org.opencontainers.image.base.digest, where the image has it, names the new base. With the same base twice the image
/// is as it was.
///
/// Throws Error{InvalidInput} when the image is not built on `old_base` (says where they part), and when the platforms
/// of image and new base differ.
Rebased rebase(const oci::Image& image, const oci::Image& old_base, const oci::Image& new_base,
               const RebaseOptions& options, const Run& run);

}  // namespace cooper::build
