// ArchivePlan::make_oci: an OCI layout in one tar. OCI image specification 1.1, image-layout.md.
#include "cooper/base/error.hpp"
#include "cooper/oci/docker_archive.hpp"

#include "base/json.hpp"
#include "oci/archive/plan_state.hpp"
#include "oci/layout/entries.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace cooper::oci {

namespace {

using NamedGraph = ArchivePlan::NamedGraph;

/// Two graphs of one name would leave the reader to guess.
void check_names(const std::vector<NamedGraph>& graphs) {
    std::map<std::string, Digest> owners;
    for (const NamedGraph& each : graphs) {
        for (const std::string& name : each.names) {
            check_entry_name(name);
            const Digest& digest = each.graph.root().digest;
            if (owners.emplace(name, digest).first->second != digest) {
                throw Error(ErrorCode::InvalidInput, "two images of one archive claim the name " + name);
            }
        }
    }
}

/// One entry per graph and name, in the order of the graphs; names sorted. A graph given twice is there once.
std::string index_document(const std::vector<NamedGraph>& graphs) {
    json::Value manifests = json::Value::array();
    std::set<std::pair<Digest, std::string>> listed;
    for (const NamedGraph& each : graphs) {
        const RawManifest& root = each.graph.root();
        std::set<std::string> names(each.names.begin(), each.names.end());
        if (names.empty()) {
            names.insert("");
        }
        for (const std::string& name : names) {
            if (!listed.emplace(root.digest, name).second) {
                continue;
            }
            json::Value entry = {
                {"mediaType", root.media_type}, {"digest", root.digest.text()}, {"size", root.bytes.size()}};
            if (!name.empty()) {
                for (const auto& [key, text] : naming_annotations(name)) {
                    entry["annotations"][key] = text;
                }
            }
            manifests.push_back(std::move(entry));
        }
    }
    return json::write(
        {{"schemaVersion", 2}, {"mediaType", media_type::kOciIndex}, {"manifests", std::move(manifests)}});
}

/// Manifests first, then other blobs, each once. Foreign layers, which no registry gives out, are left out.
void lay_out_blobs(MemberLayout& layout, const std::vector<NamedGraph>& graphs) {
    std::map<Digest, std::uint64_t> sizes;
    for (const NamedGraph& each : graphs) {
        for (const RawManifest& manifest : each.graph.manifests) {
            if (sizes.emplace(manifest.digest, manifest.bytes.size()).second) {
                layout.document(blob_path(manifest.digest), manifest.bytes);
            }
        }
    }
    for (const NamedGraph& each : graphs) {
        for (const Descriptor& blob : each.graph.blobs) {
            if (is_foreign_layer(blob.media_type)) {
                continue;
            }
            const auto [known, fresh] = sizes.emplace(blob.digest, blob.size);
            if (known->second != blob.size) {
                throw IntegrityError("two sizes are claimed for blob " + blob.digest.text(),
                                     std::to_string(known->second), std::to_string(blob.size));
            }
            if (fresh) {
                layout.blob({blob, each.graph.source, std::nullopt, true});
            }
        }
    }
}

}  // namespace

ArchivePlan ArchivePlan::make_oci(const std::vector<NamedGraph>& graphs, const std::vector<Document>& documents) {
    if (graphs.empty()) {
        throw Error(ErrorCode::InvalidInput, "an archive needs at least one image");
    }
    check_names(graphs);
    MemberLayout layout;
    layout.document("oci-layout", kLayoutDocument);
    layout.document("index.json", index_document(graphs));
    for (const Document& document : documents) {
        layout.document(document.path, document.text);
    }
    lay_out_blobs(layout, graphs);
    return ArchivePlan(std::make_shared<State>(State{std::move(layout).finish("cooper oci-archive")}));
}

}  // namespace cooper::oci
