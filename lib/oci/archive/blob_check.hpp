// What every blob goes through on its way into an archive, hashed once, where the bytes are hot.
#pragma once

#include "cooper/base/compression.hpp"
#include "cooper/base/digest.hpp"
#include "cooper/oci/docker_archive.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace cooper::oci {

/// Checks one blob that is fed to it in order: its digest, its size, and, unless it may hold anything, that it holds
/// what docker-archives may hold (a plain or gzip layer) and, when deep, the diff ID of the tar inside. Throws
/// IntegrityError. What checks itself (Blobs::verifies) is not hashed again.
class BlobCheck {
public:
    BlobCheck(const Segment::Blob& blob, bool deep);
    ~BlobCheck();
    void update(Bytes chunk);
    void finish();

private:
    class DiffIdSink;

    void sniff();
    void inflate(Bytes chunk);

    const Descriptor& descriptor_;
    std::optional<Digest> diff_id_;
    std::optional<Hasher> hasher_;  // none: the source checks itself
    std::string beginning_;  // until there is enough to tell the compression
    bool sniffed_ = false;
    std::unique_ptr<DiffIdSink> content_;
    std::unique_ptr<Sink> inflater_;
};

}  // namespace cooper::oci
