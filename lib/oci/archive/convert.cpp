#include "cooper/oci/convert.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/oci/overlay_blobs.hpp"

#include "base/hashed_file.hpp"
#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>

namespace cooper::oci {

namespace {

Compression compression_of(const Descriptor& layer) {
    const std::string_view type = layer.media_type;
    if (type == media_type::kOciLayer || type == media_type::kDockerLayer) {
        return Compression::None;
    }
    if (type == media_type::kOciLayerGzip || type == media_type::kDockerLayerGzip) {
        return Compression::Gzip;
    }
    if (type == media_type::kOciLayerZstd) {
        return Compression::Zstd;
    }
    throw Error(ErrorCode::Unsupported,
                "layer " + layer.digest.shortened() + " is of the unknown type " + layer.media_type);
}

bool must_convert(Compression compression, LayerForm form) {
    switch (form) {
        case LayerForm::Keep:
            return compression != Compression::None && compression != Compression::Gzip;
        case LayerForm::Uncompressed:
            return compression != Compression::None;
    }
    return false;
}

struct Converted {
    Descriptor descriptor;
    std::filesystem::path file;
};

/// Fetches, verifies blob and diff ID, and writes the layer anew.
Converted convert_layer(const Descriptor& layer, Compression compression, const Digest& diff_id, const Blobs& blobs,
                        LayerForm form, const std::filesystem::path& spool, const Run& run) {
    const std::string what = "layer " + layer.digest.shortened();
    Converted converted{layer, spool / ("converted-" + std::string(layer.digest.hex()))};
    HashedFile file(converted.file);
    const std::unique_ptr<Sink> compressor = form == LayerForm::Keep ? gzip_compressing(file) : nullptr;
    Sink& target = compressor ? *compressor : file;

    const auto content = decompressed(verified(blobs.open(layer, 0, run), layer.digest, layer.size, what), compression);
    Hasher inside(diff_id.algorithm());
    std::vector<std::byte> buffer(kStreamStep);
    while (const std::size_t count = content->read(buffer)) {
        run.check();
        inside.update(Bytes(buffer).first(count));
        target.write(Bytes(buffer).first(count));
    }
    if (const Digest actual = inside.finish(); actual != diff_id) {
        throw IntegrityError("diff ID of " + what, diff_id.text(), actual.text());
    }
    target.finish();

    converted.descriptor = {std::string(form == LayerForm::Keep ? media_type::kOciLayerGzip : media_type::kOciLayer),
                            file.digest(),
                            file.size(),
                            {},
                            {},
                            {},
                            {}};
    return converted;
}

std::string oci_layer_type(const Descriptor& layer) {
    switch (compression_of(layer)) {
        case Compression::Gzip:
            return std::string(media_type::kOciLayerGzip);
        case Compression::Zstd:
            return std::string(media_type::kOciLayerZstd);
        default:
            return std::string(media_type::kOciLayer);
    }
}

/// The manifest with new layer descriptors, as an OCI manifest; everything else that it holds stays. Annotations of a
/// converted layer go: they speak of the old blob (eStargz and zstd:chunked tables).
Manifest with_layers(const Manifest& manifest, const std::map<std::size_t, Descriptor>& converted) {
    json::Value document = json::parse(manifest.raw.bytes, "manifest");
    document["mediaType"] = media_type::kOciManifest;
    document["config"]["mediaType"] = media_type::kOciConfig;
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        json::Value& layer = document["layers"][i];
        if (const auto found = converted.find(i); found != converted.end()) {
            layer = {{"mediaType", found->second.media_type},
                     {"digest", found->second.digest.text()},
                     {"size", found->second.size}};
        } else {
            layer["mediaType"] = oci_layer_type(manifest.layers[i]);
        }
    }
    return Manifest::parse(classify_manifest(json::write(document), media_type::kOciManifest).raw);
}

}  // namespace

bool needs_conversion(const Image& image, LayerForm form) {
    const auto& layers = image.manifest.layers;
    return std::any_of(layers.begin(), layers.end(),
                       [&](const Descriptor& layer) { return must_convert(compression_of(layer), form); });
}

Image convert_layers(const Image& image, LayerForm form, const std::filesystem::path& spool, const Run& run) {
    image.check();
    std::map<std::size_t, Descriptor> converted;
    std::map<Digest, Converted> by_digest;  // a layer that occurs twice is converted once
    std::map<Digest, std::filesystem::path> files;
    for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
        const Descriptor& layer = image.manifest.layers[i];
        const Compression compression = compression_of(layer);
        if (!must_convert(compression, form)) {
            continue;
        }
        auto known = by_digest.find(layer.digest);
        if (known == by_digest.end()) {
            const Digest& diff_id = image.config.diff_ids[i];
            known =
                by_digest
                    .emplace(layer.digest, convert_layer(layer, compression, diff_id, *image.blobs, form, spool, run))
                    .first;
            files.emplace(known->second.descriptor.digest, known->second.file);
        }
        converted.emplace(i, known->second.descriptor);
    }
    if (converted.empty()) {
        return image;
    }
    return {with_layers(image.manifest, converted), image.config, overlay_blobs(std::move(files), image.blobs)};
}

}  // namespace cooper::oci
