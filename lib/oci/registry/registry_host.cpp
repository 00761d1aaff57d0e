#include "oci/registry/registry_host.hpp"

#include "cooper/base/error.hpp"

#include "oci/registry/private_address.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;

/// A TLS server may wait in silence for the handshake instead of refusing plain http. The limit holds for the first try
/// only: a plain registry that fetches from elsewhere may be slower, and is asked again without it.
constexpr std::chrono::seconds kPlainProbeTimeout{5};

std::vector<std::string> certificate_directories(const Environment& environment, const RegistryOptions& options) {
    if (!options.certs_directory.empty()) {
        return {options.certs_directory};
    }
    const fs::path home = environment.home();
    const fs::path config = environment.get("XDG_CONFIG_HOME").value_or(home / ".config");
    return {config / "containers/certs.d", config / "docker/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d"};
}

/// Regular files of `directory`, sorted; none when it is not there.
std::vector<fs::path> list_files(const fs::path& directory, const Run& run) {
    std::vector<fs::path> files;
    std::error_code failure;
    for (fs::directory_iterator at(directory, failure), end; !failure && at != end; at.increment(failure)) {
        files.push_back(at->path());
    }
    if (failure && failure != std::errc::no_such_file_or_directory && failure != std::errc::not_a_directory) {
        run.progress->notice(NoticeLevel::Warning,
                             "certificates in " + directory.string() + " are left out: " + failure.message());
    }
    std::sort(files.begin(), files.end());
    return files;
}

/// docker's and containers' rule: *.crt are authorities, NAME.cert with NAME.key is who we are; one without the other
/// is a mistake worth telling.
void add_certificates(const fs::path& directory, TlsSettings& settings, const Run& run) {
    const std::vector<fs::path> files = list_files(directory, run);
    const auto has = [&](const fs::path& file) { return std::find(files.begin(), files.end(), file) != files.end(); };
    for (const fs::path& file : files) {
        const fs::path extension = file.extension();
        if (extension == ".crt") {
            settings.extra_ca_files.push_back(file.string());
        } else if (extension == ".cert" || extension == ".key") {
            const fs::path partner = fs::path(file).replace_extension(extension == ".cert" ? ".key" : ".cert");
            if (!has(partner)) {
                throw Error(ErrorCode::InvalidInput, file.string() + " has no " + partner.filename().string() +
                                                         " beside it: a client certificate needs both");
            }
            if (extension == ".cert" && settings.client_certificate.empty()) {
                settings.client_certificate = file.string();
                settings.client_key = partner.string();
            }
        }
    }
}

}  // namespace

RegistryCertificates::RegistryCertificates(const Environment& environment, const RegistryOptions& options)
    : insecure_(options.insecure),
      ca_file_(options.ca_file),
      directories_(certificate_directories(environment, options)) {}

std::shared_ptr<const TlsSettings> RegistryCertificates::of(const std::string& authority, const Run& run) {
    const std::scoped_lock lock(mutex_);
    if (const auto known = known_.find(authority); known != known_.end()) {
        return known->second;
    }
    TlsSettings settings;
    settings.verify = !insecure_;
    if (!ca_file_.empty()) {
        settings.extra_ca_files.push_back(ca_file_);
    }
    for (const std::string& directory : directories_) {
        add_certificates(fs::path(directory) / authority, settings, run);
    }
    const bool special = insecure_ || !settings.extra_ca_files.empty() || !settings.client_certificate.empty();
    return known_[authority] = special ? std::make_shared<const TlsSettings>(std::move(settings)) : nullptr;
}

HttpResponse RegistryContext::send(HttpRequest request, const Run& run) {
    request.stall_timeout = options.stall_timeout;
    if (request.url.scheme == "https") {
        request.tls = certificates.of(request.url.authority(), run);
    }
    return http.send(request, run);
}

// Whether the registry is inside takes a look-up of its name, so that is asked only when it matters.
HttpResponse RegistryContext::send_where_chosen(HttpRequest request, const Url& registry, const Run& run) {
    request.public_address_only = request.url.host != registry.host;
    try {
        return send(request, run);
    } catch (const Error& error) {
        const bool may_be_address = error.code() == ErrorCode::AccessDenied && request.public_address_only;
        if (!may_be_address || !is_private_host(registry.host)) {
            throw;
        }
    }
    request.public_address_only = false;
    return send(std::move(request), run);
}

RegistryHost::RegistryHost(RegistryContext& context, const Reference& reference)
    : context_(context), name_(reference.domain()), authority_(reference.api_host()) {
    const Url secure = url(Scheme::Https, "/");
    const bool loopback = secure.is_loopback();
    may_be_http_ = loopback || context.options.insecure;
    first_ = loopback && secure.port != 443 ? Scheme::Http : Scheme::Https;
}

Url RegistryHost::url(Scheme scheme, const std::string& path) const {
    return Url::parse((scheme == Scheme::Http ? "http://" : "https://") + authority_ + path);
}

Url RegistryHost::url(const std::string& path) const {
    const Scheme known = scheme_.load();
    return url(known == Scheme::Unknown ? first_ : known, path);
}

HttpResponse RegistryHost::send(HttpRequest request, const std::string& path, const Run& run) {
    const Scheme known = scheme_.load();
    if (known != Scheme::Unknown) {
        return send_as(known, std::move(request), path, run);
    }
    if (!may_be_http_) {
        scheme_ = Scheme::Https;
        return send_as(Scheme::Https, std::move(request), path, run);
    }
    return find_scheme(request, path, run);
}

HttpResponse RegistryHost::send_as(Scheme scheme, HttpRequest request, const std::string& path, const Run& run) {
    request.url = url(scheme, path);
    HttpResponse response = context_.send(std::move(request), run);
    answered_ = true;
    return response;
}

HttpResponse RegistryHost::find_scheme(const HttpRequest& request, const std::string& path, const Run& run) {
    const Scheme second = first_ == Scheme::Http ? Scheme::Https : Scheme::Http;
    std::string first_failure;
    try {
        HttpRequest probe = request;
        if (first_ == Scheme::Http && !probed_.exchange(true)) {
            probe.response_timeout = kPlainProbeTimeout;
        }
        HttpResponse response = send_as(first_, std::move(probe), path, run);
        // TLS servers answer plain requests with 400: "Client sent an HTTP request to an HTTPS server".
        if (first_ == Scheme::Https || response.status != 400) {
            scheme_ = first_;
            return response;
        }
        first_failure = "status 400";
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Unavailable) {
            throw;
        }
        first_failure = error.what();
    }
    const auto word = [](Scheme scheme) { return scheme == Scheme::Http ? "http" : "https"; };
    try {
        HttpResponse response = send_as(second, request, path, run);
        scheme_ = second;
        if (second == Scheme::Http && !url("/").is_loopback()) {
            run.progress->notice(NoticeLevel::Warning,
                                 name_ + " is asked by plain http: nobody vouches for what it sends");
        }
        return response;
    } catch (Error& error) {
        error.add_context(name_ + " answers neither by " + word(first_) + " (" + first_failure + ") nor by " +
                          word(second));
        throw;
    }
}

}  // namespace cooper::oci
