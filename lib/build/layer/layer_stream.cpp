#include "build/layer/layer_stream.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"

namespace cooper::build {

namespace {

std::unique_ptr<Source> open_layer(const oci::Blobs& blobs, const oci::Descriptor& layer, const std::string& name,
                                   const Run& run) {
    auto stored = blobs.open(layer, 0, run);
    if (!blobs.verifies()) {
        stored = verified(std::move(stored), layer.digest, layer.size, name);
    }
    return decompressed_by_magic(std::move(stored));
}

}  // namespace

std::string layer_name(const oci::Image& image, std::size_t index) {
    return "layer " + std::to_string(index + 1) + " of " + std::to_string(image.manifest.layers.size()) + " (" +
           image.manifest.layers[index].digest.shortened() + ")";
}

LayerStream::LayerStream(const oci::Blobs& blobs, const oci::Descriptor& layer, const Digest& diff_id, std::string name,
                         const Run& run)
    : diff_id_(diff_id),
      name_(std::move(name)),
      tar_(open_layer(blobs, layer, name_, run)),
      hasher_(diff_id_.algorithm()) {}

LayerStream::LayerStream(const oci::Image& image, std::size_t index, const Run& run)
    : LayerStream(*image.blobs, image.manifest.layers[index], image.config.diff_ids[index], layer_name(image, index),
                  run) {}

std::size_t LayerStream::read(MutableBytes into) {
    const auto count = tar_->read(into);
    hasher_.update(Bytes(into).first(count));
    return count;
}

void LayerStream::finish() {
    skip(*this, UINT64_MAX);
    if (const auto actual = hasher_.finish(); actual != diff_id_) {
        throw IntegrityError("diff ID of " + name_, diff_id_.text(), actual.text());
    }
}

}  // namespace cooper::build
