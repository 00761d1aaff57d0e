// Layers of an archive that has no manifest: read once, hashed, and described (private).
#pragma once

#include "cooper/base/compression.hpp"
#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"
#include "cooper/oci/config.hpp"
#include "cooper/oci/manifest.hpp"

#include "oci/archive/listing.hpp"
#include "oci/archive/members.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// The SHA-256 that a member's name claims: "HEX.json", "HEX.tar.gz", "sha256:HEX", "blobs/sha256/HEX". A layer's may
/// be its diff ID as well.
std::optional<Digest> digest_in_name(std::string_view member);

struct ArchivedLayer {
    Range range;
    Compression compression = Compression::None;
    Digest digest;  ///< of the member's bytes
    /// Of the tar inside; nullopt where the member's name vouches for its bytes, so that they were not inflated.
    std::optional<Digest> diff_id;
};

/// Remembers what it hashed, so that a layer of several images is read once. Safe from several threads.
class LayerHashes {
public:
    /// The layers of `listing`, in its order; each distinct member is read once, on all cores. Throws Error: Integrity
    /// (not there, another diff ID than the config has), Unsupported (xz, bzip2), InvalidInput (another number of
    /// layers than the config's).
    std::vector<ArchivedLayer> of(const Members& members, const Listing& listing, const Config& config, const Run& run);

private:
    /// A diff ID may be a SHA-512.
    using Key = std::pair<Range, DigestAlgorithm>;

    [[nodiscard]] std::optional<ArchivedLayer> find(const Key& key);

    std::mutex mutex_;
    std::map<Key, ArchivedLayer> known_;
};

/// An OCI manifest of these layers. The same layers and config give the same bytes.
Manifest make_manifest(const Config& config, const std::vector<ArchivedLayer>& layers);

}  // namespace cooper::oci
