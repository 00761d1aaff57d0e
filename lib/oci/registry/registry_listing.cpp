// RegistryClient: what a repository lists, and what is taken out of it.
#include "cooper/base/error.hpp"
#include "cooper/oci/registry.hpp"

#include "base/json.hpp"
#include "base/workers.hpp"
#include "oci/descriptor_json.hpp"
#include "oci/printable.hpp"
#include "oci/registry/referrers.hpp"
#include "oci/registry/registry_document.hpp"
#include "oci/registry/registry_error.hpp"
#include "oci/registry/registry_state.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>

namespace cooper::oci {

namespace {

/// Some registries send all tags at once; 100,000 of them are some 4 MB.
constexpr std::size_t kMaxTagPage = 16 * 1024 * 1024;
constexpr std::size_t kMaxTags = 1'000'000;
constexpr std::size_t kTagsAtOnce = 8;  // requests under way

void append_tags(const RegistryDocument& page, const std::string& what, std::vector<std::string>& tags) {
    const json::Value document = json::parse(page.bytes, what);
    const json::Value* list = find_filled(document, "tags");  // null: all were deleted
    if (list == nullptr) {
        return;
    }
    if (!list->is_array() || tags.size() + list->size() > kMaxTags) {
        throw Error(ErrorCode::InvalidInput,
                    what + ": the registry sends no list of tags, or one of more than " + std::to_string(kMaxTags));
    }
    for (const json::Value& tag : *list) {
        if (!tag.is_string()) {
            throw Error(ErrorCode::InvalidInput, what + ": a tag is no string");
        }
        tags.push_back(tag.get<std::string>());
    }
}

bool is_tag(const Reference& repository, const std::string& tag) {
    try {
        return repository.with_tag(tag).tag() == tag;
    } catch (const Error&) {
        return false;
    }
}

std::vector<std::string> all_tags(RegistryRepository& repository, const std::string& query, const Run& run) {
    RepositoryRequest request;
    request.path = "/tags/list" + query;
    request.headers = {{"Accept", "application/json"}, {"Accept-Encoding", "identity"}};
    request.what = "tags of " + repository.reference().repository();
    RegistryPages pages(repository, request, kMaxTagPage, run);
    std::vector<std::string> tags;
    while (const auto page = pages.next()) {
        append_tags(*page, request.what, tags);
    }
    return tags;
}

/// Foreign text that is no tag would be printed, and asked for, as if it were one.
void keep_tags(std::vector<std::string>& tags, const Reference& repository, const Run& run) {
    const auto bad =
        std::find_if_not(tags.begin(), tags.end(), [&](const std::string& tag) { return is_tag(repository, tag); });
    if (bad != tags.end()) {
        run.progress->notice(NoticeLevel::Warning, repository.repository() + " lists what is no tag, as '" +
                                                       printable(*bad, 64) + "': left out");
        std::erase_if(tags, [&](const std::string& tag) { return !is_tag(repository, tag); });
    }
    std::sort(tags.begin(), tags.end());
    tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
}

/// What cannot be read is nobody's referrer.
std::optional<Descriptor> find_subject(const RawManifest& manifest) {
    try {
        return subject_of(manifest);
    } catch (const Error&) {
        return std::nullopt;
    }
}

[[noreturn]] void refuse_removal(RegistryRepository& repository, HttpResponse& response,
                                 const RepositoryRequest& request, const Reference& reference, const Run& run) {
    try {
        repository.refuse(response, request, run);
    } catch (HttpError& error) {
        const bool by_tag = !reference.digest();
        if (error.status() == 405 || error.server_code() == "UNSUPPORTED") {
            error.advise("Its administrator must allow that; for docker-registry: storage.delete.enabled: true.");
        } else if (by_tag && error.status() == 400) {
            Error unsupported(ErrorCode::Unsupported, std::string(error.what()) + ": it deletes no tag alone");
            unsupported.advise("It can delete the manifest, and with it all tags that name it: give the digest, " +
                               reference.repository() + "@sha256:…");
            throw unsupported;
        }
        throw;
    }
}

}  // namespace

std::vector<std::string> RegistryClient::tags(const Reference& repository, const Run& run) {
    const auto asked = state_->to_pull(repository);
    std::vector<std::string> tags;
    try {
        tags = all_tags(*asked, "?n=1000", run);
    } catch (const HttpError& error) {
        if (error.status() != 400) {
            throw;
        }
        tags = all_tags(*asked, "", run);  // some registries refuse larger pages than they like
    }
    keep_tags(tags, repository, run);
    return tags;
}

std::vector<std::string> RegistryClient::tags_of(const Reference& repository, const Digest& manifest, const Run& run) {
    const std::vector<std::string> all = tags(repository, run);
    std::vector<char> hits(all.size());  // not bool: written from several threads
    std::atomic<std::size_t> next = 0;
    Workers workers(run);
    for (std::size_t i = 0; i < std::min(all.size(), kTagsAtOnce); ++i) {
        workers.start([&, run = workers.run()] {
            for (std::size_t at = next++; at < all.size(); at = next++) {
                hits[at] = find_digest(repository.with_tag(all[at]), run) == manifest ? 1 : 0;
            }
        });
    }
    workers.join();
    std::vector<std::string> found;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (hits[i] != 0) {
            found.push_back(all[i]);
        }
    }
    return found;
}

std::vector<Descriptor> RegistryClient::referrers(const Reference& subject, const std::string& artifact_type,
                                                  const Run& run) {
    std::optional<Digest> digest = subject.digest();
    if (!digest) {
        digest = manifest(subject, run).raw.digest;
    }
    return find_referrers(*state_->to_pull(subject), *digest, artifact_type, run);
}

Digest RegistryClient::put_manifest(const Reference& to, const RawManifest& manifest, const Run& run) {
    if (to.digest() && *to.digest() != manifest.digest) {
        throw Error(ErrorCode::InvalidInput,
                    "cannot push to " + to.text() + ": the manifest is " + manifest.digest.text());
    }
    ManifestUpload upload(state_->to_push(to), run);
    upload.put(manifest);
    if (const auto tag = to.effective_tag()) {
        upload.name(manifest, *tag);
    }
    return manifest.digest;
}

bool RegistryClient::remove(const Reference& reference, const Run& run) {
    std::optional<Descriptor> subject;
    if (reference.digest()) {
        const auto found =
            find_document(*state_->to_pull(reference), manifest_request(reference, "GET"), kMaxDocument, run);
        if (!found) {
            return false;
        }
        subject = find_subject({found->bytes, "", *reference.digest()});
    }
    const auto repository = state_->repository(reference, {repository_scope(reference, "delete")});
    RepositoryRequest request = manifest_request(reference, "DELETE");
    request.headers = {};
    Retrier retrier = repository->retrier(run);
    HttpResponse response = repository->send(request, retrier, run).response;
    if (response.status == 404) {
        drain(response);
        return false;
    }
    if (response.status < 200 || response.status > 299) {
        refuse_removal(*repository, response, request, reference, run);
    }
    drain(response);
    if (subject) {
        ManifestUpload upload(state_->to_push(reference), run);
        unlist_referrer(*state_->to_push(reference), upload, *subject, *reference.digest(), run);
    }
    return true;
}

}  // namespace cooper::oci
