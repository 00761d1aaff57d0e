// An image on another base: the layers below are exchanged, those on top stay the same blobs.
#pragma once

#include "cooper/base/clock.hpp"
#include "cooper/base/run.hpp"
#include "cooper/oci/image.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

struct RebaseOptions {
    /// Reads the layers (of the new base, and what is on top) and warns where the two do not fit: links that
    /// directories of the upper layers would replace.
    bool check_paths = true;
    std::optional<TimePoint> edit_time;  ///< nullopt: 1970-01-01; the image's `created` stays
};

struct Rebased {
    oci::Image image;
    std::size_t layers_kept = 0;               ///< those on top
    std::vector<std::string> taken_from_base;  ///< "env PATH", "label version": what came along with the new base
    std::vector<std::string> warnings;
};

/// `image`, which begins with the layers of `old_base` (compared by diff ID), with those of `new_base` beneath instead.
///
/// History and layers of the base part are the new base's, the rest is the image's. The config is the image's, with one
/// exception: what it had unchanged from the old base, value by value (a variable, a label, a port, a volume,
/// entrypoint with cmd, workdir, user, stop signal, health check, shell), is as the new base has it, and what the new
/// base adds comes along. Where the image says something else than the old base did, it stays. A manifest whose new
/// layers are of another kind becomes an OCI manifest; annotations and unknown members stay.
///
/// Throws Error{InvalidInput} when the image is not built on `old_base` (says where they part), and when platforms
/// differ.
Rebased rebase(const oci::Image& image, const oci::Image& old_base, const oci::Image& new_base,
               const RebaseOptions& options, const Run& run);

}  // namespace cooper::build
