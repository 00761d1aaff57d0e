#include "oci/registry/manifest_upload.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/registry/blob_upload.hpp"
#include "oci/registry/referrers.hpp"
#include "oci/registry/registry_state.hpp"

namespace cooper::oci {

namespace {

constexpr std::string_view kNotAsSent = "DIGEST_INVALID";
constexpr int kSendTries = 4;
constexpr std::chrono::milliseconds kSendPause{100};

bool says_immutable(const HttpError& error) {
    const std::string text = to_lower(error.what());
    for (const std::string_view word : {"immutable", "overwrit", "already exists"}) {
        if (text.find(word) != std::string::npos) {
            return true;
        }
    }
    return error.status() == 409 || error.status() == 412;
}

}  // namespace

void ManifestUpload::put(const RawManifest& manifest) {
    const HttpResponse response = send(manifest, manifest.digest.text());
    if (const auto subject = subject_of(manifest); subject && !response.headers.find("OCI-Subject")) {
        list_referrer(*repository_, *this, *subject, manifest, run_);
    }
}

void ManifestUpload::name(const RawManifest& manifest, const std::string& tag) {
    const Reference reference = repository_->reference().with_tag(tag);
    try {
        send(manifest, tag);
    } catch (const HttpError& refusal) {
        const bool may_be_held = refusal.status() >= 400 && refusal.status() < 500 && refusal.status() != 404;
        if (!may_be_held || !(says_immutable(refusal) || refusal.status() == 403)) {
            throw;
        }
        RepositoryRequest request = manifest_request(reference, "HEAD");
        Retrier retrier = repository_->retrier(run_);
        const HttpResponse response = repository_->send(request, retrier, run_).response;
        const auto named = Digest::try_parse(response.headers.find("Docker-Content-Digest").value_or(""));
        if (response.status == 200 && named == manifest.digest) {
            return;  // a tag that does not move is where it should be
        }
        if (response.status != 200 && !says_immutable(refusal)) {
            throw;
        }
        Error conflict(ErrorCode::Conflict, std::string(refusal.what()) + ": the tag " + tag +
                                                " is taken and may not be moved" +
                                                (named ? " (it names " + named->text() + ")" : std::string()));
        conflict.advise("Push to another tag, or let tags of " + repository_->reference().repository() +
                        " be overwritten in the registry's settings. The image itself is there, as @" +
                        manifest.digest.text() + ".");
        throw conflict;
    }
}

HttpResponse ManifestUpload::send(const RawManifest& manifest, const std::string& name) {
    const bool by_digest = name.find(':') != std::string::npos;
    RepositoryRequest request;
    request.method = "PUT";
    request.path = "/manifests/" + name;
    request.headers = {{"Content-Type", manifest.media_type}};
    request.what = "manifest " + repository_->reference().repository() + (by_digest ? "@" : ":") + name;
    request.body = std::make_shared<MemoryRanged>(manifest.bytes);
    HttpResponse response = send_until_taken(request);
    drain(response);
    const auto told = Digest::try_parse(response.headers.find("Docker-Content-Digest").value_or(""));
    if (told && told->algorithm() == manifest.digest.algorithm() && *told != manifest.digest) {
        throw IntegrityError(request.what + ", as the registry took it", manifest.digest.text(), told->text());
    }
    return response;
}

/// Sent again when it did not arrive as it was sent: distribution 2.8 says so too when two push the same manifest at the
/// same moment, and one reads what the other is still writing.
HttpResponse ManifestUpload::send_until_taken(const RepositoryRequest& request) {
    for (int tries = 1;; ++tries) {
        Retrier retrier = repository_->retrier(run_);
        HttpResponse response = repository_->send(request, retrier, run_).response;
        if (response.status >= 200 && response.status <= 299) {
            return response;
        }
        try {
            refuse_push(*repository_, response, request, run_);
        } catch (HttpError& error) {
            if (error.server_code() != kNotAsSent || tries == kSendTries) {
                explain(error, request.what);
                throw;
            }
        }
        run_.clock->sleep_for(tries * kSendPause, run_.stop);
    }
}

void ManifestUpload::explain(HttpError& error, const std::string& what) const {
    if (error.server_code() == "MANIFEST_BLOB_UNKNOWN" || error.server_code() == "BLOB_UNKNOWN") {
        Error missing(ErrorCode::Conflict, std::string(error.what()) + ": blobs of it went away after they were there");
        missing.advise("Push again: the registry may be collecting its garbage.");
        throw missing;
    }
    if (error.server_code() == kNotAsSent) {
        throw Error(ErrorCode::Integrity, std::string(error.what()) + ": " + what + " did not arrive as it was sent");
    }
    if (error.status() == 413) {
        error.advise("Registries take manifests of at most 4 MiB; many layers or annotations make one large.");
    }
}

}  // namespace cooper::oci
