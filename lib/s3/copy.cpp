// Parts that the store copies from another object itself ("UploadPartCopy", Amazon S3 API reference).
#include "cooper/base/error.hpp"
#include "cooper/s3/bucket.hpp"

#include "s3/legacy_hash.hpp"
#include "s3/multipart.hpp"
#include "s3/operations.hpp"

#include <string_view>

namespace cooper::s3 {

namespace {

/// One copy of a range, sent until the store has said yes or no.
class PartCopy {
public:
    PartCopy(Store& store, Call call, std::string upload_id, std::string source_key, std::string source_etag,
             const Run& run)
        : store_(store),
          call_(std::move(call)),
          upload_id_(std::move(upload_id)),
          source_key_(std::move(source_key)),
          source_etag_(std::move(source_etag)),
          run_(run) {}

    /// The good answer.
    [[nodiscard]] Reply send() {
        const bool guarded = !source_etag_.empty();
        if (guarded && !store_.copies_by_head()) {
            Call call = call_;
            call.headers.emplace_back("x-amz-copy-source-if-match",
                                      store_.bare_etags() ? std::string(bare_etag(source_etag_)) : source_etag_);
            Reply reply = try_send(call);
            if (reply.status != 412) {
                return checked(std::move(reply));
            }
            if (!source_is_same()) {
                refuse(ErrorCode::Conflict, reply.failure, "the source was replaced");
            }
            store_.copy_by_head();  // its conditions on sources fail even when they hold
        }
        Reply reply = checked(try_send(call_));
        if (guarded && !source_is_same()) {
            throw Error(ErrorCode::Conflict, call_.what + ": the source was replaced");
        }
        return reply;
    }

private:
    [[nodiscard]] Reply try_send(const Call& call) const {
        try {
            return store_.send(call, run_);
        } catch (const HttpError& error) {  // not among the accepted statuses: these two have cures that come first
            Failure failure;
            failure.status = error.status();
            failure.code = error.server_code();
            const bool refused = error.status() == 400 || error.status() == 403;
            if (!refused || error.code() == ErrorCode::Unavailable || is_expired(failure) || is_skewed(failure)) {
                throw;
            }
            throw HttpError(ErrorCode::Unsupported, error.what(), error.status(), error.server_code());
        }
    }

    [[nodiscard]] bool source_is_same() const {
        const auto source = head_object(store_, source_key_, run_);
        return source && (source_etag_.empty() || bare_etag(source->etag) == bare_etag(source_etag_));
    }

    [[nodiscard]] Reply checked(Reply reply) const {
        if (reply.good()) {
            if (reply.document->text_of("ETag").empty()) {
                throw Error(ErrorCode::Unavailable, call_.what + ": the store's answer has no ETag");
            }
            return reply;
        }
        const Failure& failure = reply.failure;
        if (is_upload_gone(reply)) {
            if (failure.code == "NoSuchUpload" || source_is_same()) {  // Ceph has one word for both
                raise_gone(reply, call_.what, upload_id_);
            }
            refuse(ErrorCode::Conflict, failure, "the source is gone or was replaced");
        }
        if (reply.status == 404) {
            raise(failure, call_.what);
        }
        if (reply.status == 412 || (reply.status == 416 && !source_is_same())) {
            refuse(ErrorCode::Conflict, failure, "the source was replaced");
        }
        refuse(ErrorCode::Unsupported, failure, "the store does not copy this");
    }

    [[noreturn]] void refuse(ErrorCode code, const Failure& failure, std::string_view why) const {
        throw HttpError(code, call_.what + ": " + std::string(why) + ": the store answered " + describe(failure),
                        failure.status, failure.code);
    }

    Store& store_;
    Call call_;
    std::string upload_id_;
    std::string source_key_;
    std::string source_etag_;
    Run run_;
};

}  // namespace

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
    call.accepted = {404, 405, 412, 416, 501};
    call.reply = ReplyBody::Document;
    call.stall_timeout = kPatience;
    const Reply reply = PartCopy(store, std::move(call), upload_id, source_key, source_etag, run).send();
    UploadedPart part{number, std::string(reply.document->text_of("ETag")), length, told_crc64(*reply.document)};
    if (part.crc64) {
        store.note_checksum_echo();
    }
    return part;
}

}  // namespace cooper::s3
