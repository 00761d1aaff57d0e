#include "delivery/place/bucket_upload.hpp"

#include "cooper/s3/checksum.hpp"
#include "cooper/s3/upload.hpp"

#include "delivery/place/bucket_objects.hpp"
#include "delivery/place/part_copier.hpp"
#include "delivery/place/staged_upload.hpp"
#include "delivery/place/upload_record.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>

namespace cooper::delivery {
namespace {

constexpr std::uint64_t kPartSize = 8ULL << 20;
/// Cut parts vary between the least that a store takes and twice that, so that any stretch can be cut.
constexpr std::uint64_t kMostCut = 2 * s3::kMinPart;
/// Ranges add parts to a cut, so it aims at half of the parts that an upload may have.
constexpr std::uint64_t kCutParts = s3::kMaxParts / 2;

std::vector<std::uint64_t> equal_parts(std::uint64_t size) {
    const std::uint64_t length = upload_part_size(size);
    std::vector<std::uint64_t> lengths(static_cast<std::size_t>(size / length), length);
    if (size % length != 0) {
        lengths.push_back(size % length);
    }
    return lengths;
}

class BucketUpload final : public TarballUpload {
public:
    BucketUpload(s3::Bucket& bucket, const std::string& key, const TarballFacts& known, const Reuse* reuse,
                 const Run& run)
        : bucket_(bucket), key_(key), run_(run) {
        lengths_ = reuse != nullptr ? cut_upload(known.size, *reuse) : equal_parts(known.size);
        if (known.size >= kRecordedFrom) {
            record_key_ = upload_record_key(key, known.identity);
            resume(known.size);
        }
        if (!upload_) {
            upload_ = std::make_unique<s3::Upload>(bucket, key, tarball_headers(key, known), run);
            if (!record_key_.empty()) {
                put_plain(bucket, record_key_, upload_record_to_json({upload_->upload_id(), lengths_}), run);
            }
        }
        if (reuse != nullptr) {
            copy_from(*reuse);
        }
    }

    BucketUpload(const BucketUpload&) = delete;
    BucketUpload& operator=(const BucketUpload&) = delete;

    /// Aborted, the upload leaves nothing to go on with, and so no record of it.
    ~BucketUpload() override {
        copier_.reset();
        upload_.reset();
        if (!kept_) {
            forget_record(run_.with_stop({}));
        }
    }

    [[nodiscard]] std::vector<std::uint64_t> part_lengths() const override { return lengths_; }
    [[nodiscard]] Traffic traffic() const override { return {sent_, copied_, resumed_}; }
    void keep_for_later() noexcept override {
        if (!record_key_.empty()) {
            upload_->leave_open();
            kept_ = true;
        }
    }

    void part(std::uint32_t number, std::uint64_t /*offset*/, Bytes bytes) override {
        if (take_found(number, bytes) || take_copied(number, bytes)) {
            return;
        }
        upload_->part(number, bytes, run_);
        sent_ += bytes.size();
    }

    [[nodiscard]] StagedTarball stage(const TarballFacts& facts, const Run& /*run*/) override {
        upload_->leave_open();
        kept_ = true;
        return {key_, facts, handle_of(*upload_)};
    }

    void complete(const TarballFacts& facts, const Run& run) override {
        complete_upload(bucket_, key_, *upload_, facts, run);
        kept_ = true;
        forget_record(run);
    }

private:
    [[nodiscard]] std::string url() const { return "s3://" + bucket_.name() + "/" + key_; }

    void resume(std::uint64_t size) {
        auto record = find_upload_record(bucket_, record_key_, size, run_);
        if (!record) {
            return;
        }
        upload_ = s3::Upload::resume(bucket_, key_, record->upload_id, run_);
        if (!upload_) {
            return;
        }
        lengths_ = std::move(record->lengths);
        for (const s3::UploadedPart& part : upload_->found()) {
            found_.emplace(part.number, part);
        }
        run_.progress->notice(NoticeLevel::Info, "going on with an upload of " + url() +
                                                     " that was cut: " + std::to_string(found_.size()) + " of " +
                                                     std::to_string(lengths_.size()) + " parts are there");
    }

    void copy_from(const Reuse& reuse) {
        std::vector<PartCopier::Copy> copies;
        std::uint64_t offset = 0;
        for (std::size_t i = 0; i < lengths_.size(); ++i) {
            const auto number = static_cast<std::uint32_t>(i + 1);
            const auto source = reuse.find(offset, lengths_[i]);
            if (source && !found_.contains(number)) {
                copies.push_back({number, *source, lengths_[i]});
            }
            offset += lengths_[i];
        }
        if (!copies.empty()) {
            copier_ =
                std::make_unique<PartCopier>(bucket_, key_, upload_->upload_id(), reuse.key, reuse.etag, copies, run_);
        }
    }

    /// Read by several threads, written by none once the upload has begun.
    bool take_found(std::uint32_t number, Bytes bytes) {
        const auto found = found_.find(number);
        if (found == found_.end() || !take_if_right(found->second, bytes)) {
            return false;
        }
        resumed_ += bytes.size();
        return true;
    }

    bool take_copied(std::uint32_t number, Bytes bytes) {
        const auto copied = copier_ ? copier_->await(number) : std::nullopt;
        if (!copied) {
            return false;
        }
        if (!take_if_right(*copied, bytes)) {
            copier_->give_up(
                "what the store copied is not what the lock beside it says, or it does not tell its checksum");
            return false;
        }
        copied_ += bytes.size();
        return true;
    }

    /// What the store has counts only when it is these bytes.
    bool take_if_right(const s3::UploadedPart& part, Bytes bytes) {
        const std::uint64_t crc64 = s3::crc64nvme(bytes);
        if (!s3::part_holds(part, bytes, crc64)) {
            return false;
        }
        upload_->take(s3::with_crc64(part, crc64));
        return true;
    }

    void forget_record(const Run& run) const noexcept {
        if (!record_key_.empty()) {
            forget_upload_record(bucket_, record_key_, run);
        }
    }

    s3::Bucket& bucket_;
    std::string key_;
    Run run_;
    std::string record_key_;  // empty: too small to be gone on with
    std::vector<std::uint64_t> lengths_;
    std::map<std::uint32_t, s3::UploadedPart> found_;
    std::unique_ptr<s3::Upload> upload_;
    std::unique_ptr<PartCopier> copier_;
    bool kept_ = false;  // completed, staged, or left for a later run
    std::atomic<std::uint64_t> sent_{0};
    std::atomic<std::uint64_t> copied_{0};
    std::atomic<std::uint64_t> resumed_{0};
};

}  // namespace

std::vector<std::uint64_t> cut_upload(std::uint64_t size, const Reuse& reuse) {
    const std::uint64_t most = std::max(kMostCut, size / kCutParts);
    return cut_parts(size, reuse.ranges, s3::kMinPart, most);
}

std::uint64_t upload_part_size(std::uint64_t size) {
    return s3::part_size_for(size, kPartSize);
}

std::unique_ptr<TarballUpload> begin_bucket_upload(s3::Bucket& bucket, const std::string& key,
                                                   const TarballFacts& known, const Reuse* reuse, const Run& run) {
    return std::make_unique<BucketUpload>(bucket, key, known, reuse, run);
}

}  // namespace cooper::delivery
