// Whom TLS trusts: the authorities that libcurl is given for a request.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/http.hpp"

#include "base/curl_library.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace cooper {

/// Values of CURLOPT_CAINFO, _CAPATH and _CAINFO_BLOB; empty: not set.
struct TrustedAuthorities {
    std::string file;
    std::string directory;
    std::string bundle;
    /// The system's authorities, looked up by hash in a directory: the system's bundle may know more.
    bool has_fallback = false;
};

enum class TrustStore {
    ByHash,  ///< the system's directory when it has hashed names
    Bundle,  ///< the system's bundle in any case
};

/// Makes TrustedAuthorities of TlsSettings and keeps them, since bundles are merged. Thread-safe.
class HttpTrust {
public:
    HttpTrust(const CurlLibrary& curl, const Environment& environment);
    /// Throws Error when a file that the settings name cannot be read.
    std::shared_ptr<const TrustedAuthorities> of(const TlsSettings& settings, TrustStore store);

private:
    [[nodiscard]] TrustedAuthorities assemble(const TlsSettings& settings, TrustStore store) const;
    void add_system(TrustedAuthorities& trusted, TrustStore store) const;

    std::string ssl_cert_file_;
    std::string ssl_cert_dir_;
    std::string system_file_;
    std::string system_directory_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<const TrustedAuthorities>> known_;
};

/// Tells libcurl whom to trust and who we are. `authorities` must stay until the transfer is over.
void apply_tls(const CurlLibrary& curl, CURL* easy, const TlsSettings& settings, const TrustedAuthorities& authorities);

}  // namespace cooper
