#include "build/cache/cache_documents.hpp"

#include "cooper/base/error.hpp"

#include "base/json.hpp"
#include "build/cache/step_records.hpp"
#include "build/edit/edit_blobs.hpp"
#include "oci/descriptor_json.hpp"
#include "oci/manifest_entries.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace cooper::build {

namespace {

using Sorted = nlohmann::json;

constexpr std::size_t kMaxExportedRecords = 5'000;

oci::Descriptor plain(const oci::Descriptor& blob) {
    return {blob.media_type, blob.digest, blob.size, {}, {}, std::nullopt, {}};
}

Sorted json_of(const oci::Descriptor& blob) {
    return {{"mediaType", blob.media_type}, {"digest", blob.digest.text()}, {"size", blob.size}};
}

/// What fits, in the caller's order, with the distinct blobs.
struct Chosen {
    std::vector<StepRecord> records;
    std::map<Digest, oci::Descriptor> blobs;
};

Chosen choose(const std::vector<StepRecord>& records) {
    Chosen chosen;
    std::set<Digest> keys;
    for (const StepRecord& record : records) {
        if (!record.blob || keys.contains(record.key)) {
            continue;
        }
        const auto known = chosen.blobs.find(record.blob->digest);
        const bool fits =
            known == chosen.blobs.end() ? chosen.blobs.size() < oci::kMaxLayers : known->second == plain(*record.blob);
        if (fits && chosen.records.size() < kMaxExportedRecords) {
            chosen.blobs.emplace(record.blob->digest, plain(*record.blob));
            keys.insert(record.key);
            chosen.records.push_back(record);
        }
    }
    return chosen;
}

/// The document of as many of the first records as fit into `limit` bytes; the rest goes from `records`.
std::string fitting_document(std::vector<StepRecord>& records, std::size_t limit) {
    std::string text = records_to_json(records);
    while (text.size() > limit) {
        records.erase(records.end() - static_cast<std::ptrdiff_t>(records.size() / 4 + 1), records.end());
        text = records_to_json(records);
    }
    return text;
}

/// Keeps the records whose blob is one of `layers`.
FoundCache belonging(std::vector<StepRecord> records, const std::vector<oci::Descriptor>& layers) {
    std::map<Digest, const oci::Descriptor*> listed;
    for (const oci::Descriptor& layer : layers) {
        listed.emplace(layer.digest, &layer);
    }
    FoundCache found;
    for (StepRecord& record : records) {
        const auto layer = record.blob ? listed.find(record.blob->digest) : listed.end();
        if (layer == listed.end() || layer->second->size != record.blob->size ||
            layer->second->media_type != record.blob->media_type) {
            ++found.left_out;
        } else {
            found.records.push_back(std::move(record));
        }
    }
    return found;
}

std::vector<oci::Descriptor> layers_of(const json::Value& manifest) {
    std::vector<oci::Descriptor> layers;
    if (oci::find_filled(manifest, "layers") != nullptr) {
        for (const json::Value& layer : oci::read_array(manifest, "layers", oci::kMaxLayers, "manifest")) {
            layers.push_back(oci::read_descriptor(layer, "manifest: layers[" + std::to_string(layers.size()) + "]"));
        }
    }
    return layers;
}

/// nullopt: neither a cache nor an image with one.
std::optional<FoundCache> read_manifest(const oci::RawManifest& raw, const oci::Blobs& blobs, const Run& run) {
    const json::Value document = json::parse(raw.bytes, "manifest");
    const oci::Descriptor config = oci::read_descriptor(json::member(document, "config", "manifest"), "config");
    if (config.media_type == kCacheConfig) {
        const auto source = verified(blobs.open(config, 0, run), config.digest, config.size, "the cache's records");
        return belonging(records_from_json(read_all(*source, oci::kMaxDocument, "the cache's records"), "records"),
                         layers_of(document));
    }
    const auto annotations = oci::read_annotations(document, "manifest");
    const auto found = annotations.find(std::string(kInlineAnnotation));
    if (found == annotations.end()) {
        return std::nullopt;
    }
    return belonging(records_from_json(found->second, "the image's annotation"), layers_of(document));
}

void take_over(FoundCache from, FoundCache& all) {
    std::set<Digest> keys;
    for (const StepRecord& record : all.records) {
        keys.insert(record.key);
    }
    for (StepRecord& record : from.records) {
        if (keys.insert(record.key).second && all.records.size() < kMaxCacheRecords) {
            all.records.push_back(std::move(record));
        }
    }
    all.left_out += from.left_out;
}

}  // namespace

CacheGraph make_cache_graph(const std::vector<StepRecord>& records, std::shared_ptr<const oci::Blobs> blobs) {
    Chosen chosen = choose(records);
    std::string config = fitting_document(chosen.records, oci::kMaxDocument);
    chosen = choose(chosen.records);
    const oci::Descriptor config_blob{std::string(kCacheConfig), sha256(config), config.size(), {}, {}, {}, {}};
    Sorted layers = Sorted::array();
    CacheGraph made{{oci::ManifestKind::Image, {}, {config_blob}, nullptr}, chosen.records.size(), 0};
    for (const auto& [digest, blob] : chosen.blobs) {
        layers.push_back(json_of(blob));
        made.graph.blobs.push_back(blob);
    }
    const Sorted manifest{{"schemaVersion", 2},
                          {"mediaType", oci::media_type::kOciManifest},
                          {"artifactType", kCacheArtifact},
                          {"config", json_of(config_blob)},
                          {"layers", std::move(layers)}};
    made.graph.manifests.push_back(oci::classify_manifest(manifest.dump(), oci::media_type::kOciManifest).raw);
    BlobOrigins origins;
    origins.documents.emplace(config_blob.digest, std::move(config));
    origins.rest = std::move(blobs);
    made.graph.source = edit_blobs(std::move(origins));
    made.left_out = records.size() - made.records;
    return made;
}

FoundCache read_cache(const oci::ClassifiedManifest& root, const oci::ManifestFetcher& fetch, const oci::Blobs& blobs,
                      const Run& run) {
    FoundCache all;
    bool any = false;
    const auto take = [&](const oci::RawManifest& manifest) {
        if (auto found = read_manifest(manifest, blobs, run)) {
            take_over(std::move(*found), all);
            any = true;
        }
    };
    if (root.kind == oci::ManifestKind::Image) {
        take(root.raw);
    } else {
        std::size_t looked_at = 0;
        for (const oci::Descriptor& entry : oci::Index::parse(root.raw).manifests) {
            if (!oci::is_image_type(entry.media_type) || ++looked_at > kMaxInlineImages) {
                continue;  // the blobs of a cache of BuildKit's, among others
            }
            const oci::ClassifiedManifest manifest = fetch(entry);
            oci::check_is(manifest.raw, entry);
            take(manifest.raw);
        }
    }
    if (!any) {
        throw Error(ErrorCode::NotFound, "there is no build cache of cooper in it");
    }
    return all;
}

std::pair<std::string, std::string> BuildCache::inline_annotation(const std::vector<StepRecord>& records) {
    std::vector<StepRecord> kept;
    for (StepRecord& record : choose(records).records) {
        record.instruction.clear();
        kept.push_back(std::move(record));
    }
    return {std::string(kInlineAnnotation), fitting_document(kept, kMaxInlineCache)};
}

}  // namespace cooper::build
