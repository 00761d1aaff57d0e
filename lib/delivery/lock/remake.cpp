#include "delivery/lock/remake.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/base/text.hpp"

#include "base/hashed_file.hpp"

namespace cooper::delivery {
namespace {

constexpr std::string_view kPlain = "none";
constexpr std::string_view kFastGzip = "isal-";
constexpr std::string_view kSmallGzip = "zlib-";
constexpr std::string_view kZstd = "zstd-";
constexpr std::string_view kLevel = "/level";
constexpr std::uint64_t kMaxZstdLevel = 19;

/// Of "zstd-1.5.4/level3/4MiB/sha256:…".
std::optional<int> level_of(std::string_view fingerprint) {
    const std::size_t at = fingerprint.find(kLevel);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view rest = fingerprint.substr(at + kLevel.size());
    const auto level = parse_uint(rest.substr(0, rest.find('/')));
    return level && *level >= 1 && *level <= kMaxZstdLevel ? std::optional(static_cast<int>(*level)) : std::nullopt;
}

std::unique_ptr<Sink> compressing(Sink& to, const build::LayerCompression& compression) {
    switch (compression.kind) {
        case Compression::Gzip:
            return gzip_compressing(to, compression.gzip);
        case Compression::Zstd:
            return zstd_compressing(to, compression.zstd);
        default:
            return nullptr;
    }
}

}  // namespace

std::optional<Recipe> recipe_of(const LockedLayer& layer) {
    const std::string_view fingerprint = layer.compressor;
    build::LayerCompression compression;
    if (layer.blob.digest == layer.diff_id || fingerprint == kPlain) {
        compression.kind = Compression::None;
    } else if (fingerprint.starts_with(kFastGzip)) {
        compression.gzip.level = GzipOptions::Level::Fast;
    } else if (fingerprint.starts_with(kSmallGzip)) {
        compression.gzip.level = GzipOptions::Level::Small;
    } else if (const auto level = level_of(fingerprint); level && fingerprint.starts_with(kZstd)) {
        compression.kind = Compression::Zstd;
        compression.zstd.level = *level;
    } else {
        return std::nullopt;
    }
    std::string today = compression.fingerprint();
    return Recipe{compression, std::move(today)};
}

std::filesystem::path remake_layer(const LockedLayer& layer, const Recipe& recipe, const oci::Descriptor& form,
                                   const oci::Blobs& blobs, const std::filesystem::path& spool, const Run& run) {
    const std::string what = "blob " + form.digest.shortened();
    auto path = spool / ("made-again-" + std::string(layer.blob.digest.hex()));
    HashedFile file(path);
    const auto compressor = compressing(file, recipe.compression);
    Sink& target = compressor ? *compressor : file;
    const auto tar = decompressed_by_magic(verified(blobs.open(form, 0, run), form.digest, form.size, what));
    Hasher inside(layer.diff_id.algorithm());
    std::vector<std::byte> buffer(kStreamStep);
    while (const std::size_t count = tar->read(buffer)) {
        run.check();
        inside.update(Bytes(buffer).first(count));
        target.write(Bytes(buffer).first(count));
    }
    if (const Digest actual = inside.finish(); actual != layer.diff_id) {
        throw IntegrityError("diff ID of " + what, layer.diff_id.text(), actual.text());
    }
    target.finish();
    if (file.digest() != layer.blob.digest) {
        std::filesystem::remove(path);
        throw IntegrityError("the layer that was made again from " + what, layer.blob.digest.text(),
                             file.digest().text());
    }
    return path;
}

}  // namespace cooper::delivery
