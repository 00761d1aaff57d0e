#include "cooper/s3/sigv4.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <map>

namespace cooper::s3 {

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string hmac_sha256(std::string_view key, std::string_view text) {
    std::string raw(EVP_MAX_MD_SIZE, '\0');
    unsigned int length = 0;
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    auto* out = reinterpret_cast<unsigned char*>(raw.data());
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes, text.size(), out, &length) == nullptr) {
        throw Error(ErrorCode::System, "cannot sign a request: OpenSSL has no HMAC-SHA256");
    }
    raw.resize(length);
    return raw;
}

std::string sha256_hex(std::string_view text) {
    return std::string(sha256(text).hex());
}

/// Without ".", ".." and empty segments; a slash at the end stays.
std::string normalised_path(std::string_view path) {
    std::vector<std::string_view> kept;
    for (const std::string_view segment : split(path, '/')) {
        if (segment == "..") {
            if (!kept.empty()) {
                kept.pop_back();
            }
        } else if (!segment.empty() && segment != ".") {
            kept.push_back(segment);
        }
    }
    std::string result;
    for (const std::string_view segment : kept) {
        result.append("/").append(segment);
    }
    if (result.empty() || path.ends_with('/')) {
        result += '/';
    }
    return result;
}

std::string canonical_query(const NameValues& query) {
    NameValues encoded;
    encoded.reserve(query.size());
    for (const auto& [name, value] : query) {
        encoded.emplace_back(percent_encode(name), percent_encode(value));
    }
    std::sort(encoded.begin(), encoded.end());
    std::string text;
    for (const auto& [name, value] : encoded) {
        text.append(text.empty() ? "" : "&").append(name).append("=").append(value);
    }
    return text;
}

/// Trimmed, and every inner run of white space (line folds as well) made one space.
std::string canonical_value(std::string_view value) {
    std::string result;
    for (const char c : trim(value)) {
        const bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (!space) {
            result += c;
        } else if (!result.ends_with(' ')) {
            result += ' ';
        }
    }
    return result;
}

std::map<std::string, std::string> canonical_headers(const NameValues& headers) {
    std::map<std::string, std::string> merged;
    for (const auto& [name, value] : headers) {
        auto [at, is_new] = merged.try_emplace(to_lower(name), canonical_value(value));
        if (!is_new) {
            at->second.append(",").append(canonical_value(value));
        }
    }
    return merged;
}

std::string joined_names(const std::map<std::string, std::string>& headers) {
    std::string names;
    for (const auto& [name, value] : headers) {
        names.append(names.empty() ? "" : ";").append(name);
    }
    return names;
}

}  // namespace

std::string Scope::text() const {
    return format_amz(time).substr(0, 8) + "/" + region + "/" + service + "/aws4_request";
}

std::string encode_path(std::string_view path) {
    return path.empty() ? "/" : percent_encode(path, "/");
}

std::string encode_query(const NameValues& query) {
    std::string text;
    for (const auto& [name, value] : query) {
        text.append(text.empty() ? "" : "&").append(percent_encode(name)).append("=").append(percent_encode(value));
    }
    return text;
}

CanonicalRequest canonicalize(const SignableRequest& request, const SigningRules& rules) {
    std::string path = encode_path(rules.normalise_path ? normalised_path(request.path) : request.path);
    if (rules.double_encode_path) {
        path = encode_path(path);
    }
    const auto headers = canonical_headers(request.headers);
    CanonicalRequest result;
    result.signed_header_names = joined_names(headers);
    result.text.append(request.method).append("\n").append(path).append("\n");
    result.text.append(canonical_query(request.query)).append("\n");
    for (const auto& [name, value] : headers) {
        result.text.append(name).append(":").append(value).append("\n");
    }
    result.text.append("\n").append(result.signed_header_names).append("\n").append(request.payload_hash);
    return result;
}

std::string string_to_sign(std::string_view canonical_request, const Scope& scope) {
    return std::string(kAlgorithm) + "\n" + format_amz(scope.time) + "\n" + scope.text() + "\n" +
           sha256_hex(canonical_request);
}

std::string signing_key(const Secret& secret_access_key, const Scope& scope) {
    std::string key = hmac_sha256("AWS4" + secret_access_key.reveal(), format_amz(scope.time).substr(0, 8));
    key = hmac_sha256(key, scope.region);
    key = hmac_sha256(key, scope.service);
    return hmac_sha256(key, "aws4_request");
}

std::string signature(std::string_view key, std::string_view string_to_sign) {
    return to_hex(as_bytes(hmac_sha256(key, string_to_sign)));
}

std::string authorization(const Credentials& credentials, const Scope& scope, const CanonicalRequest& canonical,
                          std::string_view signature_hex) {
    return std::string(kAlgorithm) + " Credential=" + credentials.access_key_id + "/" + scope.text() +
           ", SignedHeaders=" + canonical.signed_header_names + ", Signature=" + std::string(signature_hex);
}

NameValues presign_query(const SignableRequest& request, const Credentials& credentials, const Scope& scope,
                         std::chrono::seconds expires, const SigningRules& rules, bool sign_session_token) {
    SignableRequest signable = request;
    NameValues& query = signable.query;
    query.emplace_back("X-Amz-Algorithm", kAlgorithm);
    query.emplace_back("X-Amz-Credential", credentials.access_key_id + "/" + scope.text());
    query.emplace_back("X-Amz-Date", format_amz(scope.time));
    query.emplace_back("X-Amz-Expires", std::to_string(expires.count()));
    const std::pair<std::string, std::string> token{"X-Amz-Security-Token", credentials.session_token.reveal()};
    if (!token.second.empty() && sign_session_token) {
        query.push_back(token);
    }
    query.emplace_back("X-Amz-SignedHeaders", joined_names(canonical_headers(request.headers)));
    const CanonicalRequest canonical = canonicalize(signable, rules);
    const std::string key = signing_key(credentials.secret_access_key, scope);
    const std::string signed_hex = signature(key, string_to_sign(canonical.text, scope));
    if (!token.second.empty() && !sign_session_token) {
        query.push_back(token);
    }
    query.emplace_back("X-Amz-Signature", signed_hex);
    return query;
}

std::string chunk_signature(std::string_view key, const Scope& scope, std::string_view previous,
                            std::string_view chunk_sha256_hex) {
    const std::string text = "AWS4-HMAC-SHA256-PAYLOAD\n" + format_amz(scope.time) + "\n" + scope.text() + "\n" +
                             std::string(previous) + "\n" + sha256_hex("") + "\n" + std::string(chunk_sha256_hex);
    return signature(key, text);
}

std::string trailer_signature(std::string_view key, const Scope& scope, std::string_view previous,
                              std::string_view trailer_lines) {
    const std::string text = "AWS4-HMAC-SHA256-TRAILER\n" + format_amz(scope.time) + "\n" + scope.text() + "\n" +
                             std::string(previous) + "\n" + sha256_hex(trailer_lines);
    return signature(key, text);
}

}  // namespace cooper::s3
