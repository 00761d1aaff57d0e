// An image is a value: documents and a way to open blobs. Registry, archive, layout and engine only produce or consume
// it.
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"
#include "cooper/oci/config.hpp"
#include "cooper/oci/descriptor.hpp"
#include "cooper/oci/manifest.hpp"

#include <cstdint>
#include <memory>

namespace cooper::oci {

/// Opens blobs by descriptor. A registry, a store and an archive are each one of these. Safe from several threads.
class Blobs {
public:
    virtual ~Blobs() = default;
    /// The bytes from `offset` to the end of the blob (not more than descriptor.size - offset). **Not verified**: who
    /// reads a blob hashes it (`verified` in base/digest.hpp, or the archive writer). Broken connections are resumed
    /// inside. Throws NotFound, AccessDenied, Unavailable. The Source may be dropped early and must not outlive the
    /// Blobs.
    [[nodiscard]] virtual std::unique_ptr<Source> open(const Descriptor& blob, std::uint64_t offset,
                                                       const Run& run) const = 0;
    /// True: what open() gives from offset 0 checks itself against digest and size and throws at its end, so that no
    /// reader hashes it a second time.
    [[nodiscard]] virtual bool verifies() const noexcept { return false; }
};

/// One platform's image. Cheap to copy: documents by value, blobs by shared handle.
struct Image {
    Manifest manifest;
    Config config;
    std::shared_ptr<const Blobs> blobs;

    /// Layer count and diff ID count must agree; throws Error{InvalidInput} otherwise.
    void check() const;
};

}  // namespace cooper::oci
