// A bucket as a place. Where a tarball's facts lie, and why, is told at make_bucket_place().
#include "cooper/base/error.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/place.hpp"

#include "delivery/place/bucket_objects.hpp"
#include "delivery/place/bucket_upload.hpp"
#include "delivery/place/facts.hpp"
#include "delivery/place/staged_upload.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

constexpr std::size_t kMaxText = 64 * 1024 * 1024;

class BucketPlace final : public Place {
public:
    explicit BucketPlace(s3::Bucket& bucket) : bucket_(bucket) {}

    [[nodiscard]] std::string name() const override { return "s3://" + bucket_.name(); }

    [[nodiscard]] std::optional<TarballFacts> find_tarball(const std::string& key, const Run& run) override {
        const auto info = bucket_.head(key, run);
        if (!info) {
            return std::nullopt;
        }
        TarballFacts facts = facts_of_object(*info);
        if (!facts.identity.empty()) {
            const auto text = bucket_.find_text(facts_key(key, facts.identity), kMaxFacts, run);
            const auto recorded = text ? facts_from_json(text->text) : std::nullopt;
            if (recorded && recorded->identity == facts.identity && recorded->size == facts.size) {
                facts.sha256 = recorded->sha256;
            }
        }
        return facts;
    }

    [[nodiscard]] std::unique_ptr<TarballUpload> begin_tarball(const std::string& key, const TarballFacts& known,
                                                               const Reuse* reuse, const Run& run) override {
        return begin_bucket_upload(bucket_, key, known, reuse, run);
    }

    [[nodiscard]] std::optional<std::string> copy_source(const std::string& key, const TarballFacts& expected,
                                                         const Run& run) override {
        const auto info = bucket_.head(key, run);
        const bool same = info && info->size == expected.size && identity_of(*info) == expected.identity;
        return same ? std::optional(info->etag) : std::nullopt;
    }

    [[nodiscard]] bool copies_ranges() const noexcept override { return true; }
    [[nodiscard]] std::vector<std::uint64_t> cut(std::uint64_t size, const Reuse& reuse) const override {
        return cut_upload(size, reuse);
    }
    [[nodiscard]] std::uint64_t part_size(std::uint64_t size) const override { return upload_part_size(size); }

    void complete_staged(const StagedTarball& staged, const Run& run) override {
        complete_staged_upload(bucket_, staged, run);
    }
    [[nodiscard]] bool goes_on_with(const StagedTarball& staged) const noexcept override {
        return staged.facts.size >= kRecordedFrom;
    }
    void discard_staged(const StagedTarball& staged, const Run& run) override {
        discard_staged_upload(bucket_, staged, run);
    }
    bool remove_tarball(const std::string& key, const TarballFacts& facts, const Run& run) override {
        return remove_uploaded(bucket_, key, facts, run);
    }

    bool label(const std::string& key, const std::map<std::string, std::string>& labels, const Run& run) override {
        return bucket_.add_tags(key, labels, run);
    }

    void record_facts(const std::string& key, const TarballFacts& facts, const Run& run) override {
        put_facts(bucket_, key, facts, run);
    }

    [[nodiscard]] std::optional<Text> find_text(const std::string& key, const Run& run) override {
        auto found = bucket_.find_text(key, kMaxText, run);
        return found ? std::optional(Text{std::move(found->text), std::move(found->info.etag)}) : std::nullopt;
    }

    bool replace_text(const std::string& key, const std::string& text, const std::optional<std::string>& etag,
                      const Run& run) override {
        if (!has_conditional_writes(run)) {
            throw Error(ErrorCode::Unsupported, name() + " has no conditional writes");
        }
        const auto condition = etag ? s3::WriteCondition::if_match(*etag) : s3::WriteCondition::if_absent();
        const s3::WriteResult result =
            bucket_.put(key, std::make_shared<MemoryRanged>(text), text_headers(key), condition, run);
        if (result.outcome == s3::WriteOutcome::Ambiguous) {
            throw Error(ErrorCode::Unavailable,
                        name() + "/" + key + " may or may not have been written: the store's answer was lost");
        }
        return result.outcome == s3::WriteOutcome::Done;
    }

    void put_text(const std::string& key, const std::string& text, const Run& run) override {
        put_plain(bucket_, key, text, run);
    }

    void remove_text(const std::string& key, const Run& run) override { bucket_.remove(key, run); }

    [[nodiscard]] bool has_conditional_writes(const Run& run) override {
        return bucket_.conditional_writes(run) == s3::ConditionalWrites::Supported;
    }

    [[nodiscard]] std::vector<std::string> list(const std::string& prefix, const Run& run) override {
        std::vector<std::string> keys;
        for (s3::ObjectInfo& object : bucket_.list(prefix, run)) {
            keys.push_back(std::move(object.key));
        }
        return keys;
    }

    [[nodiscard]] Link link(const std::string& key, std::chrono::seconds lifetime, const Run& run) override {
        s3::Bucket::Presigned presigned = bucket_.presign_get(key, lifetime, safe_file_name(key), run);
        Link link;
        link.url = std::move(presigned.url);
        link.expires = presigned.expires;
        if (presigned.expiry_unknown) {
            link.warning =
                "the session's credentials do not tell when they end: the link may stop earlier, 12 h is the most";
        } else if (!presigned.limited_by.empty()) {
            link.warning = "the link ends earlier than asked: " + presigned.limited_by;
        }
        return link;
    }

private:
    s3::Bucket& bucket_;
};

}  // namespace

std::unique_ptr<Place> make_bucket_place(s3::Bucket& bucket) {
    return std::make_unique<BucketPlace>(bucket);
}

}  // namespace cooper::delivery
