#include "support/memory_image.hpp"

#include "cooper/base/text.hpp"

#include <zlib.h>
#include <zstd.h>

#include <random>
#include <stdexcept>

namespace cooper::testing {

namespace {

class SteppedSource final : public Source {
public:
    SteppedSource(std::string_view rest, std::size_t step, std::function<void()> before)
        : rest_(rest), step_(step), before_(std::move(before)) {}

    std::size_t read(MutableBytes into) override {
        before_();
        const std::size_t count = std::min({into.size(), step_, rest_.size()});
        std::copy_n(as_bytes(rest_).begin(), count, into.begin());
        rest_.remove_prefix(count);
        return count;
    }

private:
    std::string_view rest_;
    std::size_t step_;
    std::function<void()> before_;
};

std::string descriptor_json(const oci::Descriptor& descriptor) {
    return R"({"mediaType":")" + descriptor.media_type + R"(","digest":")" + descriptor.digest.text() + R"(","size":)" +
           std::to_string(descriptor.size) + "}";
}

std::string manifest_text(const oci::Descriptor& config, const std::string& layers) {
    return R"({"schemaVersion":2,"mediaType":")" + std::string(oci::media_type::kOciManifest) + R"(","config":)" +
           descriptor_json(config) + R"(,"layers":[)" + layers + "]}";
}

oci::Manifest parsed(const std::string& manifest) {
    return oci::Manifest::parse(oci::classify_manifest(manifest, "").raw);
}

}  // namespace

oci::Descriptor MemoryBlobs::add(const std::string& bytes, std::string_view media_type) {
    const Digest digest = sha256(bytes);
    blobs_[digest] = bytes;
    return {std::string(media_type), digest, bytes.size(), {}, {}, {}, {}};
}

std::unique_ptr<Source> MemoryBlobs::open(const oci::Descriptor& blob, std::uint64_t offset, const Run& run) const {
    ++opened_;
    const auto found = blobs_.find(blob.digest);
    if (found == blobs_.end()) {
        throw Error(ErrorCode::NotFound, "no blob " + blob.digest.text());
    }
    return std::make_unique<SteppedSource>(std::string_view(found->second).substr(offset), step, [this, run] {
        run.check();
        const std::uint64_t count = ++reads_;
        if (on_read) {
            on_read(count);
        }
    });
}

std::string random_bytes(std::size_t size, unsigned seed) {
    std::minstd_rand random(seed + 1);
    std::string bytes(size, '\0');
    for (char& byte : bytes) {
        byte = static_cast<char>(random() >> 8);
    }
    return bytes;
}

std::string gzip_text(const std::string& text) {
    z_stream stream{};
    if (deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw std::runtime_error("deflateInit2");
    }
    std::string out(deflateBound(&stream, static_cast<uLong>(text.size())), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, Z_FINISH);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

std::string zstd_text(const std::string& text) {
    std::string out(ZSTD_compressBound(text.size()), '\0');
    out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
    return out;
}

oci::Image memory_image(const std::vector<LayerSpec>& layers, std::shared_ptr<MemoryBlobs>* blobs,
                        const std::string& config_extra) {
    auto memory = std::make_shared<MemoryBlobs>();
    std::string diff_ids;
    std::string descriptors;
    for (const LayerSpec& layer : layers) {
        oci::Descriptor descriptor = [&] {
            switch (layer.form) {
                case LayerSpec::Form::Plain:
                    return memory->add(layer.content, oci::media_type::kOciLayer);
                case LayerSpec::Form::Zstd:
                    return memory->add(zstd_text(layer.content), oci::media_type::kOciLayerZstd);
                case LayerSpec::Form::Gzip:
                    break;
            }
            return memory->add(gzip_text(layer.content), oci::media_type::kOciLayerGzip);
        }();
        const std::string comma = descriptors.empty() ? "" : ",";
        descriptors += comma + descriptor_json(descriptor);
        diff_ids += comma + '"' + sha256(layer.content).text() + '"';
    }
    const std::string config = R"({"architecture":"amd64","os":"linux",)" + config_extra +
                               R"("rootfs":{"type":"layers","diff_ids":[)" + diff_ids + "]}}";
    const oci::Descriptor config_descriptor = memory->add(config, oci::media_type::kOciConfig);
    oci::Image image{parsed(manifest_text(config_descriptor, descriptors)), oci::Config::parse(config), memory};
    if (blobs != nullptr) {
        *blobs = memory;
    }
    return image;
}

oci::Image image_of_config(std::string text) {
    auto memory = std::make_shared<MemoryBlobs>();
    auto config = oci::Config::parse(std::move(text));
    std::string layers;
    for (const Digest& diff_id : config.diff_ids) {
        layers += (layers.empty() ? "" : ",") +
                  descriptor_json({std::string(oci::media_type::kOciLayer), diff_id, 1024, {}, {}, {}, {}});
    }
    const auto descriptor = memory->add(config.raw, oci::media_type::kOciConfig);
    return {parsed(manifest_text(descriptor, layers)), std::move(config), std::move(memory)};
}

oci::Image with_manifest(oci::Image image, std::string manifest) {
    image.manifest = parsed(manifest);
    return image;
}

}  // namespace cooper::testing
