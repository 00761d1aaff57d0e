// What went wrong on the wire, in words that say what to do.
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"

#include "base/curl_library.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace cooper {

/// What is known when a transfer fails.
struct HttpFailure {
    CURLcode code = CURLE_OK;
    std::string detail;           ///< libcurl's own text, may be empty
    long verify_result = 0;       ///< OpenSSL's X509_V_ERR_…
    long system_error = 0;        ///< errno of connect(2), where libcurl tells it
    std::string proxy;            ///< redacted; empty: none
    std::string unix_socket;      ///< empty: not over one
    std::string refused_address;  ///< by HttpRequest::public_address_only
    bool head_received = false;
    std::uint64_t body_bytes = 0;  ///< received so far
};

/// An authority that the store does not know, as opposed to a certificate that is wrong in itself.
bool is_unknown_authority(const HttpFailure& failure);

/// "GET https://host/path: …" as an Error, with advice where there is some.
Error describe(const HttpFailure& failure, const std::string& method, const Url& url);

}  // namespace cooper
