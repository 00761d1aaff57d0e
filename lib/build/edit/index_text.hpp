// Editing an index as text: what is not edited keeps every byte (private).
#pragma once

#include "cooper/oci/graph.hpp"
#include "cooper/oci/manifest.hpp"

#include "build/edit/json_text.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// An entry of an index: its text, and what it says.
struct IndexEntry {
    std::string text;
    oci::Descriptor descriptor;

    explicit IndexEntry(std::string json);
    /// os, architecture, variant, os.version and os.features in one text; empty for what is no image.
    [[nodiscard]] std::string platform_key() const;
    /// The manifest that an attestation speaks of.
    [[nodiscard]] std::optional<std::string> attests() const;
    /// Names another manifest instead.
    void set_manifest(const oci::RawManifest& manifest);
};

class IndexText {
public:
    explicit IndexText(const oci::RawManifest& index);
    /// A new OCI index without entries.
    IndexText();

    [[nodiscard]] std::vector<IndexEntry>& entries() noexcept { return entries_; }
    void set_annotation(std::string_view key, std::string_view value);
    /// Docker's list as OCI's index; the entries stay.
    void make_oci();
    [[nodiscard]] oci::ClassifiedManifest finish();

private:
    ObjectText document_;
    std::string media_type_;
    std::vector<std::string> before_;  // the entries' texts as they stand in the document
    std::vector<IndexEntry> entries_;
};

/// Manifests and blobs of several graphs, for a new root above or among them.
class GraphParts {
public:
    void add(const oci::Graph& graph);
    void add(const oci::RawManifest& manifest);
    /// The graph below `root`, of what was added.
    [[nodiscard]] oci::Graph below(oci::ClassifiedManifest root, const Run& run) const;

private:
    std::map<Digest, oci::RawManifest> manifests_;
    std::map<Digest, std::shared_ptr<const oci::Blobs>> blobs_;
};

}  // namespace cooper::build
