#include "base/http_trust.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/text.hpp"

#include <algorithm>
#include <filesystem>

namespace cooper {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxBundle = 16 * 1024 * 1024;  // the system's is 0.2 MiB
constexpr std::size_t kMaxKept = 64;                  // different settings; more begin anew

/// "1a2b3c4d.0": how OpenSSL finds an authority in a directory without reading the others.
bool is_hashed_name(const std::string& name) {
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    return name.size() == 10 && std::all_of(name.begin(), name.begin() + 8, is_hex) && name[8] == '.' &&
           name[9] >= '0' && name[9] <= '9';
}

bool has_hashed_names(const std::string& directory) {
    std::error_code failed;
    for (fs::directory_iterator entry(directory, failed), end; !failed && entry != end; entry.increment(failed)) {
        if (is_hashed_name(entry->path().filename().string())) {
            return true;
        }
    }
    return false;
}

std::string read_authorities(const std::string& path) {
    return in_context("reading trusted certificates", [&] {
        const FileRanged file(path);
        std::string text = read_all(*file.open(), kMaxBundle, path);
        if (text.find("-----BEGIN ") == std::string::npos) {
            throw Error(ErrorCode::InvalidInput, path + " has no PEM certificate")
                .advise("convert it: openssl x509 -inform DER -in FILE -out FILE.pem");
        }
        return text;
    });
}

void append_pem(std::string& bundle, const std::string& pem) {
    bundle += pem;
    if (!bundle.ends_with('\n')) {
        bundle += '\n';
    }
}

/// All *.pem, *.crt and *.cer files of a directory without hashed names, which OpenSSL would see as empty.
std::string read_directory(const std::string& directory) {
    std::error_code failed;
    std::vector<std::string> paths;
    for (fs::directory_iterator entry(directory, failed), end; !failed && entry != end; entry.increment(failed)) {
        const std::string extension = entry->path().extension().string();
        if (extension == ".pem" || extension == ".crt" || extension == ".cer") {
            paths.push_back(entry->path().string());
        }
    }
    if (failed) {
        throw SystemError("reading the directory of trusted certificates " + directory, failed.value());
    }
    std::sort(paths.begin(), paths.end());
    std::string bundle;
    for (const std::string& path : paths) {
        append_pem(bundle, read_authorities(path));
    }
    return bundle;
}

/// OpenSSL takes several directories, divided by colons. As there, one that is missing counts as empty, but not all.
void add_directories(TrustedAuthorities& trusted, const std::string& directories) {
    for (const std::string_view part : split(directories, ':')) {
        const std::string directory(part);
        if (!fs::is_directory(directory)) {
            continue;
        }
        if (has_hashed_names(directory)) {
            trusted.directory += (trusted.directory.empty() ? "" : ":") + directory;
        } else if (const std::string bundle = read_directory(directory); !bundle.empty()) {
            append_pem(trusted.bundle, bundle);
        }
    }
    if (trusted.file.empty() && trusted.directory.empty() && trusted.bundle.empty()) {
        throw Error(ErrorCode::InvalidInput, "no trusted certificates in " + directories)
            .advise("check SSL_CERT_DIR: it names directories of PEM files, divided by colons");
    }
}

std::string key_of(const TlsSettings& settings, TrustStore store) {
    std::string key = store == TrustStore::Bundle ? "bundle" : "hash";
    for (const std::string& part : {settings.ca_file, settings.ca_directory}) {
        key += '\n' + part;
    }
    for (const std::string& file : settings.extra_ca_files) {
        key += '\n' + file;
    }
    return key;
}

void check_readable(const std::string& path, const char* what) {
    in_context(what, [&] { FileRanged{path}; });
}

}  // namespace

HttpTrust::HttpTrust(const CurlLibrary& curl, const Environment& environment)
    : ssl_cert_file_(environment.get("SSL_CERT_FILE").value_or("")),
      ssl_cert_dir_(environment.get("SSL_CERT_DIR").value_or("")) {
    const curl_version_info_data* const info = curl.version_info(CURLVERSION_NOW);
    if (info->age >= CURLVERSION_TENTH) {
        system_file_ = info->cainfo == nullptr ? "" : info->cainfo;
        system_directory_ = info->capath == nullptr ? "" : info->capath;
    }
}

std::shared_ptr<const TrustedAuthorities> HttpTrust::of(const TlsSettings& settings, TrustStore store) {
    static const auto nobody = std::make_shared<const TrustedAuthorities>();
    if (!settings.verify) {
        return nobody;
    }
    const std::string key = key_of(settings, store);
    const std::scoped_lock lock(mutex_);
    if (const auto found = known_.find(key); found != known_.end()) {
        return found->second;
    }
    if (known_.size() >= kMaxKept) {
        known_.clear();
    }
    auto trusted = std::make_shared<const TrustedAuthorities>(assemble(settings, store));
    known_.emplace(key, trusted);
    return trusted;
}

TrustedAuthorities HttpTrust::assemble(const TlsSettings& settings, TrustStore store) const {
    TrustedAuthorities trusted;
    const std::string& file = settings.ca_file.empty() ? ssl_cert_file_ : settings.ca_file;
    const std::string& directories = settings.ca_directory.empty() ? ssl_cert_dir_ : settings.ca_directory;
    if (file.empty() && directories.empty()) {
        add_system(trusted, store);
    } else {
        trusted.file = file;
        if (!file.empty()) {
            read_authorities(file);  // libcurl's own message would not name the setting
        }
        add_directories(trusted, directories);
    }
    for (const std::string& extra : settings.extra_ca_files) {
        append_pem(trusted.bundle, read_authorities(extra));
    }
    // A bundle in memory replaces the file for libcurl.
    if (!trusted.bundle.empty() && !trusted.file.empty()) {
        append_pem(trusted.bundle, read_authorities(trusted.file));
        trusted.file.clear();
    }
    return trusted;
}

/// OpenSSL takes 50 ms to read Debian's bundle of 140 authorities, anew for each connection; by hash it reads just the
/// one that it needs. A bundle that somebody appended to by hand knows more, hence the fallback.
void HttpTrust::add_system(TrustedAuthorities& trusted, TrustStore store) const {
    if (!system_directory_.empty() && has_hashed_names(system_directory_)) {
        trusted.directory = system_directory_;
        trusted.has_fallback = store == TrustStore::ByHash && !system_file_.empty() && fs::exists(system_file_);
    }
    if (trusted.directory.empty() || store == TrustStore::Bundle) {
        trusted.file = system_file_;
    }
}

void apply_tls(const CurlLibrary& curl, CURL* easy, const TlsSettings& settings,
               const TrustedAuthorities& authorities) {
    curl.set<CURLOPT_SSLVERSION>(easy, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    curl.set<CURLOPT_SSL_VERIFYPEER>(easy, settings.verify ? 1L : 0L);
    curl.set<CURLOPT_SSL_VERIFYHOST>(easy, settings.verify ? 2L : 0L);
    const auto text_or_none = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
    curl.set<CURLOPT_CAINFO>(easy, text_or_none(authorities.file));
    curl.set<CURLOPT_CAPATH>(easy, text_or_none(authorities.directory));
    if (!authorities.bundle.empty()) {
        curl_blob blob{const_cast<char*>(authorities.bundle.data()), authorities.bundle.size(), CURL_BLOB_NOCOPY};
        curl.set<CURLOPT_CAINFO_BLOB>(easy, &blob);
    }
    if (!settings.client_certificate.empty()) {
        check_readable(settings.client_certificate, "reading the client certificate");
        curl.set<CURLOPT_SSLCERT>(easy, settings.client_certificate.c_str());
    }
    if (!settings.client_key.empty()) {
        check_readable(settings.client_key, "reading the client certificate's key");
        curl.set<CURLOPT_SSLKEY>(easy, settings.client_key.c_str());
    }
}

}  // namespace cooper
