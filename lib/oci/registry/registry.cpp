#include "cooper/oci/registry.hpp"

#include "cooper/base/error.hpp"

#include "oci/manifest_entries.hpp"
#include "oci/registry/registry_blob.hpp"
#include "oci/registry/registry_document.hpp"
#include "oci/registry/registry_state.hpp"

namespace cooper::oci {

namespace {

Digest hash(std::string_view bytes, DigestAlgorithm algorithm) {
    Hasher hasher(algorithm);
    hasher.update(bytes);
    return hasher.finish();
}

class RegistryBlobs final : public Blobs {
public:
    RegistryBlobs(std::shared_ptr<const void> client, std::shared_ptr<RegistryRepository> repository)
        : client_(std::move(client)), repository_(std::move(repository)) {}

    [[nodiscard]] std::unique_ptr<Source> open(const Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override {
        return std::make_unique<RegistryBlobSource>(repository_, blob, offset, run);
    }

private:
    std::shared_ptr<const void> client_;  // what the repository borrows
    std::shared_ptr<RegistryRepository> repository_;
};

}  // namespace

/// All that can be read, in one field: without the OCI types docker-registry 2.8 answers 404 for an OCI image, without
/// the Docker ones it converts to schema 1.
std::string accepted_manifests() {
    std::string text;
    for (const std::string_view type :
         {media_type::kOciIndex, media_type::kDockerIndex, media_type::kOciManifest, media_type::kDockerManifest}) {
        text += (text.empty() ? "" : ", ") + std::string(type);
    }
    return text;
}

RepositoryRequest manifest_request(const Reference& reference, std::string method) {
    const std::string name = reference.digest() ? reference.digest()->text() : reference.effective_tag().value_or("");
    return {std::move(method),
            "/manifests/" + name,
            {{"Accept", accepted_manifests()}, {"Accept-Encoding", "identity"}},
            "manifest " + reference.text()};
}

std::shared_ptr<RegistryRepository> RegistryClient::State::repository(const Reference& reference,
                                                                      std::vector<std::string> scopes) {
    const std::scoped_lock lock(mutex);
    auto& repository = repositories[{reference.repository(), scopes}];
    if (!repository) {
        auto& host = hosts[reference.domain()];
        if (!host) {
            host = std::make_shared<RegistryHost>(context, reference);
        }
        repository = std::make_shared<RegistryRepository>(context, host, reference, std::move(scopes));
    }
    return repository;
}

RegistryClient::RegistryClient(HttpClient& http, const RegistryCredentialSource& credentials,
                               const Environment& environment, RegistryOptions options)
    : state_(std::make_shared<State>(http, credentials, environment, std::move(options))) {}
RegistryClient::~RegistryClient() = default;

ClassifiedManifest RegistryClient::manifest(const Reference& reference, const Run& run) {
    const RepositoryRequest request = manifest_request(reference, "GET");
    RegistryDocument document = fetch_document(*state_->to_pull(reference), request, kMaxDocument, run);
    // The registry's Docker-Content-Digest is a hint: only our own hash counts.
    if (const auto& asked = reference.digest()) {
        const Digest actual = hash(document.bytes, asked->algorithm());
        if (actual != *asked) {
            throw IntegrityError(request.what, asked->text(), actual.text());
        }
    }
    return in_context(request.what, [&] {
        ClassifiedManifest manifest = classify_manifest(std::move(document.bytes), document.content_type());
        manifest.raw.digest = reference.digest().value_or(manifest.raw.digest);
        return manifest;
    });
}

std::optional<Digest> RegistryClient::find_digest(const Reference& reference, const Run& run) {
    const auto repository = state_->to_pull(reference);
    const RepositoryRequest request = manifest_request(reference, "HEAD");
    Retrier retrier = repository->retrier(run);
    const HttpResponse response = repository->send(request, retrier, run).response;
    if (response.status == 200) {
        const auto told = Digest::try_parse(response.headers.find("Docker-Content-Digest").value_or(""));
        if (told) {
            return reference.digest() ? reference.digest() : told;
        }
    }
    // Some services know no HEAD, or answer it without the digest.
    try {
        return manifest(reference, run).raw.digest;
    } catch (const HttpError& error) {
        if (error.code() == ErrorCode::NotFound) {
            return std::nullopt;
        }
        throw;
    }
}

Image RegistryClient::image(const Reference& reference, const std::optional<Platform>& platform, const Run& run) {
    ClassifiedManifest found = manifest(reference, run);
    const bool chosen = found.kind == ManifestKind::Index;
    if (chosen) {
        const Index index = in_context(reference.text(), [&] { return Index::parse(std::move(found.raw)); });
        const Descriptor& entry = in_context(reference.text(), [&]() -> const Descriptor& {
            return choose_platform(index, platform.value_or(Platform::host()));
        });
        found = manifest(reference.with_digest(entry.digest), run);
        in_context(reference.repository(), [&] { check_is(found.raw, entry); });
    }
    return in_context(reference.text(), [&] {
        Manifest manifest = Manifest::parse(std::move(found.raw));
        const std::shared_ptr<const Blobs> blobs = this->blobs(reference);
        const auto source =
            verified(blobs->open(manifest.config, 0, run), manifest.config.digest, manifest.config.size, "the config");
        Config config = Config::parse(read_all(*source, kMaxDocument, "the config"));
        if (!chosen) {
            check_platform(config, platform, reference.text(), run);
        }
        Image image{std::move(manifest), std::move(config), blobs};
        image.check();
        return image;
    });
}

Graph RegistryClient::graph(const Reference& reference, const Run& run) {
    ClassifiedManifest root = manifest(reference, run);
    const auto child = [&](const Descriptor& entry) { return manifest(reference.with_digest(entry.digest), run); };
    return in_context(reference.text(), [&] { return read_graph(std::move(root), child, blobs(reference), run); });
}

std::shared_ptr<const Blobs> RegistryClient::blobs(const Reference& repository) {
    return std::make_shared<RegistryBlobs>(state_, state_->to_pull(repository));
}

}  // namespace cooper::oci
