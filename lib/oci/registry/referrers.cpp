#include "oci/registry/referrers.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "oci/descriptor_json.hpp"
#include "oci/registry/registry_document.hpp"
#include "oci/registry/registry_state.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::oci {

namespace {

/// Between reading the index and writing it somebody else may write: so often it is tried again.
constexpr int kMaxRounds = 4;

std::string referrers_tag(const Digest& subject) {
    return std::string(subject.algorithm_name()) + "-" + std::string(subject.hex()).substr(0, 64);
}

std::string text_at(const json::Value& document, std::string_view key) {
    const json::Value* value = find_filled(document, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

/// The referrer as the index lists it: an image's own type is that of its config.
json::Value entry_of(const RawManifest& referrer) {
    const json::Value document = json::parse(referrer.bytes, "manifest");
    json::Value entry = {
        {"mediaType", referrer.media_type}, {"digest", referrer.digest.text()}, {"size", referrer.bytes.size()}};
    std::string type = text_at(document, "artifactType");
    if (const json::Value* config = find_filled(document, "config"); type.empty() && config != nullptr) {
        type = text_at(*config, "mediaType");
    }
    if (!type.empty()) {
        entry["artifactType"] = type;
    }
    if (const json::Value* annotations = find_filled(document, "annotations")) {
        entry["annotations"] = *annotations;
    }
    return entry;
}

json::Value empty_index() {
    return {{"schemaVersion", 2}, {"mediaType", media_type::kOciIndex}, {"manifests", json::Value::array()}};
}

json::Value read_index(RegistryRepository& repository, const Digest& subject, const Run& run) {
    const Reference name = repository.reference().with_tag(referrers_tag(subject));
    const auto found = find_document(repository, manifest_request(name, "GET"), kMaxDocument, run);
    if (!found) {
        return empty_index();
    }
    json::Value index = json::parse(found->bytes, "index " + name.text());
    read_array(index, "manifests", kMaxIndexEntries, "index " + name.text());
    return index;
}

json::Value::iterator find_entry(json::Value& index, const Digest& referrer) {
    json::Value& entries = index["manifests"];
    return std::find_if(entries.begin(), entries.end(), [&](const json::Value& entry) {
        return entry.is_object() && text_at(entry, "digest") == referrer.text();
    });
}

void write_index(ManifestUpload& upload, json::Value index, const Digest& subject) {
    index["schemaVersion"] = 2;
    index["mediaType"] = media_type::kOciIndex;
    std::string bytes = json::write(index);
    const Digest digest = sha256(bytes);
    upload.name({std::move(bytes), std::string(media_type::kOciIndex), digest}, referrers_tag(subject));
}

/// Reads, changes and writes the subject's index until `change` finds nothing left to do.
template <class F>
void update_index(RegistryRepository& repository, ManifestUpload& upload, const Digest& subject, const Run& run,
                  F&& change) {
    for (int round = 0; round < kMaxRounds; ++round) {
        json::Value index = read_index(repository, subject, run);
        if (!change(index)) {
            return;
        }
        write_index(upload, std::move(index), subject);
    }
    throw Error(ErrorCode::Conflict, "the list of what refers to " + subject.text() + " in " +
                                         repository.reference().repository() + " is overwritten by others all the time")
        .advise("Push again when they are done.");
}

void append_entries(const json::Value& document, const std::string& artifact_type, std::vector<Descriptor>& referrers) {
    const json::Value& entries = read_array(document, "manifests", kMaxIndexEntries, "referrers");
    for (std::size_t i = 0; i < entries.size(); ++i) {
        Descriptor referrer = read_descriptor(entries[i], "referrers: manifests[" + std::to_string(i) + "]");
        if (artifact_type.empty() || referrer.artifact_type == artifact_type) {
            referrers.push_back(std::move(referrer));
        }
    }
    if (referrers.size() > kMaxIndexEntries) {
        throw Error(ErrorCode::InvalidInput, "there are more than " + std::to_string(kMaxIndexEntries) + " referrers");
    }
}

bool is_index_type(const RegistryDocument& document) {
    const std::string type = document.content_type();
    return to_lower(trim(std::string_view(type).substr(0, type.find(';')))) == media_type::kOciIndex;
}

/// False: the registry has no such API.
bool ask_api(RegistryRepository& repository, const Digest& subject, const std::string& artifact_type, const Run& run,
             std::vector<Descriptor>& referrers) {
    RepositoryRequest request;
    request.path = "/referrers/" + subject.text();
    if (!artifact_type.empty()) {
        request.path += "?artifactType=" + percent_encode(artifact_type);
    }
    request.headers = {{"Accept", std::string(media_type::kOciIndex)}, {"Accept-Encoding", "identity"}};
    request.what = "referrers of " + repository.reference().repository() + "@" + subject.text();
    RegistryPages pages(repository, request, kMaxDocument, run);
    try {
        while (const auto page = pages.next()) {
            if (!is_index_type(*page)) {
                return false;  // a server that answers anything with 200 and a web page
            }
            append_entries(json::parse(page->bytes, request.what), artifact_type, referrers);
        }
    } catch (const HttpError& error) {
        if (error.status() != 400 && error.status() != 404 && error.status() != 405) {
            throw;
        }
        return false;
    }
    return true;
}

}  // namespace

std::optional<Descriptor> subject_of(const RawManifest& manifest) {
    const json::Value document = json::parse(manifest.bytes, "manifest");
    const json::Value* subject = find_filled(document, "subject");
    return subject == nullptr ? std::nullopt : std::optional(read_descriptor(*subject, "manifest: subject"));
}

void list_referrer(RegistryRepository& repository, ManifestUpload& upload, const Descriptor& subject,
                   const RawManifest& referrer, const Run& run) {
    update_index(repository, upload, subject.digest, run, [&](json::Value& index) {
        if (find_entry(index, referrer.digest) != index["manifests"].end()) {
            return false;
        }
        index["manifests"].push_back(entry_of(referrer));
        return true;
    });
}

void unlist_referrer(RegistryRepository& repository, ManifestUpload& upload, const Descriptor& subject,
                     const Digest& referrer, const Run& run) {
    update_index(repository, upload, subject.digest, run, [&](json::Value& index) {
        const auto entry = find_entry(index, referrer);
        if (entry == index["manifests"].end()) {
            return false;
        }
        index["manifests"].erase(entry);
        return true;
    });
}

std::vector<Descriptor> find_referrers(RegistryRepository& repository, const Digest& subject,
                                       const std::string& artifact_type, const Run& run) {
    std::vector<Descriptor> referrers;
    if (!ask_api(repository, subject, artifact_type, run, referrers)) {
        referrers.clear();
        append_entries(read_index(repository, subject, run), artifact_type, referrers);
    }
    return referrers;
}

}  // namespace cooper::oci
