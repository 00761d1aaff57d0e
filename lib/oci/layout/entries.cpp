#include "oci/layout/entries.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/oci/reference.hpp"

#include "base/json.hpp"
#include "oci/manifest_entries.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace cooper::oci {

namespace {

constexpr std::size_t kMaxEntryName = 1024;
/// Names told in an error: enough to find one's own, short enough for a terminal.
constexpr std::size_t kNamesTold = 20;

std::string_view annotation(const Descriptor& entry, std::string_view key) {
    const auto found = entry.annotations.find(std::string(key));
    return found == entry.annotations.end() ? std::string_view() : std::string_view(found->second);
}

std::string_view name_of(const Descriptor& entry) {
    const std::string_view containerd = annotation(entry, kContainerdNameAnnotation);
    return containerd.empty() ? annotation(entry, kRefNameAnnotation) : containerd;
}

std::optional<Reference> try_reference(std::string_view text) {
    try {
        return Reference::parse(text);
    } catch (const Error&) {
        return std::nullopt;
    }
}

/// "docker.io/library/a:latest" for "a"; nullopt for what is no reference.
std::optional<std::string> qualified(std::string_view text) {
    const auto reference = try_reference(text);
    if (!reference) {
        return std::nullopt;
    }
    return reference->digest() ? reference->text() : reference->with_tag(*reference->effective_tag()).text();
}

/// "@0 a:1, @1 b:1, @2 sha256:0123… (no name)".
std::string names_in(const Index& index) {
    if (index.manifests.empty()) {
        return "it is empty";
    }
    std::string names;
    for (std::size_t i = 0; i < std::min(index.manifests.size(), kNamesTold); ++i) {
        const Descriptor& entry = index.manifests[i];
        const std::string_view name = name_of(entry);
        names += (i == 0 ? "@" : ", @") + std::to_string(i) + " " +
                 (name.empty() ? entry.digest.shortened() + " (no name)" : printable(name));
    }
    if (index.manifests.size() > kNamesTold) {
        names += " and " + std::to_string(index.manifests.size() - kNamesTold) + " more";
    }
    return names;
}

[[noreturn]] void none_called(std::string_view which, const Index& index) {
    throw Error(ErrorCode::NotFound, "index.json has no entry " + printable(which) + " (" + names_in(index) + ")");
}

[[noreturn]] void several_fit(const std::string& what, const Index& index) {
    Error error(ErrorCode::InvalidInput, what + " (" + names_in(index) + ")");
    error.advise("name one, or give its position (@0) or digest (@sha256:…)");
    throw error;
}

/// The entry that `fits`; nullptr when there is none. Entries of one digest are the same image under two names.
template <class Fits>
const Descriptor* only_one(const Index& index, const std::string& what, Fits&& fits) {
    const Descriptor* found = nullptr;
    for (const Descriptor& entry : index.manifests) {
        if (!fits(entry)) {
            continue;
        }
        if (found != nullptr && found->digest != entry.digest) {
            several_fit(what, index);
        }
        found = found == nullptr ? &entry : found;
    }
    return found;
}

const Descriptor& entry_at(const Index& index, std::string_view position) {
    const auto number = parse_uint(position);
    if (!number) {
        throw Error(ErrorCode::InvalidInput,
                    "\"@" + printable(position) + "\" is neither a position (@0) nor a digest (@sha256:…)");
    }
    if (*number >= index.manifests.size()) {
        none_called("@" + std::string(position), index);
    }
    return index.manifests[*number];
}

std::optional<Digest> digest_in(std::string_view which) {
    return Digest::try_parse(which.substr(which.starts_with('@') ? 1 : 0));
}

const Descriptor* find_digest(const Index& index, const Digest& digest) {
    const auto found = std::find_if(index.manifests.begin(), index.manifests.end(),
                                    [&](const Descriptor& entry) { return entry.digest == digest; });
    return found == index.manifests.end() ? nullptr : &*found;
}

/// Looks for a digest below an index, breadth first; indexes that are not there are passed by, as they are in what
/// `docker save` trimmed to one platform.
std::optional<Descriptor> find_below(const Index& top, const Digest& wanted, const Blobs& blobs, const Run& run) {
    std::vector<Index> level{top};
    std::set<Digest> seen;
    for (int depth = 0; depth <= kMaxIndexDepth && !level.empty(); ++depth) {
        std::vector<Index> below;
        for (const Index& index : level) {
            if (const Descriptor* found = find_digest(index, wanted)) {
                return *found;
            }
            for (const Descriptor& entry : index.manifests) {
                if (!is_index_type(entry.media_type) || !seen.insert(entry.digest).second) {
                    continue;
                }
                if (seen.size() > kMaxGraphManifests) {
                    throw Error(ErrorCode::InvalidInput, "there are more than " + std::to_string(kMaxGraphManifests) +
                                                             " indexes below index.json");
                }
                try {
                    below.push_back(Index::parse(read_manifest(entry, blobs, run).raw));
                } catch (const Error& error) {
                    if (error.code() != ErrorCode::NotFound) {
                        throw;
                    }
                }
            }
        }
        level = std::move(below);
    }
    return std::nullopt;
}

}  // namespace

void check_layout_document(const std::string& text) {
    const json::Value document = json::parse(text, "oci-layout");
    const std::string version = json::string_member(document, "imageLayoutVersion", "oci-layout");
    if (!version.starts_with("1.")) {
        throw Error(ErrorCode::InvalidInput,
                    "oci-layout: version " + printable(version) + " of the image layout is not known");
    }
}

std::string blob_path(const Digest& digest) {
    return "blobs/" + std::string(digest.algorithm_name()) + "/" + std::string(digest.hex());
}

Index parse_index_json(const std::string& text) {
    return in_context("index.json", [&] {
        RawManifest raw = classify_manifest(text, media_type::kOciIndex).raw;
        const json::Value document = json::parse(text, "manifest");
        const json::Value* manifests = json::find_member(document, "manifests");
        if (manifests != nullptr && manifests->is_null()) {
            return Index{std::move(raw), {}};
        }
        return Index::parse(std::move(raw));
    });
}

bool is_entry_called(const Descriptor& entry, std::string_view name) {
    if (annotation(entry, kRefNameAnnotation) == name) {
        return true;
    }
    const std::string_view containerd = annotation(entry, kContainerdNameAnnotation);
    return !containerd.empty() && (containerd == name || containerd == qualified(name));
}

void check_entry_name(std::string_view name) {
    const bool has_control =
        std::any_of(name.begin(), name.end(), [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
    if (name.empty() || name.size() > kMaxEntryName || has_control || name.front() == '@' || !is_valid_utf8(name)) {
        throw Error(ErrorCode::InvalidInput, "\"" + printable(name) +
                                                 "\" cannot be a name in an OCI layout: it takes 1 to " +
                                                 std::to_string(kMaxEntryName) + " bytes of text, and no \"@\" first");
    }
}

std::vector<std::pair<std::string, std::string>> naming_annotations(std::string_view name) {
    std::vector<std::pair<std::string, std::string>> annotations;
    // A bare word like "1.2" is a tag here, although it could be the name of a repository.
    if (const auto reference = qualified(name); reference && name.find_first_of("/:") != std::string_view::npos) {
        annotations.emplace_back(kContainerdNameAnnotation, *reference);
    }
    annotations.emplace_back(kRefNameAnnotation, name);
    return annotations;
}

const Descriptor& choose_entry(const Index& index, std::string_view which) {
    if (which.empty()) {
        if (index.manifests.empty()) {
            throw Error(ErrorCode::NotFound, "index.json lists no image");
        }
        return *only_one(index, "index.json lists " + std::to_string(index.manifests.size()) + " entries",
                         [](const Descriptor&) { return true; });
    }
    if (const auto digest = digest_in(which)) {
        if (const Descriptor* found = find_digest(index, *digest)) {
            return *found;
        }
        none_called(which, index);
    }
    if (which.starts_with('@')) {
        return entry_at(index, which.substr(1));
    }
    const std::string what = "several entries of index.json are called " + printable(which);
    const auto is_exactly = [&](const Descriptor& entry) { return annotation(entry, kRefNameAnnotation) == which; };
    if (const Descriptor* found = only_one(index, what, is_exactly)) {
        return *found;
    }
    const auto reference = qualified(which);
    const auto means_the_same = [&](const Descriptor& entry) {
        const std::string_view containerd = annotation(entry, kContainerdNameAnnotation);
        const std::string_view name = annotation(entry, kRefNameAnnotation);
        return (!containerd.empty() && (containerd == which || containerd == reference)) ||
               (reference && name.find('/') != std::string_view::npos && qualified(name) == reference);
    };
    if (const Descriptor* found = only_one(index, what, means_the_same)) {
        return *found;
    }
    none_called(which, index);
}

ClassifiedManifest read_manifest(const Descriptor& descriptor, const Blobs& blobs, const Run& run) {
    const std::string what = "manifest " + descriptor.digest.shortened();
    if (descriptor.size > kMaxDocument) {
        throw Error(ErrorCode::InvalidInput, what + " has " + std::to_string(descriptor.size) +
                                                 " bytes, the limit is " + std::to_string(kMaxDocument));
    }
    const auto source = verified(blobs.open(descriptor, 0, run), descriptor.digest, descriptor.size, what);
    ClassifiedManifest manifest = classify_manifest(read_all(*source, kMaxDocument, what), descriptor.media_type);
    manifest.raw.digest = descriptor.digest;  // verified above, by its own algorithm
    check_is(manifest.raw, descriptor);
    return manifest;
}

Descriptor find_entry(const Index& index, std::string_view which, const Blobs& blobs, const Run& run) {
    const auto digest = digest_in(which);
    if (digest && find_digest(index, *digest) == nullptr) {
        if (auto below = find_below(index, *digest, blobs, run)) {
            return std::move(*below);
        }
    }
    return choose_entry(index, which);
}

Graph graph_of_entry(const Index& index, std::string_view which, std::shared_ptr<const Blobs> blobs, const Run& run) {
    const Blobs& source = *blobs;
    ClassifiedManifest root = read_manifest(find_entry(index, which, source, run), source, run);
    return read_graph(
        std::move(root), [&](const Descriptor& child) { return read_manifest(child, source, run); }, std::move(blobs),
        run);
}

}  // namespace cooper::oci
