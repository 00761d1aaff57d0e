// Kits: locks and every blob that they name in one tar, from which the tarballs are made again years later.
//
// A kit is an OCI layout (skopeo and `cooper copy oci-archive:kit.tar:NAME` read it) with the members
// locks/NAME.lock.json, and locks/NAME.lock.json.sig where a signature was given. The same locks give the same bytes.
#pragma once

#include "cooper/delivery/lock.hpp"
#include "cooper/delivery/pile.hpp"
#include "cooper/oci/archive_writer.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace cooper::delivery {

/// A lock's signature, some hundred bytes; the limit is generous.
inline constexpr std::size_t kMaxLockSignature = 64 * 1024;

struct KitEntry {
    Lock lock;
    std::string signature;  ///< the detached signature's bytes; may be empty
};

/// The kit's plan. Blobs come from `pile`, each once, and must have been found (BlobPile::complete). A name that two
/// images have goes to the first. Throws Error{InvalidInput}: no lock, two locks of tarballs with one name.
oci::ArchivePlan plan_kit(const std::vector<KitEntry>& entries, BlobPile& pile);

/// Finds the blobs in `pile` and writes the kit, which appears whole after every digest agreed, or not at all. A
/// damaged blob is read from the next place that has it. Throws NotReproducible that names the blobs that are missing.
oci::ArchiveWritten write_kit(const std::vector<KitEntry>& entries, BlobPile& pile, const std::filesystem::path& path,
                              const oci::ArchiveWriteOptions& options, const Run& run);

}  // namespace cooper::delivery
