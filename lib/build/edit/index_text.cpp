#include "build/edit/index_text.hpp"

#include "cooper/base/error.hpp"

#include "base/json.hpp"
#include "build/edit/edit_blobs.hpp"
#include "build/edit/manifest_text.hpp"
#include "oci/descriptor_json.hpp"
#include "oci/manifest_entries.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::build {

namespace {

// How BuildKit lists attestations: entries of platform unknown/unknown with these annotations.
constexpr std::string_view kReferenceDigest = "vnd.docker.reference.digest";

constexpr std::string_view kEmptyIndex =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";

}  // namespace

IndexEntry::IndexEntry(std::string json)
    : text(std::move(json)), descriptor(oci::read_descriptor(json::parse(text, "index entry"), "index: entry")) {}

std::string IndexEntry::platform_key() const {
    if (!oci::is_image_entry(descriptor) || !descriptor.platform) {
        return "";
    }
    const ObjectText entry(text);
    const auto platform = object_of(entry, "platform");
    auto key = descriptor.platform->text();
    for (const auto* const member : {"os.version", "os.features"}) {
        const auto* value = platform.find(member);
        key += " " + (value == nullptr ? "" : json::write(json::parse(*value, "index: platform")));
    }
    return key;
}

std::optional<std::string> IndexEntry::attests() const {
    const auto found = descriptor.annotations.find(std::string(kReferenceDigest));
    return found == descriptor.annotations.end() ? std::nullopt : std::optional(found->second);
}

void IndexEntry::set_manifest(const oci::RawManifest& manifest) {
    ObjectText entry(text);
    if (descriptor.media_type != manifest.media_type) {
        entry.set("mediaType", quoted_json(manifest.media_type));
    }
    entry.set("digest", quoted_json(manifest.digest.text()));
    entry.set("size", std::to_string(manifest.bytes.size()));
    entry.remove("data");  // the manifest itself, embedded (descriptor.md): it would be the old one
    *this = IndexEntry(entry.text());
}

IndexText::IndexText(const oci::RawManifest& index) : document_(index.bytes), media_type_(index.media_type) {
    static_cast<void>(oci::Index::parse(index));  // throws for what is no index, and for too many entries
    const auto array = array_of(document_, "manifests");
    for (std::size_t i = 0; i < array.size(); ++i) {
        before_.push_back(array.at(i));
        entries_.emplace_back(array.at(i));
    }
}

IndexText::IndexText() : document_(kEmptyIndex), media_type_(oci::media_type::kOciIndex) {}

void IndexText::set_annotation(std::string_view key, std::string_view value) {
    auto annotations = object_of(document_, "annotations");
    annotations.set(key, quoted_json(value));
    document_.set("annotations", annotations.text());
}

void IndexText::make_oci() {
    media_type_ = oci_media_type(media_type_);
    make_media_type_oci(document_);
}

oci::ClassifiedManifest IndexText::finish() {
    auto array = array_of(document_, "manifests");
    // Where entries only changed or came at the end, what stands between them stays.
    std::size_t index = 0;
    if (entries_.size() < before_.size()) {
        const auto stays = [&](const std::string& text) {
            const bool found = index < entries_.size() && entries_[index].text == text;
            index += found ? 1U : 0U;
            return found;
        };
        array.remove_if([&](const std::string& text) { return !stays(text); });
        if (index < entries_.size()) {
            array.truncate(0);
        }
    }
    for (index = 0; index < entries_.size(); ++index) {
        if (index >= array.size()) {
            array.add(entries_[index].text);
        } else {
            array.set(index, entries_[index].text);
        }
    }
    const bool changed =
        !std::equal(entries_.begin(), entries_.end(), before_.begin(), before_.end(),
                    [](const IndexEntry& entry, const std::string& text) { return entry.text == text; });
    if (changed) {
        document_.set("manifests", array.text());
    }
    return oci::classify_manifest(document_.text(), media_type_);
}

void GraphParts::add(const oci::Graph& graph) {
    for (const auto& manifest : graph.manifests) {
        add(manifest);
    }
    for (const auto& blob : graph.blobs) {
        blobs_.emplace(blob.digest, graph.source);
    }
}

void GraphParts::add(const oci::RawManifest& manifest) {
    manifests_.emplace(manifest.digest, manifest);
}

oci::Graph GraphParts::below(oci::ClassifiedManifest root, const Run& run) const {
    const auto child = [&](const oci::Descriptor& descriptor) {
        const auto found = manifests_.find(descriptor.digest);
        if (found == manifests_.end()) {
            throw Error(ErrorCode::NotFound, "manifest " + descriptor.digest.text() + " is not among what was given");
        }
        return oci::classify_manifest(found->second.bytes, found->second.media_type);
    };
    return oci::read_graph(std::move(root), child, edit_blobs({{}, {}, blobs_, nullptr}), run);
}

}  // namespace cooper::build
