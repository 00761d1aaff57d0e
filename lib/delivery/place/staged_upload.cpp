#include "delivery/place/staged_upload.hpp"

#include "cooper/base/error.hpp"

#include "base/json.hpp"
#include "delivery/place/bucket_objects.hpp"
#include "delivery/place/bucket_upload.hpp"
#include "delivery/place/upload_record.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::delivery {
namespace {

constexpr std::string_view kSchema = "cooper.staged/v1";
constexpr std::string_view kWhat = "a staged upload";
constexpr std::size_t kMaxUploadId = 4096;

std::string url_of(const s3::Bucket& bucket, const std::string& key) {
    return "s3://" + bucket.name() + "/" + key;
}

[[noreturn]] void refuse_taken(const s3::Bucket& bucket, const std::string& key) {
    throw Error(ErrorCode::Conflict, url_of(bucket, key) + " is there already");
}

bool is_tarball(const std::optional<s3::ObjectInfo>& object, const TarballFacts& facts) {
    return object && identity_of(*object) == facts.identity && object->size == facts.size;
}

struct StagedParts {
    std::string upload_id;
    std::vector<s3::UploadedPart> parts;
};

StagedParts parts_of_handle(const std::string& handle) {
    const json::Value object = json::parse(handle, kWhat);
    if (json::string_member(object, "schema", kWhat) != kSchema) {
        throw Error(ErrorCode::Unsupported, "a staged upload is of a kind that this cooper does not know");
    }
    StagedParts staged{json::string_member(object, "upload_id", kWhat), {}};
    const json::Value& parts = json::member(object, "parts", kWhat);
    if (staged.upload_id.empty() || staged.upload_id.size() > kMaxUploadId || !parts.is_array() || parts.empty() ||
        parts.size() > s3::kMaxParts) {
        throw Error(ErrorCode::InvalidInput, "a staged upload has no ID, or no parts that could be its own");
    }
    for (const json::Value& part : parts) {
        s3::UploadedPart read;
        read.number = static_cast<std::uint32_t>(staged.parts.size() + 1);
        read.etag = json::string_member(part, "etag", kWhat);
        read.size = json::uint_member(part, "size", kWhat);
        if (json::find_member(part, "crc64") != nullptr) {
            read.crc64 = json::uint_member(part, "crc64", kWhat);
        }
        staged.parts.push_back(std::move(read));
    }
    return staged;
}

/// What was checked when it was staged must be what is completed: the store's parts are those that were recorded.
void take_parts(s3::Upload& upload, const StagedParts& staged, const std::string& url) {
    const std::vector<s3::UploadedPart>& found = upload.found();
    for (const s3::UploadedPart& part : staged.parts) {
        const bool there = std::any_of(found.begin(), found.end(), [&](const s3::UploadedPart& each) {
            return each.number == part.number && each.size == part.size && each.etag == part.etag;
        });
        if (!there) {
            upload.leave_open();
            throw Error(ErrorCode::Integrity, "part " + std::to_string(part.number) + " of the staged upload of " +
                                                  url + " is not the one that was checked: it was changed since");
        }
        upload.take(part);
    }
}

void forget_record(s3::Bucket& bucket, const StagedTarball& staged, const Run& run) noexcept {
    if (staged.facts.size >= kRecordedFrom) {
        forget_upload_record(bucket, upload_record_key(staged.key, staged.facts.identity), run);
    }
}

}  // namespace

void complete_upload(s3::Bucket& bucket, const std::string& key, s3::Upload& upload, const TarballFacts& facts,
                     const Run& run) {
    put_facts(bucket, key, facts, run);
    auto condition = s3::WriteCondition::if_absent();
    if (bucket.conditional_writes(run) == s3::ConditionalWrites::Unsupported) {
        condition = s3::WriteCondition::none();
        if (bucket.head(key, run)) {
            refuse_taken(bucket, key);
        }
    }
    const s3::WriteResult result = upload.complete(condition, expected_metadata(facts), run);
    if (result.outcome == s3::WriteOutcome::Done) {
        return;
    }
    const auto there = bucket.head(key, run);
    if (result.outcome == s3::WriteOutcome::Ambiguous && is_tarball(there, facts)) {
        return;
    }
    if (result.outcome == s3::WriteOutcome::ConditionFailed || there) {
        refuse_taken(bucket, key);
    }
    throw Error(ErrorCode::Unavailable,
                url_of(bucket, key) + " was not completed: the store did not answer, and the object is not there");
}

std::string handle_of(const s3::Upload& upload) {
    json::Value parts = json::Value::array();
    for (const s3::UploadedPart& part : upload.parts()) {
        json::Value each{{"etag", part.etag}, {"size", part.size}};
        if (part.crc64) {
            each["crc64"] = *part.crc64;
        }
        parts.push_back(std::move(each));
    }
    return json::write({{"schema", kSchema}, {"upload_id", upload.upload_id()}, {"parts", std::move(parts)}});
}

void complete_staged_upload(s3::Bucket& bucket, const StagedTarball& staged, const Run& run) {
    const StagedParts parts = parts_of_handle(staged.handle);
    const std::string url = url_of(bucket, staged.key);
    if (is_tarball(bucket.head(staged.key, run), staged.facts)) {
        return;
    }
    const auto upload = s3::Upload::resume(bucket, staged.key, parts.upload_id, run);
    if (!upload) {
        if (is_tarball(bucket.head(staged.key, run), staged.facts)) {
            return;  // completed by somebody else between the two looks
        }
        throw Error(ErrorCode::NotFound, "the staged upload of " + url + " is gone, and nothing lies under that key")
            .advise("release again: what is missing is sent again");
    }
    upload->leave_open();  // whatever fails now, it can be tried again
    take_parts(*upload, parts, url);
    try {
        complete_upload(bucket, staged.key, *upload, staged.facts, run);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Conflict || !is_tarball(bucket.head(staged.key, run), staged.facts)) {
            throw;
        }
    }
    forget_record(bucket, staged, run);
}

void discard_staged_upload(s3::Bucket& bucket, const StagedTarball& staged, const Run& run) {
    bucket.abort_upload(staged.key, parts_of_handle(staged.handle).upload_id, run);
    forget_record(bucket, staged, run);
}

bool remove_uploaded(s3::Bucket& bucket, const std::string& key, const TarballFacts& facts, const Run& run) {
    if (!is_tarball(bucket.head(key, run), facts)) {
        return false;
    }
    bucket.remove(key, run);
    bucket.remove(facts_key(key, facts.identity), run);
    return true;
}

}  // namespace cooper::delivery
