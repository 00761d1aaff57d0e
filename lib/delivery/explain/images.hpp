// Two images, from their manifests down (private).
#pragma once

#include "cooper/base/run.hpp"

#include "delivery/explain/documents.hpp"
#include "delivery/explain/sides.hpp"

#include <set>
#include <utility>

namespace cooper::delivery {

class ImageComparison {
public:
    ImageComparison(const Telling& to, const Run& run) : to_(to), run_(run) {}
    /// Layers that were compared for another pair already are not compared again.
    void compare(const ImagePair& pair);

private:
    void compare_layers(const ImagePair& pair);
    void compare_layer(const ImagePair& pair, std::size_t a, std::size_t b, const std::string& where);
    void compare_blobs(const ImagePair& pair, std::size_t a, std::size_t b, const std::string& where);
    void tell_unreadable(const std::string& where, std::optional<std::string> a, std::optional<std::string> b);

    const Telling& to_;
    const Run& run_;
    std::set<std::pair<Digest, Digest>> compared_;
};

}  // namespace cooper::delivery
