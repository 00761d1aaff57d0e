// Blobs through the store (private).
#pragma once

#include "cooper/oci/store.hpp"

#include "oci/store/store_directory.hpp"

#include <memory>

namespace cooper::oci {

/// See Store::through.
class StoreBlobs final : public Blobs {
public:
    StoreBlobs(std::shared_ptr<const StoreDirectory> directory, std::shared_ptr<const Blobs> base,
               Store::WhenFull when_full)
        : directory_(std::move(directory)), base_(std::move(base)), when_full_(when_full) {}

    /// What `blobs` fetch from if they go through this very store: a blob that is written would otherwise follow
    /// itself.
    static std::shared_ptr<const Blobs> without_store(std::shared_ptr<const Blobs> blobs,
                                                      const StoreDirectory& directory);

    [[nodiscard]] std::unique_ptr<Source> open(const Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override;
    [[nodiscard]] bool verifies() const noexcept override { return true; }

private:
    [[nodiscard]] std::unique_ptr<Source> open_stored(const Descriptor& blob, std::uint64_t offset,
                                                      const Run& run) const;

    std::shared_ptr<const StoreDirectory> directory_;
    std::shared_ptr<const Blobs> base_;
    Store::WhenFull when_full_;
};

}  // namespace cooper::oci
