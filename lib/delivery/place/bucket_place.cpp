// A bucket as a place. Where a tarball's facts lie, and why, is told at make_bucket_place().
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/place.hpp"
#include "cooper/s3/upload.hpp"

#include "delivery/place/facts.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

constexpr std::uint64_t kPartSize = 8ULL << 20;
constexpr std::size_t kMaxText = 64 * 1024 * 1024;
constexpr std::size_t kIdentityDigits = 64;

constexpr const char* kIdentity = "cooper-identity";
constexpr const char* kInputs = "cooper-inputs";
constexpr const char* kImageIds = "cooper-image-ids";
constexpr const char* kCommit = "cooper-commit";

std::string metadata_of(const s3::ObjectInfo& info, const char* name) {
    const auto found = info.metadata.find(name);
    return found == info.metadata.end() ? std::string() : found->second;
}

/// Metadata is text from outside; only a digest may become part of a key.
std::string identity_of(const s3::ObjectInfo& info) {
    std::string identity = metadata_of(info, kIdentity);
    const bool digest =
        identity.size() == kIdentityDigits && identity.find_first_not_of("0123456789abcdef") == std::string::npos;
    return digest ? identity : std::string();
}

std::string facts_key(const std::string& tarball_key, const std::string& identity) {
    return tarball_key.substr(0, tarball_key.rfind('/') + 1) + ".facts/" + identity + ".json";
}

s3::ObjectHeaders text_headers(const std::string& key) {
    s3::ObjectHeaders headers;
    headers.content_type = key.ends_with(".json") ? "application/json" : "text/markdown; charset=utf-8";
    headers.cache_control = "no-cache";
    return headers;
}

s3::ObjectHeaders tarball_headers(const std::string& key, const TarballFacts& known) {
    s3::ObjectHeaders headers;
    headers.content_type = "application/x-tar";
    headers.content_disposition = "attachment; filename=\"" + safe_file_name(key) + "\"";
    headers.metadata = {
        {kIdentity, known.identity}, {kInputs, known.inputs}, {kImageIds, known.image_ids}, {kCommit, known.commit}};
    std::erase_if(headers.metadata, [](const auto& item) { return item.second.empty(); });
    return headers;
}

void put_plain(s3::Bucket& bucket, const std::string& key, const std::string& text, const Run& run) {
    const s3::WriteResult result =
        bucket.put(key, std::make_shared<MemoryRanged>(text), text_headers(key), s3::WriteCondition::none(), run);
    if (result.outcome != s3::WriteOutcome::Done) {
        throw Error(ErrorCode::Unavailable,
                    "s3://" + bucket.name() + "/" + key + " may not have been written: the store's answer was lost");
    }
}

/// Only what follows from the identity, so that all writers of one name write the same bytes.
void put_facts(s3::Bucket& bucket, const std::string& key, TarballFacts facts, const Run& run) {
    facts.inputs.clear();
    facts.commit.clear();
    put_plain(bucket, facts_key(key, facts.identity), facts_to_json(facts), run);
}

class BucketUpload final : public TarballUpload {
public:
    BucketUpload(s3::Bucket& bucket, const std::string& key, const TarballFacts& known, const Run& run)
        : bucket_(bucket), key_(key), upload_(bucket, key, tarball_headers(key, known), run), run_(run) {}

    void part(std::uint32_t number, std::uint64_t /*offset*/, Bytes bytes) override {
        upload_.part(number, bytes, run_);
    }

    void complete(const TarballFacts& facts, const Run& run) override {
        put_facts(bucket_, key_, facts, run);
        auto condition = s3::WriteCondition::if_absent();
        if (bucket_.conditional_writes(run) == s3::ConditionalWrites::Unsupported) {
            condition = s3::WriteCondition::none();
            if (bucket_.head(key_, run)) {
                refuse();
            }
        }
        const s3::WriteResult result = upload_.complete(condition, {{kIdentity, facts.identity}}, run);
        if (result.outcome == s3::WriteOutcome::Done) {
            return;
        }
        // Ours or another publisher's of the same plan: either way these bytes are there.
        const auto there = bucket_.head(key_, run);
        if (result.outcome == s3::WriteOutcome::Ambiguous && there && identity_of(*there) == facts.identity &&
            there->size == facts.size) {
            return;
        }
        if (result.outcome == s3::WriteOutcome::ConditionFailed || there) {
            refuse();
        }
        throw Error(ErrorCode::Unavailable,
                    url() + " was not completed: the store did not answer, and the object is not there");
    }

private:
    [[nodiscard]] std::string url() const { return "s3://" + bucket_.name() + "/" + key_; }
    [[noreturn]] void refuse() const { throw Error(ErrorCode::Conflict, url() + " is there already"); }

    s3::Bucket& bucket_;
    std::string key_;
    s3::Upload upload_;
    Run run_;
};

class BucketPlace final : public Place {
public:
    explicit BucketPlace(s3::Bucket& bucket) : bucket_(bucket) {}

    [[nodiscard]] std::string name() const override { return "s3://" + bucket_.name(); }

    [[nodiscard]] std::optional<TarballFacts> find_tarball(const std::string& key, const Run& run) override {
        const auto info = bucket_.head(key, run);
        if (!info) {
            return std::nullopt;
        }
        TarballFacts facts;
        facts.size = info->size;
        facts.identity = identity_of(*info);
        facts.inputs = metadata_of(*info, kInputs);
        facts.image_ids = metadata_of(*info, kImageIds);
        facts.commit = metadata_of(*info, kCommit);
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
                                                               const Run& run) override {
        return std::make_unique<BucketUpload>(bucket_, key, known, run);
    }

    [[nodiscard]] std::uint64_t part_size(std::uint64_t size) const override {
        return s3::part_size_for(size, kPartSize);
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
