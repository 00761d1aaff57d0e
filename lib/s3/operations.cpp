#include "s3/operations.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/s3/checksum.hpp"

#include "s3/legacy_hash.hpp"

#include <algorithm>
#include <map>
#include <vector>

namespace cooper::s3 {

namespace {

constexpr std::string_view kMetadataPrefix = "x-amz-meta-";
constexpr std::size_t kMaxMetadata = 2048;  // S3: names and values together

bool is_printable(char c) {
    return c >= 0x20 && c < 0x7F;
}

void add_header(NameValues& headers, std::string_view name, const std::string& value) {
    if (value.empty()) {
        return;
    }
    if (!std::all_of(value.begin(), value.end(), is_printable)) {
        throw Error(ErrorCode::InvalidInput,
                    std::string(name) + " of an object has characters that no header can hold");
    }
    headers.emplace_back(name, value);
}

void add_metadata(NameValues& headers, const std::map<std::string, std::string>& metadata) {
    std::size_t total = 0;
    for (const auto& [name, value] : metadata) {
        const std::string lower = to_lower(name);
        const bool fit = !lower.empty() && std::all_of(lower.begin(), lower.end(), [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        });
        if (!fit) {
            throw Error(ErrorCode::InvalidInput,
                        "\"" + metadata_value(name) + "\" cannot be the name of an object's metadata");
        }
        const std::string encoded = metadata_value(value);
        total += lower.size() + encoded.size();
        headers.emplace_back(std::string(kMetadataPrefix) + lower, encoded);
    }
    if (total > kMaxMetadata) {
        throw Error(ErrorCode::InvalidInput, "an object's metadata has " + std::to_string(total) + " bytes; S3 takes " +
                                                 std::to_string(kMaxMetadata));
    }
}

template <class Update>
void read_through(const Ranged& body, Update&& update) {
    const auto source = body.open();
    std::vector<std::byte> buffer(kStreamStep);
    while (const std::size_t count = source->read(buffer)) {
        update(Bytes(buffer).first(count));
    }
}

}  // namespace

NameValues object_headers(const ObjectHeaders& given) {
    NameValues headers;
    add_header(headers, "content-type", given.content_type);
    add_header(headers, "content-disposition", given.content_disposition);
    add_header(headers, "cache-control", given.cache_control);
    add_header(headers, "x-amz-storage-class", given.storage_class);
    add_header(headers, "x-amz-server-side-encryption", given.server_side_encryption);
    add_header(headers, "x-amz-server-side-encryption-aws-kms-key-id", given.kms_key_id);
    add_metadata(headers, given.metadata);
    return headers;
}

std::string metadata_value(std::string_view value) {
    if (std::all_of(value.begin(), value.end(), is_printable)) {
        return std::string(trim(value));
    }
    std::string result;
    for (const char c : value) {
        result += is_printable(c) && c != '%' ? std::string(1, c) : percent_encode(std::string_view(&c, 1));
    }
    return result;
}

ObjectInfo info_of(const std::string& key, const Headers& headers) {
    ObjectInfo info;
    info.key = key;
    info.size = parse_uint(trim(headers.find("content-length").value_or(""))).value_or(0);
    info.etag = headers.find("etag").value_or("");
    info.version_id = headers.find("x-amz-version-id").value_or("");
    info.last_modified = parse_http_date(headers.find("last-modified").value_or(""));
    info.content_type = headers.find("content-type").value_or("");
    for (const auto& [name, value] : headers.fields()) {
        const std::string lower = to_lower(name);
        if (lower.starts_with(kMetadataPrefix)) {
            info.metadata[lower.substr(kMetadataPrefix.size())] = value;
        }
    }
    return info;
}

std::function<void(ChecksumForm, NameValues&)> checksum_of(std::shared_ptr<const Ranged> body,
                                                           std::optional<std::uint64_t> crc64) {
    return [body = std::move(body), crc64, md5 = std::string()](ChecksumForm form, NameValues& headers) mutable {
        if (form == ChecksumForm::Crc64) {
            if (!crc64) {
                std::uint64_t crc = 0;
                read_through(*body, [&crc](Bytes chunk) { crc = crc64nvme(chunk, crc); });
                crc64 = crc;
            }
            headers.emplace_back("x-amz-checksum-crc64nvme", crc64nvme_header(*crc64));
            // Ceph checks the value only when this names the algorithm as well.
            headers.emplace_back("x-amz-sdk-checksum-algorithm", "CRC64NVME");
        } else if (form == ChecksumForm::ContentMd5) {
            if (md5.empty()) {
                LegacyHasher hasher(LegacyHash::Md5);
                read_through(*body, [&hasher](Bytes chunk) { hasher.update(chunk); });
                md5 = hasher.finish();
            }
            headers.emplace_back("content-md5", to_base64(as_bytes(md5)));
        }
    };
}

void add_condition(const Store& store, const WriteCondition& condition, NameValues& headers) {
    if (condition.kind == WriteCondition::Kind::IfAbsent) {
        headers.emplace_back("if-none-match", "*");
    } else if (condition.kind == WriteCondition::Kind::IfMatch) {
        headers.emplace_back("if-match", store.bare_etags() ? std::string(bare_etag(condition.etag)) : condition.etag);
    }
}

WriteResult condition_failed(const Reply& reply, const WriteCondition& condition, const std::string& what) {
    const bool conditional = condition.kind != WriteCondition::Kind::None;
    const bool match = condition.kind == WriteCondition::Kind::IfMatch;
    const std::string& code = reply.failure.code;
    const bool gone = reply.status == 404 && match && code != "NoSuchBucket" && code != "NoSuchUpload";
    // Which word comes with a 409 differs between stores; the status does not.
    if (conditional && (reply.status == 412 || reply.status == 409 || gone)) {
        return {.outcome = WriteOutcome::ConditionFailed, .etag = {}, .version_id = {}};
    }
    raise(reply.failure, what);
}

std::optional<ObjectInfo> head_object(Store& store, const std::string& key, const Run& run) {
    check_key(key);
    Call call;
    call.what = "looking at " + store.name_of(key);
    call.method = "HEAD";
    call.key = key;
    call.accepted = {404};
    const Reply reply = store.send(call, run);
    return reply.good() ? std::optional(info_of(key, reply.headers)) : std::nullopt;
}

}  // namespace cooper::s3
