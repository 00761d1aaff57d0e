#include "cooper/oci/overlay_blobs.hpp"

#include "cooper/base/ranged.hpp"

namespace cooper::oci {

namespace {

class OverlayBlobs final : public Blobs {
public:
    OverlayBlobs(std::map<Digest, std::filesystem::path> files, std::shared_ptr<const Blobs> base)
        : files_(std::move(files)), base_(std::move(base)) {}

    [[nodiscard]] std::unique_ptr<Source> open(const Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override {
        if (const auto found = files_.find(blob.digest); found != files_.end()) {
            const FileRanged file(found->second);
            if (file.size() != blob.size) {
                throw IntegrityError("size of " + found->second.string(), std::to_string(blob.size),
                                     std::to_string(file.size()));
            }
            return file.open(offset, file.size() - offset);
        }
        if (!base_) {
            throw Error(ErrorCode::NotFound, "blob " + blob.digest.text() + " is in none of the image's places");
        }
        return base_->open(blob, offset, run);
    }

private:
    std::map<Digest, std::filesystem::path> files_;
    std::shared_ptr<const Blobs> base_;
};

}  // namespace

std::shared_ptr<const Blobs> overlay_blobs(std::map<Digest, std::filesystem::path> files,
                                           std::shared_ptr<const Blobs> base) {
    return std::make_shared<OverlayBlobs>(std::move(files), std::move(base));
}

}  // namespace cooper::oci
