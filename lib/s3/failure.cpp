#include "s3/failure.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/secret.hpp"
#include "cooper/base/text.hpp"

#include "s3/endpoint.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

namespace cooper::s3 {

namespace {

constexpr std::size_t kMaxShown = 500;

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), text) != words.end();
}

/// Fit for one line of a message: no control characters, not long, nothing that looks like a secret.
std::string presentable(std::string_view text) {
    std::string line(trim(text).substr(0, kMaxShown));
    std::replace_if(
        line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
    return redact(line);
}

void read_document(Failure& failure, const xml::Element& error) {
    failure.code = presentable(error.text_of("Code"));
    failure.message = presentable(error.text_of("Message"));
    failure.header = presentable(error.text_of("Header"));
    if (failure.region.empty()) {
        failure.region = presentable(error.text_of("Region"));
    }
    if (failure.region.empty()) {
        failure.region = region_of_host(error.text_of("Endpoint")).value_or("");
    }
    if (failure.request_id.empty()) {
        failure.request_id = presentable(error.text_of("RequestId"));
    }
    if (!failure.server_time) {
        failure.server_time = parse_rfc3339(error.text_of("ServerTime"));
    }
}

Failure read_headers(int status, const Headers& headers) {
    Failure failure;
    failure.status = status;
    failure.region = presentable(headers.find("x-amz-bucket-region").value_or(""));
    failure.request_id = presentable(headers.find("x-amz-request-id").value_or(""));
    if (const auto date = headers.find("date")) {
        failure.server_time = parse_http_date(*date);
    }
    return failure;
}

ErrorCode meaning(const Failure& failure) {
    if (is_throttled(failure) || is_passing(failure)) {
        return ErrorCode::Unavailable;
    }
    if (is_damaged(failure)) {
        return ErrorCode::Integrity;
    }
    if (is_expired(failure) || is_skewed(failure) ||
        is_one_of(failure.code, {"InvalidAccessKeyId", "SignatureDoesNotMatch"})) {
        return ErrorCode::AccessDenied;
    }
    switch (failure.status) {
        case 401:
        case 403:
            return ErrorCode::AccessDenied;
        case 404:
            return ErrorCode::NotFound;
        case 409:
        case 412:
            return ErrorCode::Conflict;
        case 405:
        case 501:
            return ErrorCode::Unsupported;
        default:
            return failure.status >= 500 ? ErrorCode::Unavailable : ErrorCode::InvalidInput;
    }
}

std::string_view advice_for(const Failure& failure) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kAdvice{{
        {"NoSuchBucket", "check the bucket's name, and whether endpoint and account are the right ones"},
        {"InvalidAccessKeyId", "the store does not know this access key: check profile, account and endpoint"},
        {"SignatureDoesNotMatch", "check the secret key; a proxy that rewrites the request breaks signatures as well"},
        {"ExpiredToken", "the session has ended: get new credentials (aws sso login, or a role with a longer session)"},
        {"InvalidToken", "the session token does not fit the key: get new credentials"},
        {"RequestTimeTooSkewed", "set this machine's clock: it is more than 15 minutes off"},
        {"PermanentRedirect", "set the bucket's region (AWS_REGION) or its endpoint"},
        {"AuthorizationHeaderMalformed", "set the bucket's region (AWS_REGION)"},
        {"EntityTooLarge", "use a multipart upload: one PUT holds 5 GiB at most"},
    }};
    for (const auto& [code, advice] : kAdvice) {
        if (failure.code == code) {
            return advice;
        }
    }
    if (failure.status == 403) {
        return "check the policy of user and bucket; for a missing object S3 answers 403, not 404, without "
               "s3:ListBucket";
    }
    return {};
}

int status_of_code(std::string_view code) {
    constexpr std::array<std::pair<std::string_view, int>, 8> kStatuses{{
        {"InternalError", 500},
        {"SlowDown", 503},
        {"ServiceUnavailable", 503},
        {"PreconditionFailed", 412},
        {"ConditionalRequestConflict", 409},
        {"NoSuchUpload", 404},
        {"NoSuchKey", 404},
        {"AccessDenied", 403},
    }};
    for (const auto& [name, status] : kStatuses) {
        if (code == name) {
            return status;
        }
    }
    return 400;
}

}  // namespace

Failure read_failure(int status, const Headers& headers, std::string_view body) {
    Failure failure = read_headers(status, headers);
    const auto document = xml::try_parse(body);
    if (document && document->name == "Error") {
        read_document(failure, *document);
    } else if (document && document->name == "ErrorResponse" && document->find("Error") != nullptr) {  // STS
        read_document(failure, *document->find("Error"));
    }
    return failure;
}

Failure read_late_failure(const Headers& headers, const xml::Element& error) {
    Failure failure = read_headers(200, headers);
    read_document(failure, error);
    failure.status = status_of_code(failure.code);
    return failure;
}

std::string describe(const Failure& failure) {
    std::string text = std::to_string(failure.status);
    if (!failure.code.empty()) {
        text += " " + failure.code;
    }
    if (!failure.message.empty()) {
        text += ": " + failure.message;
    }
    if (!failure.request_id.empty()) {
        text += " (request " + failure.request_id + ")";
    }
    return text;
}

void raise(const Failure& failure, const std::string& what) {
    HttpError error(meaning(failure), what + ": the store answered " + describe(failure), failure.status, failure.code);
    error.advise(std::string(advice_for(failure)));
    throw error;
}

bool is_throttled(const Failure& failure) {
    return failure.status == 429 ||
           is_one_of(failure.code,
                     {"SlowDown", "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled",
                      "RequestThrottledException", "RequestLimitExceeded", "BandwidthLimitExceeded", "TooManyRequests",
                      "TooManyRequestsException", "PriorRequestNotComplete"});
}

bool is_passing(const Failure& failure) {
    const int status = failure.status;
    return status == 500 || status == 502 || status == 503 || status == 504 || status == 509 || status == 408 ||
           is_throttled(failure) ||
           is_one_of(failure.code, {"RequestTimeout", "RequestTimeoutException", "InternalError", "ServiceUnavailable",
                                    "OperationAborted"});
}

bool is_misdirected(const Failure& failure) {
    const int status = failure.status;
    const bool names_region =
        !failure.region.empty() && (status == 400 || status == 403) && failure.code.empty();  // a HEAD
    return status == 301 || status == 302 || status == 307 || status == 308 || names_region ||
           is_one_of(failure.code, {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException",
                                    "PermanentRedirect", "TemporaryRedirect", "IncorrectEndpoint"});
}

bool is_skewed(const Failure& failure) {
    return is_one_of(failure.code, {"RequestTimeTooSkewed", "RequestInTheFuture"});
}

bool is_expired(const Failure& failure) {
    return is_one_of(failure.code, {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"});
}

bool is_damaged(const Failure& failure) {
    return is_one_of(failure.code, {"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"});
}

bool may_refuse_checksum(const Failure& failure) {
    if (refuses_condition(failure)) {
        return false;
    }
    if (failure.status == 501 ||
        is_one_of(failure.code, {"NotImplemented", "InvalidTrailer", "XAmzContentSHA256Mismatch"})) {
        return true;
    }
    const std::string text = to_lower(failure.message);
    const bool names_it = text.empty() || text.find("x-amz-") != std::string::npos ||
                          text.find("checksum") != std::string::npos || text.find("header") != std::string::npos;
    return failure.status == 400 && names_it &&
           is_one_of(failure.code, {"InvalidArgument", "InvalidRequest", "BadRequest"});
}

bool refuses_condition(const Failure& failure) {
    return failure.status == 501 && to_lower(failure.header).starts_with("if-");
}

}  // namespace cooper::s3
