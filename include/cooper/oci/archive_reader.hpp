// Reading a docker-archive on disk: what `docker save`, podman, skopeo and cooper itself write.
//
// Members are indexed by one pass over their headers and looked up by name in that index, never on disk. Documents are
// bounded and checked against the digests that name them; layers are ranges of the file, verified by whoever reads
// them.
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/image.hpp"
#include "cooper/oci/reference.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cooper::oci {

struct ArchivedImage {
    Image image;
    std::vector<std::string> repo_tags;  ///< as the archive has them; may be empty
};

/// The image called `name`, or the only one. With an OCI index inside (hybrid archives) the manifest is taken from
/// there; else one is made, for which each layer is read and hashed once. The file may be renamed or removed
/// afterwards, not changed. Throws Error: NotFound (no such file, no image of that name: those present are listed),
/// InvalidInput (several images and no name; not a docker-archive), Integrity (a document or member that is not what
/// names it), Unsupported (the archive as a whole is compressed; layers that are links, as docker before 25 writes for
/// layers that it shares).
ArchivedImage read_docker_archive(const std::filesystem::path& path, const std::optional<Reference>& name,
                                  const Run& run);

}  // namespace cooper::oci
