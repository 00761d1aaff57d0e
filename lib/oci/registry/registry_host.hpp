// One registry's address: its scheme, found on the first contact, and the certificates that belong to it.
//
// Which scheme: https. A loopback registry may speak plain http, and there http is tried **first**: it costs 1 ms on a
// plain registry, where https first would load the system's authorities (some 30 ms) only to fail. Nothing is lost by
// it: the first request never carries credentials, and whoever could answer on that port instead of the registry could
// do so for either scheme. With `insecure` https is tried first, unverified, then http with a warning. What answered is
// remembered.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/oci/credentials.hpp"
#include "cooper/oci/reference.hpp"
#include "cooper/oci/registry.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace cooper::oci {

/// Certificates by server, from certs.d directories and options. Thread-safe.
class RegistryCertificates {
public:
    RegistryCertificates(const Environment& environment, const RegistryOptions& options);
    /// nullptr: nothing special is known for `authority` (host[:port]), the client's default holds.
    std::shared_ptr<const TlsSettings> of(const std::string& authority, const Run& run);

private:
    bool insecure_;
    std::string ca_file_;
    std::vector<std::string> directories_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<const TlsSettings>> known_;
};

/// What all parts of one client share. Thread-safe; borrows client and credentials.
struct RegistryContext {
    RegistryContext(HttpClient& client, const RegistryCredentialSource& source, const Environment& environment,
                    RegistryOptions settings)
        : http(client), credentials(source), options(std::move(settings)), certificates(environment, options) {}

    /// Sends `request` with the certificates of the server that it goes to.
    HttpResponse send(HttpRequest request, const Run& run);
    /// The same for an address that the registry at `registry` chose: it must not make us knock at doors inside our own
    /// network, unless it is inside itself.
    HttpResponse send_where_chosen(HttpRequest request, const Url& registry, const Run& run);

    HttpClient& http;
    const RegistryCredentialSource& credentials;
    RegistryOptions options;
    RegistryCertificates certificates;
    RetryBudgets budgets;
};

/// Thread-safe.
class RegistryHost {
public:
    RegistryHost(RegistryContext& context, const Reference& reference);

    /// As it is named in references and messages: "docker.io", "localhost:5000".
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    [[nodiscard]] RetryBudget& budget() { return context_.budgets.of(name_); }
    /// Whether it answered at all so far.
    [[nodiscard]] bool has_answered() const noexcept { return answered_; }
    /// Where `path` is, with the scheme known so far.
    [[nodiscard]] Url url(const std::string& path) const;

    /// Sends `request`, whose url is set here, and finds the scheme if it is not known yet.
    HttpResponse send(HttpRequest request, const std::string& path, const Run& run);

private:
    enum class Scheme { Unknown, Http, Https };
    [[nodiscard]] Url url(Scheme scheme, const std::string& path) const;
    HttpResponse send_as(Scheme scheme, HttpRequest request, const std::string& path, const Run& run);
    HttpResponse find_scheme(const HttpRequest& request, const std::string& path, const Run& run);

    RegistryContext& context_;
    std::string name_;
    std::string authority_;
    Scheme first_ = Scheme::Https;
    bool may_be_http_ = false;
    std::atomic<Scheme> scheme_{Scheme::Unknown};
    std::atomic<bool> answered_{false};
    std::atomic<bool> probed_{false};
};

}  // namespace cooper::oci
