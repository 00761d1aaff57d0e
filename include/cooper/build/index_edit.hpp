// Indexes: many images under one name. OCI image specification 1.1, image-index.md.
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/graph.hpp"

#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

enum class IfListed {
    Refuse,   ///< Error{Conflict} for a platform that the index has already with another image
    Replace,  ///< in its place; attestations of the image that goes go with it
};

/// An OCI index of all images of `members`, in this order: a single manifest is listed with its platform as the config
/// says it (os.version and os.features too); of an index, all entries come along as they stand there, attestations
/// included. The same manifest twice is listed once. `annotations` are the new index's own. Throws
/// Error{InvalidInput}: no member.
oci::Graph make_index(const std::vector<oci::Graph>& members,
                      const std::vector<std::pair<std::string, std::string>>& annotations, IfListed if_listed,
                      const Run& run);

/// `index` with the images of `members` at its end; every other byte of it stays, its kind and annotations too. A
/// single image as `index` becomes an index that lists it.
oci::Graph add_to_index(const oci::Graph& index, const std::vector<oci::Graph>& members, IfListed if_listed,
                        const Run& run);

/// `index` without the entries that `which` names: platforms ("linux/arm64", exactly) and digests ("sha256:…").
/// Attestations of what goes go too. Throws Error{NotFound} that lists what there is when one names nothing;
/// InvalidInput when nothing would be left, or `index` is a single image.
oci::Graph remove_from_index(const oci::Graph& index, const std::vector<std::string>& which, const Run& run);

}  // namespace cooper::build
