// Small images in memory, with blobs that can be made to lie.
#pragma once

#include "cooper/oci/image.hpp"

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace cooper::testing {

/// Blobs from memory. Safe from several threads once filled.
class MemoryBlobs final : public oci::Blobs {
public:
    /// Adds a blob under its own digest.
    oci::Descriptor add(const std::string& bytes, std::string_view media_type);
    /// Gives other bytes for a digest than it names.
    void replace(const Digest& digest, std::string bytes) { blobs_[digest] = std::move(bytes); }
    /// Called before each read of any blob, with the count of reads so far.
    std::function<void(std::uint64_t)> on_read;
    /// At most this many bytes a read, so that chunk borders fall anywhere.
    std::size_t step = 1 << 20;

    [[nodiscard]] std::unique_ptr<Source> open(const oci::Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override;
    [[nodiscard]] int opened() const noexcept { return opened_; }

private:
    std::map<Digest, std::string> blobs_;
    mutable std::atomic<int> opened_{0};
    mutable std::atomic<std::uint64_t> reads_{0};
};

/// A layer as the tests want it: the tar (or any bytes), and how it is stored.
struct LayerSpec {
    enum class Form { Plain, Gzip, Zstd } form = Form::Gzip;
    std::string content;
};

/// An OCI image of these layers with right diff IDs. Its blobs are a MemoryBlobs that `blobs` (when not null) receives.
oci::Image memory_image(const std::vector<LayerSpec>& layers, std::shared_ptr<MemoryBlobs>* blobs = nullptr,
                        const std::string& config_extra = "");

/// An OCI image with this config and as many layers as it has diff IDs; the layers' blobs are not there.
oci::Image image_of_config(std::string config);

/// `image` with another text as its manifest.
oci::Image with_manifest(oci::Image image, std::string manifest);

/// `size` bytes that look random and are the same each time for the same seed.
std::string random_bytes(std::size_t size, unsigned seed);

std::string gzip_text(const std::string& text);
std::string zstd_text(const std::string& text);

}  // namespace cooper::testing
