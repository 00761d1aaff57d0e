// What a store says when it refuses, and what that means for the next try ("Error responses", Amazon S3 API reference).
#pragma once

#include "cooper/base/http.hpp"

#include "s3/xml.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cooper::s3 {

/// An error reply. Only what may be shown is kept: bodies can hold tokens and the string to sign.
struct Failure {
    int status = 0;
    std::string code;  ///< the store's own word ("NoSuchKey"); empty when it gave none
    std::string message;
    std::string request_id;
    std::string region;  ///< where the bucket is, when the reply tells
    std::string header;  ///< the header that is not implemented, when the reply tells
    std::optional<TimePoint> server_time;
};

Failure read_failure(int status, const Headers& headers, std::string_view body);
/// An <Error> that came with status 200: the status is the one that its code has otherwise.
Failure read_late_failure(const Headers& headers, const xml::Element& error);

/// "403 AccessDenied: Access Denied (request 4442587FB7D0A2F9)".
std::string describe(const Failure& failure);
/// Throws the HttpError that `failure` means; `what` says what was done ("writing s3://b/k").
[[noreturn]] void raise(const Failure& failure, const std::string& what);

/// The store asks for less: it did nothing with this request.
bool is_throttled(const Failure& failure);
/// Trying the same again may help.
bool is_passing(const Failure& failure);
/// The request went to the wrong region or host.
bool is_misdirected(const Failure& failure);
bool is_skewed(const Failure& failure);
bool is_expired(const Failure& failure);
/// The bytes were damaged on the way.
bool is_damaged(const Failure& failure);
/// It may be a checksum header that the store does not know.
bool may_refuse_checksum(const Failure& failure);
/// It is the condition (If-Match, If-None-Match) that the store does not know.
bool refuses_condition(const Failure& failure);

}  // namespace cooper::s3
