// AWS Signature Version 4, step by step ("Create a signed AWS API request", tasks 1 to 4; S3's rules in `s3.md` section
// 2).
#pragma once

#include "cooper/base/clock.hpp"
#include "cooper/s3/credentials.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::s3 {

using NameValues = std::vector<std::pair<std::string, std::string>>;

/// How the path becomes the canonical URI: S3 encodes once and never normalises; other services encode twice and
/// normalise.
struct SigningRules {
    bool double_encode_path = false;
    bool normalise_path = false;
};

/// date/region/service/aws4_request.
struct Scope {
    TimePoint time;
    std::string region;
    std::string service = "s3";
    [[nodiscard]] std::string text() const;  ///< "20130524/us-east-1/s3/aws4_request"
};

/// What is signed. `path` and `query` are decoded; `headers` are those to sign, host included.
struct SignableRequest {
    std::string method;
    std::string path;
    NameValues query;
    NameValues headers;
    std::string payload_hash;  ///< hex SHA-256, "UNSIGNED-PAYLOAD", or a STREAMING-… word
};

struct CanonicalRequest {
    std::string text;
    std::string signed_header_names;  ///< "host;x-amz-date"
};

CanonicalRequest canonicalize(const SignableRequest& request, const SigningRules& rules = {});  // task 1
std::string string_to_sign(std::string_view canonical_request, const Scope& scope);             // task 2
std::string signing_key(const Secret& secret_access_key, const Scope& scope);                   // task 3: 32 raw bytes
std::string signature(std::string_view key, std::string_view string_to_sign);                   // task 3: hex

/// The Authorization header's value.
std::string authorization(const Credentials& credentials, const Scope& scope, const CanonicalRequest& canonical,
                          std::string_view signature_hex);

/// The query parameters of a presigned request, X-Amz-Signature last; `request.headers` usually holds host alone.
NameValues presign_query(const SignableRequest& request, const Credentials& credentials, const Scope& scope,
                         std::chrono::seconds expires, const SigningRules& rules = {}, bool sign_session_token = true);

/// The path and query as they go on the wire: encoded once.
std::string encode_path(std::string_view path);
std::string encode_query(const NameValues& query);

/// Signed chunks and trailers of aws-chunked uploads.
std::string chunk_signature(std::string_view key, const Scope& scope, std::string_view previous,
                            std::string_view chunk_sha256_hex);
std::string trailer_signature(std::string_view key, const Scope& scope, std::string_view previous,
                              std::string_view trailer_lines);

}  // namespace cooper::s3
