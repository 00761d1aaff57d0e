#include "oci/copy/store_first.hpp"

namespace cooper::oci {

namespace {

class StoreFirstBlobs final : public Blobs {
public:
    StoreFirstBlobs(const Store& store, std::shared_ptr<const Blobs> base)
        : store_(store), stored_(store.through(nullptr)), base_(std::move(base)) {}

    [[nodiscard]] std::unique_ptr<Source> open(const Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override {
        return (store_.has(blob.digest) ? stored_ : base_)->open(blob, offset, run);
    }

private:
    const Store& store_;
    std::shared_ptr<const Blobs> stored_;
    std::shared_ptr<const Blobs> base_;
};

}  // namespace

std::shared_ptr<const Blobs> through_store(std::shared_ptr<const Blobs> base, const PlaceAccess& access) {
    if (access.store == nullptr) {
        return base;
    }
    if (access.fill_store) {
        return access.store->through(std::move(base));
    }
    return std::make_shared<StoreFirstBlobs>(*access.store, std::move(base));
}

}  // namespace cooper::oci
