#include "cooper/s3/bucket.hpp"

#include "cooper/base/error.hpp"

#include "s3/object_source.hpp"
#include "s3/operations.hpp"

namespace cooper::s3 {

namespace {

constexpr std::uint64_t kMaxPut = 5ULL << 30;

WriteResult done(const Reply& reply) {
    return {.outcome = WriteOutcome::Done,
            .etag = reply.headers.find("etag").value_or(""),
            .version_id = reply.headers.find("x-amz-version-id").value_or("")};
}

/// The condition failed although the object has this very ETag: the store compares without quotes.
bool quotes_are_to_blame(Store& store, const std::string& key, const Reply& reply, const WriteCondition& condition,
                         const Run& run) {
    const bool quoted = condition.kind == WriteCondition::Kind::IfMatch && condition.etag.starts_with('"');
    if (reply.status != 412 || !quoted || store.bare_etags()) {
        return false;
    }
    const auto now = head_object(store, key, run);
    return now && now->etag == condition.etag;
}

}  // namespace

Bucket::Bucket(std::string name, Settings settings, HttpClient& http, CredentialsProvider& credentials)
    : state_(std::make_unique<State>(std::move(name), std::move(settings), http, credentials)) {}

Bucket::~Bucket() = default;

const std::string& Bucket::name() const noexcept {
    return state_->store.bucket();
}

std::optional<ObjectInfo> Bucket::head(const std::string& key, const Run& run) {
    return head_object(state_->store, key, run);
}

std::optional<Bucket::Text> Bucket::find_text(const std::string& key, std::size_t limit, const Run& run) {
    check_key(key);
    Call call;
    call.what = "reading " + state_->store.name_of(key);
    call.method = "GET";
    call.key = key;
    call.accepted = {404};
    call.max_reply = limit;
    Reply reply = state_->store.send(call, run);
    if (reply.good()) {
        ObjectInfo info = info_of(key, reply.headers);
        info.size = reply.body.size();
        return Text{std::move(reply.body), std::move(info)};
    }
    if (reply.failure.code == "NoSuchBucket") {
        raise(reply.failure, call.what);
    }
    return std::nullopt;
}

std::unique_ptr<Source> Bucket::open(const std::string& key, std::uint64_t offset, const Run& run) {
    check_key(key);
    return open_object(state_->store, key, offset, run);
}

WriteResult Bucket::put(const std::string& key, std::shared_ptr<const Ranged> body, const ObjectHeaders& headers,
                        const WriteCondition& condition, const Run& run) {
    check_key(key);
    Store& store = state_->store;
    if (body->size() > kMaxPut) {
        throw Error(ErrorCode::InvalidInput, store.name_of(key) + ": one PUT holds 5 GiB at most; upload it in parts");
    }
    Call call;
    call.what = "writing " + store.name_of(key);
    call.method = "PUT";
    call.key = key;
    call.headers = object_headers(headers);
    call.body = body;
    call.add_checksum = checksum_of(body, std::nullopt);
    const NameValues unconditional = call.headers;
    if (condition.kind != WriteCondition::Kind::None) {
        call.repeat = Repeat::OnlyIfNotDone;
        call.accepted = {404, 409, 412};
        add_condition(store, condition, call.headers);
    }
    Reply reply = store.send(call, run);
    if (quotes_are_to_blame(store, key, reply, condition, run)) {
        store.use_bare_etags();
        call.headers = unconditional;
        add_condition(store, condition, call.headers);
        reply = store.send(call, run);
    }
    if (reply.good()) {
        return done(reply);
    }
    if (reply.status == 0) {
        return {.outcome = WriteOutcome::Ambiguous, .etag = {}, .version_id = {}};
    }
    return condition_failed(reply, condition, call.what);
}

void Bucket::remove(const std::string& key, const Run& run) {
    check_key(key);
    Call call;
    call.what = "deleting " + state_->store.name_of(key);
    call.method = "DELETE";
    call.key = key;
    call.accepted = {404};
    const Reply reply = state_->store.send(call, run);
    if (reply.failure.code == "NoSuchBucket") {
        raise(reply.failure, call.what);
    }
}

}  // namespace cooper::s3
