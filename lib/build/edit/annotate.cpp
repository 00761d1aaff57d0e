#include "cooper/build/annotate.hpp"

#include "cooper/base/error.hpp"

#include "build/edit/index_text.hpp"
#include "build/edit/json_text.hpp"
#include "build/edit/manifest_text.hpp"

#include <map>

namespace cooper::build {

namespace {

/// The edited annotations; nullopt: nothing changes.
std::optional<std::string> edited(const ObjectText& document, const AnnotationEdit& edit) {
    auto annotations = object_of(document, "annotations");
    const auto before = annotations.text();
    for (const auto& key : edit.remove) {
        annotations.remove(key);
    }
    std::map<std::string, std::string> sorted;
    for (const auto& [key, value] : edit.set) {
        if (key.empty()) {
            throw Error(ErrorCode::InvalidInput, "an annotation without a name");
        }
        sorted[key] = value;
    }
    for (const auto& [key, value] : sorted) {
        const auto* known = annotations.find(key);
        if (known == nullptr || unquoted_json(*known) != value) {
            annotations.set(key, quoted_json(value));
        }
    }
    return annotations.text() == before ? std::nullopt : std::optional(annotations.text());
}

std::string with_annotations(std::string_view bytes, const std::string& annotations) {
    ObjectText document(bytes);
    if (annotations == "{}") {
        document.remove("annotations");
    } else {
        document.set("annotations", annotations);
    }
    return document.text();
}

oci::RawManifest in_oci_form(const oci::RawManifest& raw, oci::ManifestKind kind) {
    if (oci_media_type(raw.media_type) == raw.media_type) {
        return raw;
    }
    if (kind == oci::ManifestKind::Index) {
        IndexText index(raw);
        index.make_oci();
        return index.finish().raw;
    }
    ManifestText manifest(oci::Manifest::parse(raw));
    manifest.make_oci();
    return manifest.finish().raw;
}

/// nullopt: nothing changes.
std::optional<oci::ClassifiedManifest> annotated(const oci::RawManifest& raw, oci::ManifestKind kind,
                                                 const AnnotationEdit& edit) {
    const auto annotations = edited(ObjectText(raw.bytes), edit);
    if (!annotations) {
        return std::nullopt;
    }
    const auto form = edit.set.empty() ? raw : in_oci_form(raw, kind);
    return oci::classify_manifest(with_annotations(form.bytes, *annotations), form.media_type);
}

}  // namespace

oci::Graph annotate(const oci::Graph& graph, const AnnotationEdit& edit) {
    auto root = annotated(graph.root(), graph.kind, edit);
    if (!root) {
        return graph;
    }
    GraphParts parts;
    parts.add(graph);
    return parts.below(std::move(*root), {});
}

oci::Image annotate(const oci::Image& image, const AnnotationEdit& edit) {
    const auto manifest = annotated(image.manifest.raw, oci::ManifestKind::Image, edit);
    return manifest ? oci::Image{oci::Manifest::parse(manifest->raw), image.config, image.blobs} : image;
}

}  // namespace cooper::build
