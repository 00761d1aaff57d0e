#include "build/edit/edit_blobs.hpp"

#include "cooper/base/ranged.hpp"
#include "cooper/oci/overlay_blobs.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

class EditBlobs final : public oci::Blobs {
public:
    explicit EditBlobs(BlobOrigins origins)
        : from_(std::move(origins.from)), rest_(oci::overlay_blobs(std::move(origins.files), std::move(origins.rest))) {
        for (auto& [digest, text] : origins.documents) {
            documents_.emplace(digest, MemoryRanged(std::move(text)));
        }
    }

    [[nodiscard]] std::unique_ptr<Source> open(const oci::Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override {
        if (const auto found = documents_.find(blob.digest); found != documents_.end()) {
            const auto size = found->second.size();
            offset = std::min(offset, size);
            return found->second.open(offset, size - offset);
        }
        const auto found = from_.find(blob.digest);
        return (found == from_.end() ? rest_ : found->second)->open(blob, offset, run);
    }

private:
    std::map<Digest, MemoryRanged> documents_;
    std::map<Digest, std::shared_ptr<const oci::Blobs>> from_;
    std::shared_ptr<const oci::Blobs> rest_;
};

}  // namespace

std::shared_ptr<const oci::Blobs> edit_blobs(BlobOrigins origins) {
    return std::make_shared<EditBlobs>(std::move(origins));
}

}  // namespace cooper::build
