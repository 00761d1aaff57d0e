// Pulling from registries: OCI distribution specification 1.1 (pull), Docker registry HTTP API v2, token
// authentication.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/oci/credentials.hpp"
#include "cooper/oci/image.hpp"
#include "cooper/oci/reference.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::oci {

struct RegistryOptions {
    bool insecure = false;        ///< plain http and unverified certificates allowed for any host
    std::string ca_file;          ///< trusted besides the default
    std::string certs_directory;  ///< instead of the certs.d directories of docker and containers
    RetryPolicy retry;
    /// No byte for this long is a broken connection. Never a limit on a whole transfer.
    std::chrono::milliseconds stall_timeout{60'000};
};

/// Talks to every registry that references name: finds scheme and certificates per host, credentials and tokens per
/// repository, follows redirects without taking credentials along, resumes blobs in the middle. Loopback hosts may
/// speak plain http; others only with `insecure`. Safe from several threads; keep one per run: it pools tokens. Borrows
/// client and credentials, which must outlive it and every Image and Source that came from it.
class RegistryClient {
public:
    RegistryClient(HttpClient& http, const RegistryCredentialSource& credentials, const Environment& environment,
                   RegistryOptions options = {});
    ~RegistryClient();
    RegistryClient(const RegistryClient&) = delete;
    RegistryClient& operator=(const RegistryClient&) = delete;

    /// The manifest or index behind tag or digest: exact bytes, hashed here; checked against the digest when one was
    /// given.
    [[nodiscard]] ClassifiedManifest manifest(const Reference& reference, const Run& run);

    /// The digest that the tag names now, by HEAD (a hint until a GET hashed right); nullopt when there is no such
    /// manifest.
    [[nodiscard]] std::optional<Digest> find_digest(const Reference& reference, const Run& run);

    /// One platform's image with verified manifest and config. A tag is resolved once; all else is asked by digest.
    /// `platform` nullopt: linux/host architecture; with a single manifest of another platform a warning is given, and
    /// Error{NotFound} if the platform was asked for.
    [[nodiscard]] Image image(const Reference& reference, const std::optional<Platform>& platform, const Run& run);

    /// The repository's blobs.
    [[nodiscard]] std::shared_ptr<const Blobs> blobs(const Reference& repository);

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace cooper::oci
