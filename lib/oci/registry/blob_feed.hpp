// A blob's bytes on their way up.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/oci/image.hpp"

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>

namespace cooper::oci {

/// Reads a blob for an upload that may begin again anywhere, and checks it on the way: the last bytes are handed out
/// only when the whole is what its digest says, so no server can have all of a wrong content from us. The stream is
/// kept open between the parts of an upload that goes straight on. One thread at a time; borrows the blobs.
class BlobFeed {
public:
    /// Called with the count of bytes that are further up than any before.
    using Moved = std::function<void(std::uint64_t)>;
    BlobFeed(const Blobs& blobs, Descriptor blob, Run run, Moved moved);
    BlobFeed(const BlobFeed&) = delete;
    BlobFeed& operator=(const BlobFeed&) = delete;

    [[nodiscard]] std::uint64_t size() const noexcept { return blob_.size; }
    /// `length` bytes from `offset` on. Borrows this; only one part is read at a time.
    [[nodiscard]] std::shared_ptr<const Ranged> part(std::uint64_t offset, std::uint64_t length);
    /// Reads what was never read, since the server had it before, and throws unless the whole is right.
    void check();
    /// Throws what went wrong on our side, if that is why a part could not be sent.
    void rethrow_failure();

private:
    class Part;
    class PartSource;
    void seek(std::uint64_t offset);
    std::size_t read(MutableBytes into);
    void hash(Bytes chunk);
    void check_end();
    void check_digest();

    const Blobs& blobs_;
    Descriptor blob_;
    Run run_;
    Moved moved_;
    std::unique_ptr<Source> stream_;
    std::uint64_t position_ = 0;
    std::uint64_t furthest_ = 0;
    Hasher hasher_;
    std::uint64_t hashed_ = 0;  ///< bytes from the start; those that are read again are not hashed again
    bool checked_ = false;
    std::exception_ptr failure_;
};

}  // namespace cooper::oci
