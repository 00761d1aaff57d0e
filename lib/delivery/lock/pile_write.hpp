// Archives from a pile (private).
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/delivery/pile.hpp"
#include "cooper/oci/archive_writer.hpp"

namespace cooper::delivery {

/// Writes; after a blob that was damaged, once more with what other places have.
oci::ArchiveWritten write_from_pile(const oci::ArchivePlan& plan, BlobPile& pile, const std::filesystem::path& path,
                                    const oci::ArchiveWriteOptions& options, const Run& run);

}  // namespace cooper::delivery
