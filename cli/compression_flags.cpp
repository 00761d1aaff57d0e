#include "compression_flags.hpp"

#include "cooper/base/error.hpp"

namespace cooper::cli {

namespace {

constexpr unsigned kMaxZstdLevel = 19;

Compression parse_compression(std::string_view text) {
    for (const auto kind : {Compression::Gzip, Compression::Zstd, Compression::None}) {
        if (text == to_string(kind)) {
            return kind;
        }
    }
    throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is not gzip, zstd or none");
}

}  // namespace

void CompressionFlags::declare(CommandLine& line) {
    line.parsed("--compression", "KIND", "of new layers: gzip (default), zstd or none", kind, parse_compression);
    line.parsed("--compression-level", "LEVEL", "gzip: fast (default), small; zstd: 1 to 19, default: 3", level,
                [](auto text) { return std::string(text); });
}

build::LayerCompression CompressionFlags::layers() const {
    build::LayerCompression compression;
    compression.kind = kind;
    if (!level) {
        return compression;
    }
    if (kind == Compression::Zstd) {
        compression.zstd.level =
            static_cast<int>(as_usage("--compression-level", [&] { return parse_count(*level, 1, kMaxZstdLevel); }));
    } else if (kind == Compression::Gzip && *level == "small") {
        compression.gzip.level = GzipOptions::Level::Small;
    } else if (kind == Compression::None || *level != "fast") {
        throw UsageError("--compression-level: \"" + *level + "\" is no level of " + std::string(to_string(kind)),
                         "fast or small with gzip, 1 to 19 with zstd");
    }
    return compression;
}

void CompressionFlags::check_for(const oci::PlaceName& destination) const {
    using Kind = oci::PlaceName::Kind;
    if (kind == Compression::Zstd &&
        (destination.kind == Kind::DockerArchive || destination.kind == Kind::DockerDaemon)) {
        throw UsageError("--compression zstd: not every engine loads zstd layers from an archive",
                         "docker://…, oci:… or oci-archive:… as the destination, or gzip");
    }
}

}  // namespace cooper::cli
