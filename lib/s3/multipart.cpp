// Multipart uploads, step by step ("Uploading and copying objects using multipart upload", Amazon S3 manual).
#include "s3/multipart.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/s3/bucket.hpp"
#include "cooper/s3/checksum.hpp"
#include "cooper/s3/upload.hpp"

#include "s3/legacy_hash.hpp"
#include "s3/operations.hpp"

#include <algorithm>
#include <numeric>

namespace cooper::s3 {

namespace {

// A part may arrive while the upload is being aborted and survive it.
constexpr int kAbortRounds = 5;

std::uint64_t total_size(const std::vector<UploadedPart>& parts) {
    return std::accumulate(parts.begin(), parts.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const UploadedPart& part) { return sum + part.size; });
}

/// The whole object's CRC; nullopt when a part's is not known.
std::optional<std::uint64_t> total_crc(const std::vector<UploadedPart>& parts) {
    std::uint64_t crc = 0;
    for (const UploadedPart& part : parts) {
        if (!part.crc64) {
            return std::nullopt;
        }
        crc = crc64nvme_combine(crc, *part.crc64, part.size);
    }
    return crc;
}

std::string complete_document(const std::vector<UploadedPart>& parts, bool checksums) {
    std::string text = R"(<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">)";
    for (const UploadedPart& part : parts) {
        text += "<Part>";
        if (checksums && part.crc64) {
            text += "<ChecksumCRC64NVME>" + crc64nvme_header(*part.crc64) + "</ChecksumCRC64NVME>";
        }
        text += "<ETag>" + xml::escape(part.etag) + "</ETag><PartNumber>" + std::to_string(part.number) +
                "</PartNumber></Part>";
    }
    return text + "</CompleteMultipartUpload>";
}

void check_order(const std::vector<UploadedPart>& parts, const std::string& what) {
    const auto not_ascending = [](const UploadedPart& a, const UploadedPart& b) { return a.number >= b.number; };
    if (parts.empty() || std::adjacent_find(parts.begin(), parts.end(), not_ascending) != parts.end()) {
        throw Error(ErrorCode::InvalidInput, what + ": parts must be there and in ascending order");
    }
}

/// After a lost answer: is what lies there what we sent?
std::optional<WriteResult> find_completed(Store& store, const std::string& key, const std::vector<UploadedPart>& parts,
                                          const std::map<std::string, std::string>& expect_metadata, const Run& run) {
    const auto info = head_object(store, key, run);
    if (!info || info->size != total_size(parts)) {
        return std::nullopt;
    }
    bool ours = !expect_metadata.empty();
    for (const auto& [name, value] : expect_metadata) {
        const auto at = info->metadata.find(to_lower(name));
        ours = ours && at != info->metadata.end() && at->second == metadata_value(value);
    }
    if (expect_metadata.empty()) {
        std::vector<std::string> etags;
        for (const UploadedPart& part : parts) {
            etags.push_back(part.etag);
        }
        const std::string expected = multipart_etag(etags);
        ours = !expected.empty() && bare_etag(info->etag) == bare_etag(expected);
    }
    return ours ? std::optional(WriteResult{WriteOutcome::Done, info->etag, info->version_id}) : std::nullopt;
}

/// A wrong sum although the store took it: Ceph 20 does not refuse one, but tells its own.
void check_crc(const Reply& reply, std::optional<std::uint64_t> expected, const std::string& what) {
    const std::string_view told = trim(reply.document->text_of("ChecksumCRC64NVME"));
    if (expected && !told.empty() && told != crc64nvme_header(*expected)) {
        throw IntegrityError(what + ": CRC-64/NVME of the whole object", crc64nvme_header(*expected),
                             std::string(told));
    }
}

}  // namespace

UploadGone::UploadGone(const std::string& message, std::string upload_id)
    : Error(ErrorCode::Conflict, message), upload_id_(std::move(upload_id)) {
    advise("it was completed or aborted by somebody else, or has expired: run the same again");
}

UploadGone::~UploadGone() = default;

std::string part_name(const Store& store, const std::string& key, std::uint32_t number) {
    return "part " + std::to_string(number) + " of " + store.name_of(key);
}

NameValues part_query(const std::string& upload_id, std::uint32_t number) {
    if (number < 1 || number > kMaxParts) {
        throw Error(ErrorCode::InvalidInput, "part " + std::to_string(number) + ": parts are numbered 1 to 10,000");
    }
    return {{"partNumber", std::to_string(number)}, {"uploadId", upload_id}};
}

bool is_upload_gone(const Reply& reply) {
    return reply.status == 404 && reply.failure.code != "NoSuchBucket";
}

void raise_gone(const Reply& reply, const std::string& what, const std::string& upload_id) {
    throw UploadGone(what + ": there is no such upload (the store answered " + describe(reply.failure) + ")",
                     upload_id);
}

std::string Bucket::create_upload(const std::string& key, const ObjectHeaders& headers, const Run& run) {
    check_key(key);
    Call call;
    call.what = "beginning the upload of " + state_->store.name_of(key);
    call.method = "POST";
    call.key = key;
    call.query = {{"uploads", ""}};
    call.headers = object_headers(headers);
    call.reply = ReplyBody::Document;
    call.add_checksum = [](ChecksumForm form, NameValues& to) {
        if (form == ChecksumForm::Crc64) {
            to.emplace_back("x-amz-checksum-algorithm", "CRC64NVME");
            to.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
        }
    };
    const Reply reply = state_->store.send(call, run);
    std::string upload_id(reply.document->text_of("UploadId"));
    if (upload_id.empty()) {
        throw Error(ErrorCode::Unavailable, call.what + ": the store's answer has no UploadId");
    }
    return upload_id;
}

UploadedPart Bucket::upload_part(const std::string& key, const std::string& upload_id, std::uint32_t number,
                                 Bytes bytes, const Run& run) {
    check_key(key);
    UploadedPart part{number, {}, bytes.size(), std::nullopt};
    if (state_->store.checksum_form() == ChecksumForm::Crc64) {
        part.crc64 = crc64nvme(bytes);
    }
    Call call;
    call.what = "writing " + part_name(state_->store, key, number);
    call.method = "PUT";
    call.key = key;
    call.query = part_query(upload_id, number);
    call.body = std::make_shared<BorrowedRanged>(bytes);
    call.add_checksum = checksum_of(call.body, part.crc64);
    call.accepted = {404};
    const Reply reply = state_->store.send(call, run);
    if (is_upload_gone(reply)) {
        raise_gone(reply, call.what, upload_id);
    }
    if (!reply.good()) {
        raise(reply.failure, call.what);
    }
    part.etag = reply.headers.find("etag").value_or("");
    if (part.etag.empty()) {
        throw Error(ErrorCode::Unavailable, call.what + ": the store's answer has no ETag");
    }
    if (reply.headers.find("x-amz-checksum-crc64nvme")) {
        state_->store.note_checksum_echo();
    }
    return part;
}

WriteResult Bucket::complete_upload(const std::string& key, const std::string& upload_id,
                                    const std::vector<UploadedPart>& parts, const WriteCondition& condition,
                                    const std::map<std::string, std::string>& expect_metadata, const Run& run) {
    check_key(key);
    Store& store = state_->store;
    Call call;
    call.what = "completing the upload of " + store.name_of(key);
    check_order(parts, call.what);
    const bool checksums = store.checksum_form() == ChecksumForm::Crc64 && store.knows_checksums();
    const auto crc = checksums ? total_crc(parts) : std::nullopt;
    call.method = "POST";
    call.key = key;
    call.query = {{"uploadId", upload_id}};
    call.headers = {{"content-type", "application/xml"}};
    if (crc) {
        call.headers.emplace_back("x-amz-checksum-crc64nvme", crc64nvme_header(*crc));
        call.headers.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
    }
    if (store.aws()) {
        call.headers.emplace_back("x-amz-mp-object-size", std::to_string(total_size(parts)));
    }
    add_condition(store, condition, call.headers);
    call.body = std::make_shared<MemoryRanged>(complete_document(parts, crc.has_value()));
    call.accepted = {404, 409, 412};
    call.reply = ReplyBody::Document;
    call.stall_timeout = kPatience;
    Reply reply;
    try {
        reply = store.send(call, run);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Unavailable) {
            throw;
        }
        if (auto completed = find_completed(store, key, parts, expect_metadata, run)) {
            return *completed;
        }
        if (condition.kind == WriteCondition::Kind::None) {
            throw;
        }
        return {.outcome = WriteOutcome::Ambiguous, .etag = {}, .version_id = {}};
    }
    if (reply.good()) {
        check_crc(reply, crc, call.what);
        return {.outcome = WriteOutcome::Done,
                .etag = std::string(reply.document->text_of("ETag")),
                .version_id = reply.headers.find("x-amz-version-id").value_or("")};
    }
    if (reply.lost_before) {  // the first try may have worked: then the upload is gone, or the condition fails by
                              // ourselves
        if (auto completed = find_completed(store, key, parts, expect_metadata, run)) {
            return *completed;
        }
    }
    const bool object_may_be_gone =
        condition.kind == WriteCondition::Kind::IfMatch && reply.failure.code != "NoSuchUpload";
    if (is_upload_gone(reply) && !object_may_be_gone) {
        raise_gone(reply, call.what, upload_id);
    }
    return condition_failed(reply, condition, call.what);
}

void Bucket::abort_upload(const std::string& key, const std::string& upload_id, const Run& run) {
    check_key(key);
    Call call;
    call.what = "aborting the upload of " + state_->store.name_of(key);
    call.key = key;
    call.query = {{"uploadId", upload_id}};
    call.accepted = {404};
    call.max_attempts = 3;  // runs while something else has failed: do not keep the user waiting
    for (int round = 0; round < kAbortRounds; ++round) {
        call.method = "DELETE";
        if (!state_->store.send(call, run).good()) {
            return;
        }
        call.method = "GET";
        call.accepted = {401, 403, 404, 405, 501};
        if (!state_->store.send(call, run).good()) {
            return;  // gone, or we may not look
        }
    }
    throw Error(ErrorCode::Conflict, call.what + ": parts keep arriving")
        .advise("stop what still writes to it, then abort again");
}

}  // namespace cooper::s3
