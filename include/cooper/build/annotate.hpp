// Annotations of manifests and indexes (OCI image specification 1.1, annotations.md).
#pragma once

#include "cooper/oci/graph.hpp"

#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

struct AnnotationEdit {
    std::vector<std::pair<std::string, std::string>> set;  ///< in place, or at the end sorted by key
    std::vector<std::string> remove;                       ///< before `set`; one that is not there is no error
};

/// `graph` with the annotations of its root changed and every other byte kept. Docker's formats have no annotations: a
/// root of such a kind becomes its OCI counterpart (only media types change) when one is set. Nothing to change: the
/// graph as it was. Throws Error{InvalidInput} for an empty key and for text that is not UTF-8.
oci::Graph annotate(const oci::Graph& graph, const AnnotationEdit& edit);

/// The same for one image's manifest.
oci::Image annotate(const oci::Image& image, const AnnotationEdit& edit);

}  // namespace cooper::build
