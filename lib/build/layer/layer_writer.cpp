#include "build/layer/layer_writer.hpp"

#include "cooper/base/error.hpp"

#include <cerrno>
#include <cstdio>
#include <random>

namespace cooper::build {

namespace {

[[noreturn]] void refuse(Compression kind) {
    throw Error(ErrorCode::Unsupported,
                "layers cannot be written with " + std::string(to_string(kind)) + " compression")
        .advise("gzip, zstd and none can be written");
}

std::filesystem::path unused_name(const std::filesystem::path& spool) {
    std::random_device random;
    return spool / ("layer-" + std::to_string(random()) + "-" + std::to_string(random()));
}

std::unique_ptr<Sink> make_compressor(Sink& to, const LayerCompression& compression) {
    switch (compression.kind) {
        case Compression::None:
            return nullptr;
        case Compression::Gzip:
            return gzip_compressing(to, compression.gzip);
        case Compression::Zstd:
            return zstd_compressing(to, compression.zstd);
        default:
            refuse(compression.kind);
    }
}

struct BlobForm {
    std::string_view media_type;
    std::string_view suffix;
};

BlobForm form_of(Compression kind) {
    switch (kind) {
        case Compression::Gzip:
            return {oci::media_type::kOciLayerGzip, ".tar.gz"};
        case Compression::Zstd:
            return {oci::media_type::kOciLayerZstd, ".tar.zst"};
        default:
            return {oci::media_type::kOciLayer, ".tar"};
    }
}

}  // namespace

std::string LayerCompression::fingerprint() const {
    switch (kind) {
        case Compression::None:
            return "none";
        case Compression::Gzip:
            return gzip_fingerprint(gzip);
        case Compression::Zstd:
            return zstd_fingerprint(zstd);
        default:
            refuse(kind);
    }
}

LayerWriter::LayerWriter(const std::filesystem::path& spool, const LayerCompression& compression)
    : compression_(compression),
      path_(unused_name(spool)),
      blob_(path_),
      compressor_(make_compressor(blob_, compression)) {}

void LayerWriter::write(Bytes chunk) {
    tar_size_ += chunk.size();
    // Without a compressor the tar is the blob: one hash names both.
    if (compressor_) {
        hasher_.update(chunk);
        compressor_->write(chunk);
    } else {
        blob_.write(chunk);
    }
}

void LayerWriter::finish() {
    (compressor_ ? *compressor_ : blob_).finish();
}

BuiltLayer LayerWriter::take() {
    const auto form = form_of(compression_.kind);
    auto named = path_.parent_path() / (std::string(blob_.digest().hex()) + std::string(form.suffix));
    if (std::rename(path_.c_str(), named.c_str()) != 0) {
        throw SystemError("cannot rename '" + path_.string() + "'", errno);
    }
    oci::Descriptor descriptor{std::string(form.media_type), blob_.digest(), blob_.size(), {}, {}, {}, {}};
    return {
        std::move(descriptor),     compressor_ ? hasher_.finish() : blob_.digest(), std::move(named), {}, 0, tar_size_,
        compression_.fingerprint()};
}

}  // namespace cooper::build
