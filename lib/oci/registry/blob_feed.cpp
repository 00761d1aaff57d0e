#include "oci/registry/blob_feed.hpp"

#include "cooper/base/error.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace cooper::oci {

class BlobFeed::PartSource final : public Source {
public:
    PartSource(BlobFeed& feed, std::uint64_t begin, std::uint64_t end) : feed_(feed), position_(begin), end_(end) {}

    std::size_t read(MutableBytes into) override {
        const std::uint64_t room = std::min<std::uint64_t>(into.size(), end_ - position_);
        if (room == 0) {
            return 0;
        }
        try {
            feed_.seek(position_);
            const std::size_t count = feed_.read(into.first(static_cast<std::size_t>(room)));
            position_ += count;
            return count;
        } catch (...) {
            feed_.failure_ = std::current_exception();
            feed_.stream_.reset();
            throw;
        }
    }

private:
    BlobFeed& feed_;
    std::uint64_t position_;
    std::uint64_t end_;
};

class BlobFeed::Part final : public Ranged {
public:
    Part(BlobFeed& feed, std::uint64_t begin, std::uint64_t length) : feed_(feed), begin_(begin), length_(length) {}
    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override { return length_; }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override {
        check_range(offset, length);
        return std::make_unique<PartSource>(feed_, begin_ + offset, begin_ + offset + length);
    }

private:
    BlobFeed& feed_;
    std::uint64_t begin_;
    std::uint64_t length_;
};

BlobFeed::BlobFeed(const Blobs& blobs, Descriptor blob, Run run, Moved moved)
    : blobs_(blobs),
      blob_(std::move(blob)),
      run_(std::move(run)),
      moved_(std::move(moved)),
      hasher_(blob_.digest.algorithm()) {}

std::shared_ptr<const Ranged> BlobFeed::part(std::uint64_t offset, std::uint64_t length) {
    failure_ = nullptr;
    return std::make_shared<Part>(*this, offset, length);
}

void BlobFeed::check() {
    if (checked_) {
        return;
    }
    seek(blob_.size);
    if (!checked_) {  // only where there is not one byte to read
        check_end();
    }
}

void BlobFeed::rethrow_failure() {
    if (failure_) {
        std::rethrow_exception(std::exchange(failure_, nullptr));
    }
}

void BlobFeed::seek(std::uint64_t offset) {
    if (stream_ && position_ > offset) {
        stream_.reset();
    }
    if (!stream_) {
        // Blobs that verify themselves do so from the start only; others go on where our own hash stands.
        const std::uint64_t known = blobs_.verifies() ? 0 : hashed_;
        position_ = checked_ ? offset : std::min(offset, known);
        stream_ = blobs_.open(blob_, position_, run_);
    }
    if (position_ == offset) {
        return;
    }
    std::vector<std::byte> buffer(kStreamStep);
    while (position_ < offset) {
        run_.check();
        const std::uint64_t room = std::min<std::uint64_t>(buffer.size(), offset - position_);
        read(MutableBytes(buffer).first(static_cast<std::size_t>(room)));
    }
}

std::size_t BlobFeed::read(MutableBytes into) {
    const std::size_t count = stream_->read(into);
    if (count == 0) {
        throw IntegrityError("size of blob " + blob_.digest.shortened(), std::to_string(blob_.size) + " bytes",
                             std::to_string(position_));
    }
    hash(into.first(count));
    position_ += count;
    if (position_ == blob_.size && !checked_) {
        check_end();
    }
    if (position_ > furthest_) {
        moved_(position_ - std::exchange(furthest_, position_));
    }
    return count;
}

void BlobFeed::hash(Bytes chunk) {
    const std::uint64_t end = position_ + chunk.size();
    if (blobs_.verifies() || end <= hashed_) {
        return;
    }
    hasher_.update(chunk.subspan(static_cast<std::size_t>(hashed_ - position_)));
    hashed_ = end;
}

/// The stream must end here. One that verifies itself does so before it says that.
void BlobFeed::check_end() {
    std::array<std::byte, 1> more{};
    if (stream_->read(more) != 0) {
        throw IntegrityError("size of blob " + blob_.digest.shortened(), std::to_string(blob_.size) + " bytes", "more");
    }
    if (!blobs_.verifies()) {
        check_digest();
    }
    checked_ = true;
}

void BlobFeed::check_digest() {
    const Digest actual = hasher_.finish();
    if (actual != blob_.digest) {
        throw IntegrityError("digest of blob " + blob_.digest.shortened(), blob_.digest.text(), actual.text());
    }
}

}  // namespace cooper::oci
