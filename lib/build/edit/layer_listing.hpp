// What layers say, entry by entry, without their contents (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/build/diff.hpp"
#include "cooper/oci/image.hpp"

#include "build/apply/whiteout.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

/// One entry of a layer. Small, since there may be millions.
struct LayerEntry {
    std::string path;  ///< cleaned; "": the root
    std::string link;
    std::shared_ptr<const std::map<std::string, std::string>> xattrs;  ///< null: none
    std::uint64_t uid = 0;
    std::uint64_t gid = 0;
    std::uint64_t size = 0;
    std::int64_t mtime = 0;
    std::uint32_t mode = 0;
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::uint32_t member = 0;  ///< number in the tar, from 0
    TarType type = TarType::File;
    Whiteout::Kind whiteout = Whiteout::Kind::None;
    std::optional<std::array<std::byte, 32>> content;  ///< SHA-256, of files whose contents were hashed

    /// As a header under another path.
    [[nodiscard]] TarEntry header(std::string at) const;
};

struct LayerListing {
    std::vector<LayerEntry> entries;  ///< in the tar's order
};

enum class Contents : std::uint8_t { Ignored, Hashed };

/// A layer of an image that outlives the call.
struct LayerOf {
    const oci::Image* image = nullptr;
    std::size_t index = 0;
};

/// Reads layers, several at once; each is checked (digest and diff ID). Names and attributes are bounded together:
/// Error{InvalidInput}. `task` names the progress.
std::vector<LayerListing> list_layers(const std::vector<LayerOf>& layers, Contents contents, const std::string& task,
                                      const Run& run);

}  // namespace cooper::build
