// Archives that must be on disk, and plain, before they can be read (private).
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"

#include <filesystem>
#include <memory>
#include <string>

namespace cooper::oci {

/// What a stream or a compressed archive may take in the spool (`trust-and-delivery.md` 5.1: all layers of an image).
inline constexpr std::uint64_t kMaxSpooledArchive = 128ULL << 30;

/// `stream` in a file of `spool` that has no name (or loses it at once), inflated if it is compressed as a whole.
/// Throws Error: InvalidInput (empty, no tar, beyond a limit), Integrity (cut), Unsupported (xz, bzip2). `name` stands
/// in messages.
std::shared_ptr<const FileRanged> spooled(Source& stream, const std::string& name, const std::filesystem::path& spool,
                                          const Run& run);

/// The archive at `path`: opened, or spooled when it is compressed or a pipe. `spool` empty: such ones are refused.
std::shared_ptr<const FileRanged> open_archive(const std::filesystem::path& path, const std::filesystem::path& spool,
                                               const Run& run);

}  // namespace cooper::oci
