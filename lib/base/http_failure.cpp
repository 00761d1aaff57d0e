#include "base/http_failure.hpp"

#include "cooper/base/secret.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

namespace cooper {

namespace {

// <openssl/x509_vfy.h>; libcurl passes them on as plain numbers.
constexpr long kUnableToGetIssuer = 2;
constexpr long kNotYetValid = 9;
constexpr long kExpired = 10;
constexpr long kSelfSigned = 18;
constexpr long kSelfSignedInChain = 19;
constexpr long kUnableToGetIssuerLocally = 20;
constexpr long kUnableToVerifyLeaf = 21;

constexpr const char* kTrustAdvice =
    "if the server uses a private authority, name its certificate (SSL_CERT_FILE=FILE); a proxy that inspects TLS "
    "needs "
    "the same";

constexpr const char* kClientCertificateAdvice =
    "put client.cert and client.key into the certs.d directory of that host";

struct Words {
    ErrorCode code;
    std::string text;
    std::string advice;
};

Words certificate_words(const HttpFailure& failure, const Url& url) {
    switch (failure.verify_result) {
        case kExpired:
            return {ErrorCode::AccessDenied, "the certificate of " + url.host + " has expired",
                    "tell the server's operator; check this machine's clock too"};
        case kNotYetValid:
            return {ErrorCode::AccessDenied, "the certificate of " + url.host + " is not valid yet",
                    "check this machine's clock"};
        case kSelfSigned:
            return {ErrorCode::AccessDenied, "the certificate of " + url.host + " is signed by itself, and not trusted",
                    kTrustAdvice};
        default:
            break;
    }
    if (is_unknown_authority(failure)) {
        return {ErrorCode::AccessDenied, "the certificate of " + url.host + " is signed by an unknown authority",
                kTrustAdvice};
    }
    if (failure.detail.find("match") != std::string::npos) {  // the name is libcurl's check, so it has no number
        return {ErrorCode::AccessDenied, "the certificate is for another name than " + url.host,
                "check the address; a server behind several names needs a certificate that lists them all"};
    }
    return {ErrorCode::AccessDenied, "the certificate of " + url.host + " is not trusted: " + failure.detail, ""};
}

Words handshake_words(const HttpFailure& failure, const Url& url) {
    // What OpenSSL says when the first bytes are no TLS record, as of "HTTP/1.1 400".
    if (failure.detail.find("wrong version number") != std::string::npos ||
        failure.detail.find("packet length too long") != std::string::npos) {
        return {ErrorCode::Unavailable, "the server does not speak TLS on port " + std::to_string(url.effective_port()),
                "it may be a plain http server: use http:// (for a registry, declare it insecure)"};
    }
    return {ErrorCode::Unavailable, "TLS with " + url.authority() + " failed: " + failure.detail, ""};
}

Words unix_socket_words(const HttpFailure& failure) {
    const int error = static_cast<int>(failure.system_error);
    const bool forbidden = error == EACCES || error == EPERM;
    return {forbidden ? ErrorCode::AccessDenied : ErrorCode::Unavailable,
            "cannot connect to " + failure.unix_socket + ": " +
                (error != 0 ? std::generic_category().message(error) : failure.detail),
            ""};
}

Words connection_words(const HttpFailure& failure, const Url& url) {
    if (!failure.refused_address.empty()) {
        return {ErrorCode::AccessDenied,
                "refused to connect to " + failure.refused_address + ": " + url.host + " is not a public address",
                "a server named this address; it may not send us into a private network"};
    }
    if (!failure.unix_socket.empty()) {
        return unix_socket_words(failure);
    }
    const std::string target = failure.proxy.empty() ? url.authority() : "proxy " + failure.proxy;
    return {ErrorCode::Unavailable,
            "cannot connect to " + target + (failure.detail.empty() ? "" : ": " + failure.detail),
            failure.proxy.empty() ? "" : "check HTTPS_PROXY, http_proxy and NO_PROXY"};
}

Words broken_words(const HttpFailure& failure) {
    const std::string detail = failure.detail.empty() ? "" : " (" + failure.detail + ")";
    if (failure.head_received) {
        return {ErrorCode::Unavailable,
                "the connection broke after " + std::to_string(failure.body_bytes) + " bytes of the body" + detail, ""};
    }
    return {ErrorCode::Unavailable, "the connection broke before an answer" + detail, ""};
}

/// Alerts about a certificate that come from the server are about ours. Go sends bad_certificate for none as well.
bool refuses_our_certificate(const std::string& detail) {
    constexpr std::array<std::string_view, 5> kAlerts = {"alert bad certificate", "alert unknown ca",
                                                         "alert certificate unknown", "alert certificate expired",
                                                         "alert certificate revoked"};
    return std::any_of(kAlerts.begin(), kAlerts.end(),
                       [&](std::string_view alert) { return detail.find(alert) != std::string::npos; });
}

Words words_for(const HttpFailure& failure, const Url& url) {
    // TLS 1.3 tells it after the handshake, so it comes as a failed read or write.
    if (failure.detail.find("alert certificate required") != std::string::npos) {
        return {ErrorCode::AccessDenied, "the server asks for a client certificate", kClientCertificateAdvice};
    }
    if (refuses_our_certificate(failure.detail)) {
        return {ErrorCode::AccessDenied, "the server does not take our client certificate, or we showed none",
                kClientCertificateAdvice};
    }
    switch (failure.code) {
        case CURLE_COULDNT_RESOLVE_HOST:
            return {ErrorCode::Unavailable, "the name " + url.host + " cannot be resolved",
                    "check the name and this machine's DNS"};
        case CURLE_COULDNT_RESOLVE_PROXY:
            return {ErrorCode::Unavailable, "the name of proxy " + failure.proxy + " cannot be resolved",
                    "check HTTPS_PROXY, http_proxy and NO_PROXY"};
        case CURLE_COULDNT_CONNECT:
        case CURLE_PROXY:
        case CURLE_OPERATION_TIMEDOUT:
            return connection_words(failure, url);
        case CURLE_PEER_FAILED_VERIFICATION:
            return certificate_words(failure, url);
        case CURLE_SSL_CONNECT_ERROR:
            return handshake_words(failure, url);
        case CURLE_SSL_CACERT_BADFILE:
            return {ErrorCode::InvalidInput, "the trusted certificates cannot be read: " + failure.detail,
                    "check SSL_CERT_FILE, SSL_CERT_DIR and certs.d"};
        case CURLE_SSL_CERTPROBLEM:
            return {ErrorCode::InvalidInput, "the client certificate or its key cannot be used: " + failure.detail,
                    "both must be PEM and belong together"};
        case CURLE_PARTIAL_FILE:
            return {ErrorCode::Unavailable,
                    "the body ended early, after " + std::to_string(failure.body_bytes) + " bytes", ""};
        case CURLE_GOT_NOTHING:
            return {ErrorCode::Unavailable, "the server closed the connection without an answer", ""};
        case CURLE_WEIRD_SERVER_REPLY:
        case CURLE_UNSUPPORTED_PROTOCOL:
        case CURLE_HTTP2:
            return {ErrorCode::Unavailable, "the answer is not HTTP/1.1", "check address and port"};
        default:
            // "CONNECT tunnel failed, response 407"
            return failure.detail.starts_with("CONNECT ") || failure.detail.starts_with("Proxy CONNECT")
                       ? connection_words(failure, url)
                       : broken_words(failure);
    }
}

}  // namespace

bool is_unknown_authority(const HttpFailure& failure) {
    return failure.code == CURLE_PEER_FAILED_VERIFICATION &&
           (failure.verify_result == kUnableToGetIssuer || failure.verify_result == kUnableToGetIssuerLocally ||
            failure.verify_result == kUnableToVerifyLeaf || failure.verify_result == kSelfSigned ||
            failure.verify_result == kSelfSignedInChain);
}

Error describe(const HttpFailure& failure, const std::string& method, const Url& url) {
    Words words = words_for(failure, url);
    Error error(words.code, method + " " + url.redacted() + ": " + redact(words.text));
    if (!words.advice.empty()) {
        error.advise(std::move(words.advice));
    }
    return error;
}

}  // namespace cooper
