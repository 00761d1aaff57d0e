// Turning an archive plan into bytes: verified, in parallel, with bounded memory.
#pragma once

#include "cooper/oci/docker_archive.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cooper::oci {

struct ArchiveWriteOptions {
    unsigned connections = 4;  ///< blobs fetched at once
    bool checksum = false;     ///< hash the whole archive as well
    bool deep = false;         ///< inflate layers and check their diff IDs
    std::string task;          ///< name in progress events
    /// The SHA-256 that the whole must have, computed while it is written: IntegrityError, and no file, for another.
    std::optional<Digest> expected = std::nullopt;
};

struct ArchiveWritten {
    std::uint64_t size = 0;
    std::optional<Digest> sha256;  ///< of the whole archive, when it was asked for
    bool diff_ids_checked = false;
};

/// Writes the archive to `path`, which appears whole after every blob's digest and size agreed (rename), or not at all.
/// Memory: some 256 KiB per connection.
ArchiveWritten write_archive(const ArchivePlan& plan, const std::filesystem::path& path,
                             const ArchiveWriteOptions& options, const Run& run);

/// Writes the archive to `to` in order, one blob after another, and finishes it. Every blob is verified as it passes;
/// what is wrong is known at the blob's end only, so a reader of `to` must not use what it got after a throw.
ArchiveWritten write_archive(const ArchivePlan& plan, Sink& to, const ArchiveWriteOptions& options, const Run& run);

/// Receives the archive in parts. part() is called from several threads at once, in any order of numbers, each number
/// once; `bytes` is valid during the call only. A throw stops the stream.
class PartConsumer {
public:
    virtual ~PartConsumer() = default;
    virtual void part(std::uint32_t number, std::uint64_t offset, Bytes bytes) = 0;
};

struct ArchiveStreamOptions {
    std::uint64_t part_size = 8ULL << 20;  ///< all parts but the last
    std::vector<std::uint64_t> parts;      ///< lengths of all parts, none of them 0; empty: of part_size
    unsigned buffers = 5;                  ///< parts in memory at once: peak is about the largest part * buffers
    unsigned connections = 4;              ///< blobs fetched at once
    unsigned uploads = 3;                  ///< parts handed to the consumer at once
    bool deep = false;
    std::string task;
};

/// Streams the archive through memory: fetches blobs, verifies every one, hashes the whole, and hands parts numbered
/// from 1 to `consumer`. Returns only when all parts were taken and every digest agreed; throws otherwise (what the
/// consumer got must then be discarded: parts may have left before a blob's digest was known).
ArchiveWritten stream_archive(const ArchivePlan& plan, PartConsumer& consumer, const ArchiveStreamOptions& options,
                              const Run& run);

}  // namespace cooper::oci
