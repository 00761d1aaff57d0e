// The lock of a tarball: all that decides its bytes, so that it can be made again, offline and years later.
//
// Schema cooper.lock/v1. One canonical JSON document (RFC 8785: keys sorted, nothing but what is needed between them),
// which names itself: the member "digest" is the SHA-256 of the document without it, so one changed byte is found even
// where no signature is at hand. It holds no secrets, no local paths and no times: the same inputs make the same lock.
//
//   {"schema":"cooper.lock/v1","format_version":1,"archive_format":"hybrid|docker","digest":"sha256:…",
//    "tool":{"version":"1.0.0"},
//    "images":[{"manifest":"the exact bytes","media_type":"…","config":"the exact bytes","repo_tags":["…"],
//               "given":"docker://…","pinned":"NAME@sha256:…","base":{"name":"…","digest":"sha256:…","layers":3},
//               "build":{"schema":"cooper.build.lock/1",…}}],
//    "layers":[{"digest":"sha256:…","size":1,"media_type":"…","diff_id":"sha256:…",
//               "compressor":"isal-2.30.0/level1/…","made_from":"sha256:…"}],
//    "segments":[{"literal":"sha256:…","size":1},{"blob":"sha256:…","size":1}],
//    "source":{"repository":"…","branch":"…","commit":"…","tree":"…"},
//    "output":{"name":"app_latest.tar","size":1,"sha256":"…","plan":"…"}}
#pragma once

#include "cooper/build/build_record.hpp"
#include "cooper/oci/convert.hpp"
#include "cooper/oci/docker_archive.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

inline constexpr std::string_view kLockSchema = "cooper.lock/v1";
/// Some images of 4 MiB documents fit; what is larger is no lock.
inline constexpr std::size_t kMaxLock = 64 * 1024 * 1024;

/// The image that another one was built on.
struct LockedBase {
    std::string name;        ///< "docker.io/library/debian:12"; may be empty
    std::string manifest;    ///< digest; may be empty
    std::size_t layers = 0;  ///< how many of the image's layers are the base's; 0: not known
    bool operator==(const LockedBase&) const = default;
};

struct LockedImage {
    oci::RawManifest manifest;  ///< as it stands in the archive
    std::string config;         ///< exact bytes
    std::vector<std::string> repo_tags;
    std::string given;   ///< the reference that the user gave, where it is no local path; may be empty
    std::string pinned;  ///< "registry.example/app@sha256:…": what it was resolved to; empty: not from a registry
    std::optional<LockedBase> base;
    std::optional<build::BuildRecord> build = std::nullopt;  ///< where cooper built it on the machine of the lock
};

struct LockedLayer {
    oci::Descriptor blob;  ///< digest, size and media type, as the manifest has them
    Digest diff_id;
    /// When cooper made the blob: the compressor's fingerprint (gzip_fingerprint(), zstd_fingerprint(), "none").
    std::string compressor;
    std::optional<Digest> made_from;  ///< the blob that was re-encoded (zstd of a registry)
};

/// A stretch of the archive by digest: of literal bytes their SHA-256.
struct LockedSegment {
    std::uint64_t size = 0;
    Digest digest;
    bool blob = false;
    bool operator==(const LockedSegment&) const = default;
};

/// Where the image's content came from. Empty: not known.
struct LockedSource {
    std::string repository;
    std::string branch;
    std::string commit;
    std::string tree;  ///< the commit's git tree
    bool operator==(const LockedSource&) const = default;
};

struct LockedOutput {
    std::string name;  ///< colon-free: "openhands_latest.tar"
    std::uint64_t size = 0;
    Digest sha256;
    Digest plan;  ///< ArchivePlan::identity()
};

/// A value.
struct Lock {
    int format_version = oci::kArchiveFormatVersion;
    oci::ArchiveFormat format = oci::ArchiveFormat::Hybrid;
    std::string tool_version;
    std::vector<LockedImage> images;
    std::vector<LockedLayer> layers;  ///< each blob once, in the order of the archive
    std::vector<LockedSegment> segments;
    LockedSource source;
    LockedOutput output;

    /// nullptr: the blob is none of the layers.
    [[nodiscard]] const LockedLayer* find(const Digest& blob) const;
    /// "docker.io/library/app:1, layer 3 of 9, of its base docker.io/library/debian:12", for messages about a layer.
    [[nodiscard]] std::string owner_of(const Digest& blob) const;
};

/// A lock of a schema or archive format that this cooper does not know: exit code 13.
class UnknownLockVersion : public Error {
public:
    explicit UnknownLockVersion(const std::string& message);
    ~UnknownLockVersion() override;
};

/// What was made, or looked at, is not what the lock asks for, or not to the grade that was asked: exit code 5.
class NotReproducible : public Error {
public:
    explicit NotReproducible(const std::string& message);
    ~NotReproducible() override;
};

/// How a layer blob came to be, by its digest, where cooper made it.
struct LayerMaker {
    std::string compressor;
    std::optional<Digest> made_from;
};
using LayerMakers = std::map<Digest, LayerMaker>;

/// Notes what oci::convert_layers() made of `before`.
void note_conversion(const oci::Image& before, const oci::Image& after, oci::LayerForm form, LayerMakers& makers);

/// What a lock says of one image besides its documents.
struct LockOrigin {
    std::string given;
    std::string pinned;
    std::optional<LockedBase> base;  ///< nullopt: what the manifest's annotations say
                                     ///< (org.opencontainers.image.base.name, .digest)
    std::optional<build::BuildRecord> build = std::nullopt;
};

struct LockInput {
    const oci::ArchivePlan& plan;
    const std::vector<oci::ArchiveImage>& images;  ///< that the plan was made of, in their order
    std::vector<LockOrigin> origins;               ///< one for each image, or empty
    oci::ArchiveFormat format = oci::ArchiveFormat::Hybrid;
    LayerMakers makers;
    LockedSource source;
    std::string name;  ///< of the tarball
    Digest sha256;     ///< of the tarball
    std::string tool_version;
};
Lock make_lock(const LockInput& input);

/// The plan's segments by digest.
std::vector<LockedSegment> locked_segments(const oci::ArchivePlan& plan);

std::string lock_to_json(const Lock& lock);
/// Strict. Throws UnknownLockVersion; IntegrityError for a document that is not what its own digest says;
/// Error{InvalidInput} for what is no lock, or whose images, layers and segments do not fit together. `what` names it.
Lock lock_from_json(std::string_view text, std::string_view what);
/// From a file.
Lock read_lock(const std::filesystem::path& path);

/// The plan that the lock describes, its layers from `blobs`. Throws IntegrityError when this cooper lays the archive
/// out otherwise than the lock says (a lock that was made by hand, or a defect).
oci::ArchivePlan plan_of(const Lock& lock, std::shared_ptr<const oci::Blobs> blobs);

}  // namespace cooper::delivery
