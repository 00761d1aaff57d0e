// The same tarball again, from its lock and a pile of blobs.
#pragma once

#include "cooper/delivery/lock.hpp"
#include "cooper/delivery/pile.hpp"
#include "cooper/oci/archive_writer.hpp"

#include <filesystem>

namespace cooper::delivery {

/// Writes the tarball of `lock` to `path`, where it appears only when its SHA-256 is the lock's. A damaged blob is read
/// from the next place that has it. Throws NotReproducible (blobs that are nowhere, all of them named; another
/// SHA-256), IntegrityError (a blob that is damaged and nowhere else).
oci::ArchiveWritten reproduce(const Lock& lock, BlobPile& pile, const std::filesystem::path& path,
                              const oci::ArchiveWriteOptions& options, const Run& run);

}  // namespace cooper::delivery
