#include "cooper/build/edit_images.hpp"

#include "cooper/base/error.hpp"

#include "build/edit/index_text.hpp"
#include "oci/manifest_entries.hpp"
#include "oci/printable.hpp"

#include <map>
#include <set>

namespace cooper::build {

namespace {

/// Goes through a graph from its leaves to its root.
class GraphEdit {
public:
    GraphEdit(const oci::Graph& graph, const ImageEdit& edit, const Run& run) : graph_(graph), edit_(edit), run_(run) {
        parts_.add(graph);
    }

    oci::Graph result() {
        for (const auto& manifest : graph_.manifests) {
            auto classified = oci::classify_manifest(manifest.bytes, manifest.media_type);
            if (classified.kind == oci::ManifestKind::Index) {
                edit_index(manifest);
            }
        }
        if (images_ == 0) {
            throw Error(ErrorCode::NotFound, "the index lists no image");
        }
        const auto root = changed_.find(graph_.root().digest);
        if (root == changed_.end()) {
            return graph_;
        }
        return parts_.below({oci::ManifestKind::Index, root->second}, run_);
    }

private:
    void edit_index(const oci::RawManifest& manifest) {
        IndexText index(manifest);
        std::set<std::string> stale;
        bool touched = false;
        for (auto& entry : index.entries()) {
            const auto before = entry.descriptor.digest;
            const auto* after = edited(entry.descriptor);
            if (after != nullptr) {
                entry.set_manifest(*after);
                stale.insert(before.text());
                touched = true;
            }
        }
        if (!touched) {
            return;
        }
        const auto left = std::erase_if(index.entries(), [&](const IndexEntry& entry) {
            const auto subject = entry.attests();
            return subject && stale.contains(*subject);
        });
        if (left > 0) {
            run_.progress->notice(NoticeLevel::Warning,
                                  std::to_string(left) + " attestation(s) speak of images before the edit: left out");
        }
        keep(manifest.digest, index.finish().raw);
    }

    /// What stands for the manifest now; nullptr: itself.
    const oci::RawManifest* edited(const oci::Descriptor& entry) {
        if (const auto known = changed_.find(entry.digest); known != changed_.end()) {
            return &known->second;
        }
        const auto* raw = graph_.find(entry.digest);
        if (raw == nullptr || !oci::is_image_entry(entry) || !seen_.insert(entry.digest).second) {
            return nullptr;
        }
        const oci::Graph single{oci::ManifestKind::Image, {*raw}, {}, graph_.source};
        const auto told = entry.platform ? oci::printable(entry.platform->text()) : entry.digest.shortened();
        return in_context(told, [&]() -> const oci::RawManifest* {
            const auto image = image_in(single);
            if (!image) {
                return nullptr;
            }
            ++images_;
            const auto after = edit_(*image);
            if (after.manifest.raw.digest == entry.digest) {
                return nullptr;
            }
            parts_.add(oci::graph_of(after));
            return keep(entry.digest, after.manifest.raw);
        });
    }

    /// nullopt: an artifact.
    std::optional<oci::Image> image_in(const oci::Graph& single) const {
        try {
            return oci::images_of(single, run_).at(0);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::Unsupported) {
                throw;
            }
            return std::nullopt;
        }
    }

    const oci::RawManifest* keep(const Digest& before, const oci::RawManifest& after) {
        parts_.add(after);
        return &changed_.emplace(before, after).first->second;
    }

    const oci::Graph& graph_;
    const ImageEdit& edit_;
    const Run& run_;
    GraphParts parts_;
    std::map<Digest, oci::RawManifest> changed_;
    std::set<Digest> seen_;
    std::size_t images_ = 0;
};

}  // namespace

oci::Graph edit_images(const oci::Graph& graph, const ImageEdit& edit, const Run& run) {
    if (graph.kind == oci::ManifestKind::Image) {
        const auto before = oci::images_of(graph, run).at(0);
        const auto after = edit(before);
        return after.manifest.raw.digest == before.manifest.raw.digest ? graph : oci::graph_of(after);
    }
    return GraphEdit(graph, edit, run).result();
}

}  // namespace cooper::build
