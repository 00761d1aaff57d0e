// How the verbs that make layers compress them.
#pragma once

#include "cooper/build/layer.hpp"
#include "cooper/oci/place.hpp"

#include "command_line.hpp"

#include <optional>
#include <string>

namespace cooper::cli {

struct CompressionFlags {
    Compression kind = Compression::Gzip;
    std::optional<std::string> level;

    /// --compression and --compression-level.
    void declare(CommandLine& line);
    /// Throws UsageError for a level that the compression does not have.
    [[nodiscard]] build::LayerCompression layers() const;
    /// Throws UsageError for zstd into a docker-archive or an engine, where layers would be compressed a second time.
    void check_for(const oci::PlaceName& destination) const;
};

}  // namespace cooper::cli
