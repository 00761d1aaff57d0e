// Multipart uploads, step by step ("Uploading and copying objects using multipart upload", Amazon S3 manual).
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

// Joining 10,000 parts takes minutes in which nothing, or a space now and then, comes.
constexpr std::chrono::minutes kPatience{10};
// A part may arrive while the upload is being aborted and survive it.
constexpr int kAbortRounds = 5;

std::string part_name(const Store& store, const std::string& key, std::uint32_t number) {
    return "part " + std::to_string(number) + " of " + store.name_of(key);
}

NameValues part_query(const std::string& upload_id, std::uint32_t number) {
    if (number < 1 || number > kMaxParts) {
        throw Error(ErrorCode::InvalidInput, "part " + std::to_string(number) + ": parts are numbered 1 to 10,000");
    }
    return {{"partNumber", std::to_string(number)}, {"uploadId", upload_id}};
}

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

/// The ChecksumCRC64NVME of an answer; nullopt when there is none.
std::optional<std::uint64_t> told_crc(const xml::Element& document) {
    const auto raw = from_base64(trim(document.text_of("ChecksumCRC64NVME")));
    if (!raw || raw->size() != sizeof(std::uint64_t)) {
        return std::nullopt;
    }
    return std::accumulate(raw->begin(), raw->end(), std::uint64_t{0},
                           [](std::uint64_t value, char c) { return (value << 8) | static_cast<unsigned char>(c); });
}

/// Sends a copy that fails with Conflict unless its source has `etag` (empty: any).
Reply copy_guarded(Store& store, Call call, const std::string& source_key, const std::string& etag, const Run& run) {
    const auto source_is_same = [&] {
        const auto source = head_object(store, source_key, run);
        return source && bare_etag(source->etag) == bare_etag(etag);
    };
    Reply reply;
    if (!etag.empty() && !store.copies_by_head()) {
        Call guarded = call;
        guarded.headers.emplace_back("x-amz-copy-source-if-match",
                                     store.bare_etags() ? std::string(bare_etag(etag)) : etag);
        guarded.accepted = {412};
        reply = store.send(guarded, run);
        if (!reply.good() && !source_is_same()) {
            raise(reply.failure, call.what + ": the source was replaced");
        }
    }
    if (!reply.good()) {
        if (!etag.empty()) {
            store.copy_by_head();
        }
        reply = store.send(call, run);
        if (!etag.empty() && !source_is_same()) {
            throw Error(ErrorCode::Conflict, call.what + ": the source was replaced");
        }
    }
    if (reply.document->text_of("ETag").empty()) {
        throw Error(ErrorCode::Unavailable, call.what + ": the store's answer has no ETag");
    }
    return reply;
}

}  // namespace

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
    const Reply reply = state_->store.send(call, run);
    part.etag = reply.headers.find("etag").value_or("");
    if (part.etag.empty()) {
        throw Error(ErrorCode::Unavailable, call.what + ": the store's answer has no ETag");
    }
    if (reply.headers.find("x-amz-checksum-crc64nvme")) {
        state_->store.note_checksum_echo();
    }
    return part;
}

UploadedPart Bucket::copy_part(const std::string& key, const std::string& upload_id, std::uint32_t number,
                               const std::string& source_key, const std::string& source_etag, std::uint64_t first,
                               std::uint64_t length, const Run& run) {
    check_key(key);
    check_key(source_key);
    Store& store = state_->store;
    if (length == 0) {
        throw Error(ErrorCode::InvalidInput, "copying nothing into " + part_name(store, key, number));
    }
    Call call;
    call.what = "copying from " + store.name_of(source_key) + " into " + part_name(store, key, number);
    call.method = "PUT";
    call.key = key;
    call.query = part_query(upload_id, number);
    call.headers = {
        {"x-amz-copy-source", encode_path("/" + name() + "/" + source_key)},
        {"x-amz-copy-source-range", "bytes=" + std::to_string(first) + "-" + std::to_string(first + length - 1)}};
    call.reply = ReplyBody::Document;
    call.stall_timeout = kPatience;
    const Reply reply = copy_guarded(store, std::move(call), source_key, source_etag, run);
    return {number, std::string(reply.document->text_of("ETag")), length, told_crc(*reply.document)};
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
