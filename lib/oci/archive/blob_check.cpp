#include "oci/archive/blob_check.hpp"

namespace cooper::oci {

namespace {

constexpr std::size_t kMagicLength = 6;  // what detect_compression needs

}  // namespace

class BlobCheck::DiffIdSink final : public Sink {
public:
    void write(Bytes chunk) override { hasher_.update(chunk); }
    void finish() override {}
    [[nodiscard]] Digest digest() { return hasher_.finish(); }

private:
    Hasher hasher_;
};

BlobCheck::BlobCheck(const Segment::Blob& blob, bool deep) : descriptor_(blob.descriptor) {
    if (!blob.blobs->verifies()) {
        hasher_.emplace(blob.descriptor.digest.algorithm());
    }
    if (blob.any_content) {
        sniffed_ = true;
    } else if (deep) {
        diff_id_ = blob.diff_id;
        content_ = std::make_unique<DiffIdSink>();
    }
}

BlobCheck::~BlobCheck() = default;

void BlobCheck::update(Bytes chunk) {
    if (hasher_) {
        hasher_->update(chunk);
    }
    if (sniffed_) {
        inflate(chunk);
        return;
    }
    beginning_ += as_text(chunk);
    if (beginning_.size() >= kMagicLength) {
        sniff();
    }
}

void BlobCheck::finish() {
    if (!sniffed_) {
        sniff();
    }
    if (hasher_) {
        if (const Digest actual = hasher_->finish(); actual != descriptor_.digest) {
            throw IntegrityError("layer blob", descriptor_.digest.text(), actual.text());
        }
    }
    if (!inflater_) {
        return;
    }
    inflater_->finish();
    if (const Digest inside = content_->digest(); diff_id_ && inside != *diff_id_) {
        throw IntegrityError("diff ID of layer " + descriptor_.digest.shortened(), diff_id_->text(), inside.text());
    }
}

void BlobCheck::sniff() {
    sniffed_ = true;
    const Compression compression = detect_compression(as_bytes(beginning_));
    if (compression != Compression::None && compression != Compression::Gzip) {
        throw Error(ErrorCode::Integrity, "layer " + descriptor_.digest.shortened() + " is said to be " +
                                              descriptor_.media_type + " but holds " +
                                              std::string(to_string(compression)))
            .advise("re-push the image with a tool that labels its layers rightly");
    }
    if (content_) {
        inflater_ = decompressing(*content_, compression);
    }
    inflate(as_bytes(beginning_));
    beginning_.clear();
}

void BlobCheck::inflate(Bytes chunk) {
    if (inflater_) {
        inflater_->write(chunk);
    }
}

}  // namespace cooper::oci
