// The tar inside one layer of an image, checked against both of the layer's names (private).
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"
#include "cooper/oci/image.hpp"

#include <memory>
#include <string>

namespace cooper::build {

/// "layer 3 of 9 (sha256:0123456789ab)".
std::string layer_name(const oci::Image& image, std::size_t index);

class LayerStream final : public Source {
public:
    /// Opens the blob: its digest and size are checked while it is read, its compression told by its first bytes.
    /// `blobs` must outlive the stream; `name` stands in errors.
    LayerStream(const oci::Blobs& blobs, const oci::Descriptor& layer, const Digest& diff_id, std::string name,
                const Run& run);
    /// Layer `index` of an image, which must outlive the stream.
    LayerStream(const oci::Image& image, std::size_t index, const Run& run);
    std::size_t read(MutableBytes into) override;
    /// Reads what is left; throws IntegrityError unless all of it has the diff ID.
    void finish();

private:
    Digest diff_id_;
    std::string name_;
    std::unique_ptr<Source> tar_;
    Hasher hasher_;
};

}  // namespace cooper::build
