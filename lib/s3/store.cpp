#include "s3/store.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/text.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace cooper::s3 {

namespace {

constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view kUnsigned = "UNSIGNED-PAYLOAD";
// Bodies up to this are always hashed: it costs nothing, and every store takes a signed payload.
constexpr std::uint64_t kSmallBody = 64 * 1024;
// From here on a refusal is worth waiting for before the body is sent.
constexpr std::uint64_t kLargeBody = 1024 * 1024;
constexpr std::chrono::minutes kSurelySkewed{5};
constexpr std::int64_t kClockTolerance = 30;

std::string hash_body(const Ranged& body) {
    Hasher hasher;
    const auto source = body.open();
    std::vector<std::byte> buffer(kStreamStep);
    while (const std::size_t count = source->read(buffer)) {
        hasher.update(Bytes(buffer).first(count));
    }
    return std::string(hasher.finish().hex());
}

std::shared_ptr<const TlsSettings> tls_of(const Settings& settings) {
    if (!settings.insecure && settings.ca_bundle.empty()) {
        return nullptr;
    }
    auto tls = std::make_shared<TlsSettings>();
    tls->verify = !settings.insecure;
    tls->ca_file = settings.ca_bundle;
    return tls;
}

std::string_view name_of_form(ChecksumForm form) {
    return form == ChecksumForm::Crc64        ? "CRC-64/NVME"
           : form == ChecksumForm::ContentMd5 ? "Content-MD5"
                                              : "no checksum";
}

ChecksumForm next_form(ChecksumForm form) {
    return form == ChecksumForm::Crc64 ? ChecksumForm::ContentMd5 : ChecksumForm::None;
}

}  // namespace

/// One exchange: an answer (good, or with `failure`), or none (`lost`).
struct Store::Attempt {
    Reply reply;
    std::optional<Failure> failure;
    std::exception_ptr lost;
    std::optional<std::chrono::milliseconds> retry_after;
    Credentials credentials;
    std::string region;
    std::int64_t clock_offset = 0;
};

/// What was already tried for one call: each remedy once.
struct Store::Cures {
    ChecksumForm form;
    bool region = false;
    bool clock = false;
    bool credentials = false;
    bool damage = false;
};

Store::Store(std::string bucket, Settings settings, HttpClient& http, CredentialsProvider& credentials)
    : bucket_(std::move(bucket)),
      settings_(std::move(settings)),
      http_(http),
      credentials_(credentials),
      aws_(is_aws(settings_)),
      tls_(tls_of(settings_)),
      region_(settings_.region),
      checksum_form_(settings_.checksums == Settings::Checksums::WhenSupported ? ChecksumForm::Crc64
                                                                               : ChecksumForm::None) {
    check_bucket_name(bucket_);
}

std::string Store::name_of(std::string_view key) const {
    return "s3://" + bucket_ + (key.empty() ? "" : "/") + std::string(key);
}

std::string Store::region() const {
    const std::scoped_lock lock(mutex_);
    return region_;
}

Location Store::location(std::string_view key) const {
    Settings here = settings_;
    here.region = region();
    return locate(here, bucket_, key);
}

TimePoint Store::now(const Run& run) const {
    return run.clock->now_seconds() + std::chrono::seconds(clock_offset_.load());
}

std::string Store::payload_hash(const Call& call) const {
    using Signing = Settings::PayloadSigning;
    if (!call.body || call.body->size() == 0) {
        return std::string(kEmptySha256);
    }
    const Url url = location("").url;
    const bool guarded = url.scheme == "https" || url.is_loopback();
    const bool automatic = settings_.payload_signing == Signing::Auto;
    const bool leave =
        settings_.payload_signing == Signing::Never || (automatic && guarded && call.body->size() > kSmallBody);
    return leave ? std::string(kUnsigned) : hash_body(*call.body);
}

Reply Store::send(const Call& call, const Run& run) {
    RetryPolicy policy = settings_.retry;
    policy.attempts = call.max_attempts > 0 ? std::min(policy.attempts, call.max_attempts) : policy.attempts;
    Retrier retrier(policy, budget_, run);
    Cures cures{.form = call.add_checksum ? checksum_form() : ChecksumForm::None};
    const std::string hash = payload_hash(call);
    bool lost_before = false;
    for (;;) {
        run.check();
        Attempt attempt = try_once(call, cures.form, hash, run);
        attempt.reply.lost_before = lost_before;
        if (attempt.lost) {
            lost_before = true;
        } else if (!attempt.failure) {
            retrier.succeeded();
            if (call.add_checksum) {
                settle_form(cures.form, run);
            }
            return std::move(attempt.reply);
        } else {
            const Failure& failure = *attempt.failure;
            const auto& accepted = call.accepted;
            if (std::find(accepted.begin(), accepted.end(), failure.status) != accepted.end()) {
                attempt.reply.failure = failure;
                return std::move(attempt.reply);
            }
            if (cure(call, attempt, cures, run)) {
                continue;
            }
            if (!is_passing(failure)) {
                raise(failure, call.what);
            }
            lost_before = lost_before || (failure.status >= 500 && !is_throttled(failure));
        }
        if (lost_before && call.repeat == Repeat::OnlyIfNotDone) {
            return Reply{};
        }
        if (!retrier.again(attempt.retry_after)) {
            if (attempt.failure) {
                raise(*attempt.failure, call.what);
            }
            in_context(call.what, [&attempt] { std::rethrow_exception(attempt.lost); });
        }
    }
}

Store::Attempt Store::try_once(const Call& call, ChecksumForm form, const std::string& payload_hash, const Run& run) {
    Attempt attempt;
    attempt.credentials = credentials_.get(run);
    attempt.region = region();
    attempt.clock_offset = clock_offset_;
    const TimePoint time = run.clock->now_seconds() + std::chrono::seconds(attempt.clock_offset);
    const HttpRequest request = signed_request(call, form, payload_hash, attempt.credentials, attempt.region, time);
    const Congestion::Ticket ticket = congestion_.enter(run);
    try {
        HttpResponse response = http_.send(request, run);
        attempt.retry_after = response.retry_after(run.clock->now());
        read_reply(call, response, attempt);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Unavailable) {
            throw;
        }
        attempt.failure.reset();
        attempt.lost = std::current_exception();
        return attempt;
    }
    const bool large = call.body && call.body->size() > kLargeBody;
    if (!attempt.failure) {
        congestion_.succeeded();
        region_confirmed_ = true;
        takes_bodies_ = takes_bodies_ || large;
    } else {
        takes_bodies_ = takes_bodies_ && !large;
        if (is_throttled(*attempt.failure)) {
            congestion_.slow_down();
        }
    }
    return attempt;
}

HttpRequest Store::signed_request(const Call& call, ChecksumForm form, const std::string& payload_hash,
                                  const Credentials& credentials, const std::string& region, TimePoint time) const {
    Settings here = settings_;
    here.region = region;
    const Location location = locate(here, bucket_, call.key);
    SignableRequest signable{call.method, location.path, call.query, call.headers, payload_hash};
    NameValues& headers = signable.headers;
    if (call.add_checksum) {
        call.add_checksum(form, headers);
    }
    if (!settings_.expected_bucket_owner.empty()) {
        headers.emplace_back("x-amz-expected-bucket-owner", settings_.expected_bucket_owner);
    }
    headers.emplace_back("x-amz-content-sha256", payload_hash);
    headers.emplace_back("x-amz-date", format_amz(time));
    if (!credentials.session_token.empty()) {
        headers.emplace_back("x-amz-security-token", credentials.session_token.reveal());
    }
    HttpRequest request;
    request.method = call.method;
    request.url = location.url;
    request.url.query = encode_query(call.query);
    for (const auto& [name, value] : headers) {
        request.headers.add(name, value);
    }
    headers.emplace_back("host", location.url.authority());

    const Scope scope{time, region};
    const CanonicalRequest canonical = canonicalize(signable);
    const std::string signed_hex =
        signature(signing_key(credentials.secret_access_key, scope), string_to_sign(canonical.text, scope));
    request.headers.add("Authorization", authorization(credentials, scope, canonical, signed_hex));
    request.body = call.body;
    if (!request.body && (call.method == "PUT" || call.method == "POST")) {
        request.body = std::make_shared<MemoryRanged>("");  // for a Content-Length of 0
    }
    request.expect_continue = !takes_bodies_ && call.body && call.body->size() > kLargeBody;
    request.stall_timeout = call.stall_timeout;
    request.tls = tls_;
    return request;
}

void Store::read_reply(const Call& call, HttpResponse& response, Attempt& attempt) const {
    Reply& reply = attempt.reply;
    reply.status = response.status;
    reply.headers = response.headers;
    if (!reply.good()) {
        attempt.failure = read_failure(response.status, response.headers, read_error_body(response));
        return;
    }
    if (call.reply == ReplyBody::Stream) {
        reply.stream = std::move(response.body);
        return;
    }
    reply.body = read_all(*response.body, call.max_reply, "the answer to " + call.what);
    if (call.reply == ReplyBody::Text) {
        return;
    }
    // S3 answers 200 before it knows the outcome of long operations; only the document tells.
    reply.document = xml::try_parse(reply.body);
    if (!reply.document) {
        throw Error(ErrorCode::Unavailable, "the store's answer is empty, cut off, or not XML");
    }
    if (reply.document->name == "Error") {
        attempt.failure = read_late_failure(response.headers, *reply.document);
        reply.status = attempt.failure->status;
    }
}

bool Store::cure(const Call& call, const Attempt& attempt, Cures& cures, const Run& run) {
    const Failure& failure = *attempt.failure;
    const bool bare_head = call.method == "HEAD" && failure.code.empty();
    if (is_misdirected(failure)) {
        return !std::exchange(cures.region, true) && find_region(attempt, run);
    }
    const TimePoint sent_at = run.clock->now_seconds() + std::chrono::seconds(attempt.clock_offset);
    const bool off = failure.server_time && std::chrono::abs(*failure.server_time - sent_at) > kSurelySkewed;
    if (is_skewed(failure) || (bare_head && failure.status == 403 && off)) {
        return !std::exchange(cures.clock, true) && learn_clock(attempt, run);
    }
    // An expired token makes a HEAD fail with a bare 400.
    const bool maybe_expired = bare_head && failure.status == 400 && !attempt.credentials.session_token.empty();
    if (is_expired(failure) || maybe_expired) {
        return !std::exchange(cures.credentials, true) && refresh_credentials(attempt, run);
    }
    // Never on AWS: there a refusal of a checksum is an error to look at, not a habit.
    if (call.add_checksum && !aws_ && cures.form != ChecksumForm::None && may_refuse_checksum(failure)) {
        cures.form = next_form(cures.form);
        return true;
    }
    return is_damaged(failure) && !std::exchange(cures.damage, true);
}

bool Store::find_region(const Attempt& attempt, const Run& run) {
    std::string told = attempt.failure->region;
    if (told.empty()) {
        told = ask_region(run);
    }
    const std::scoped_lock lock(mutex_);
    if (is_region_name(told) && told != attempt.region) {
        region_ = told;
    }
    return region_ != attempt.region;  // another thread may have learnt it meanwhile
}

std::string Store::ask_region(const Run& run) {
    Call call;
    call.what = "asking for the region of " + name_of("");
    call.method = "HEAD";
    const Attempt attempt = try_once(call, ChecksumForm::None, std::string(kEmptySha256), run);
    return attempt.failure ? attempt.failure->region : attempt.reply.headers.find("x-amz-bucket-region").value_or("");
}

void Store::confirm_region(const Run& run) {
    if (!settings_.endpoint.empty() || region_confirmed_) {
        return;
    }
    const std::string told =
        ask_region(run);  // any answer has it, a 403 as well; without an answer what we have must do
    if (is_region_name(told)) {
        const std::scoped_lock lock(mutex_);
        region_ = told;
        region_confirmed_ = true;
    }
}

bool Store::learn_clock(const Attempt& attempt, const Run& run) {
    if (!attempt.failure->server_time) {
        return false;
    }
    const std::int64_t offset = (*attempt.failure->server_time - run.clock->now_seconds()).count();
    if (std::abs(offset - attempt.clock_offset) < kClockTolerance) {
        return false;  // it was sent by the store's own time: that is not what ails it
    }
    if (clock_offset_.exchange(offset) == 0) {
        run.progress->notice(NoticeLevel::Warning,
                             "this machine's clock is " + format_duration(std::chrono::seconds(std::abs(offset))) +
                                 (offset > 0 ? " behind" : " ahead of") + " the store's; going by the store's");
    }
    return true;
}

bool Store::refresh_credentials(const Attempt& attempt, const Run& run) {
    const Credentials current = credentials_.get(run);
    const bool same = current.access_key_id == attempt.credentials.access_key_id &&
                      current.session_token == attempt.credentials.session_token;
    if (same) {  // else another thread has refreshed them already
        credentials_.invalidate();
    }
    return true;
}

void Store::settle_form(ChecksumForm form, const Run& run) {
    // Only a form that was taken where a better one was refused is learnt: the refusal may have had another reason.
    ChecksumForm before = checksum_form_;
    if (form <= before || !checksum_form_.compare_exchange_strong(before, form)) {
        return;
    }
    const std::string host = location("").url.authority();
    run.progress->notice(NoticeLevel::Warning, host + " refuses " + std::string(name_of_form(before)) + "; " +
                                                   name_of("") + " is written with " + std::string(name_of_form(form)));
}

}  // namespace cooper::s3
