#include "delivery/place/bucket_objects.hpp"

#include "cooper/base/error.hpp"
#include "cooper/delivery/keys.hpp"

#include "delivery/place/facts.hpp"

namespace cooper::delivery {
namespace {

constexpr std::size_t kIdentityDigits = 64;

constexpr const char* kIdentity = "cooper-identity";
constexpr const char* kInputs = "cooper-inputs";
constexpr const char* kImageIds = "cooper-image-ids";
constexpr const char* kCommit = "cooper-commit";

std::string metadata_of(const s3::ObjectInfo& info, const char* name) {
    const auto found = info.metadata.find(name);
    return found == info.metadata.end() ? std::string() : found->second;
}

std::string content_type_of(const std::string& key) {
    if (key.ends_with(".json")) {
        return "application/json";
    }
    if (key.ends_with(".md")) {
        return "text/markdown; charset=utf-8";
    }
    return key.ends_with(".sig") ? "application/octet-stream" : "text/plain; charset=utf-8";
}

}  // namespace

/// Metadata is text from outside; only a digest may become part of a key.
std::string identity_of(const s3::ObjectInfo& info) {
    std::string identity = metadata_of(info, kIdentity);
    const bool digest =
        identity.size() == kIdentityDigits && identity.find_first_not_of("0123456789abcdef") == std::string::npos;
    return digest ? identity : std::string();
}

TarballFacts facts_of_object(const s3::ObjectInfo& info) {
    TarballFacts facts;
    facts.size = info.size;
    facts.identity = identity_of(info);
    facts.inputs = metadata_of(info, kInputs);
    facts.image_ids = metadata_of(info, kImageIds);
    facts.commit = metadata_of(info, kCommit);
    return facts;
}

std::map<std::string, std::string> expected_metadata(const TarballFacts& facts) {
    return {{kIdentity, facts.identity}};
}

std::string facts_key(const std::string& tarball_key, const std::string& identity) {
    return tarball_key.substr(0, tarball_key.rfind('/') + 1) + ".facts/" + identity + ".json";
}

s3::ObjectHeaders text_headers(const std::string& key) {
    s3::ObjectHeaders headers;
    headers.content_type = content_type_of(key);
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
void put_facts(s3::Bucket& bucket, const std::string& tarball_key, TarballFacts facts, const Run& run) {
    facts.inputs.clear();
    facts.commit.clear();
    put_plain(bucket, facts_key(tarball_key, facts.identity), facts_to_json(facts), run);
}

}  // namespace cooper::delivery
