// What was built before: steps by the content that decides them, exchanged through registries and directories; and the
// directories of `RUN --mount=type=cache`.
//
// `dockerfile.md` section 7. A hit gives the layer that a miss would give; keys hold all that decides it, times before
// the epoch and the version of this format included. Everything that comes from outside is hostile: a record only says
// where a layer is, and the layer is checked by its digest and diff ID when it is read (a poisoned cache in a registry
// is as bad as a poisoned image there: import only what you trust).
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/sandbox.hpp"
#include "cooper/oci/copy.hpp"
#include "cooper/oci/image.hpp"
#include "cooper/oci/store.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

/// Framed: no two lists of parts have one key. Order counts.
class StepKey {
public:
    /// `kind` "run", "copy", "workdir".
    explicit StepKey(std::string_view kind);
    StepKey& add(std::string_view name, std::string_view value);
    StepKey& add(std::string_view name, const std::vector<std::string>& values);
    [[nodiscard]] Digest finish();

private:
    Hasher hasher_;
};

/// The chain ID of layers (OCI image specification, config.md, "Layer ChainID"); of none: the digest of nothing.
Digest chain_id(const std::vector<Digest>& diff_ids);

/// What a step left.
struct StepRecord {
    Digest key;
    Digest diff_id;
    std::uint64_t tar_size = 0;
    std::string instruction;              ///< for people; printable
    std::optional<oci::Descriptor> blob;  ///< once it was made: the compressed layer
    std::string compressor;               ///< LayerCompression::fingerprint() of it
};

/// Where caches are imported from and exported to, as buildx spells it: "registry/app:cache" or "type=registry,ref=…",
/// "type=local,src=DIR" or "type=local,dest=DIR", "type=inline"; with mode=min|max, compression, ignore-error,
/// image-manifest and oci-mediatypes (taken, without effect).
struct CachePlace {
    enum class Type : std::uint8_t { Registry, Local, Inline };
    Type type = Type::Registry;
    std::string reference;            ///< Registry
    std::filesystem::path directory;  ///< Local
    bool max = false;                 ///< all stages' steps, not only those of the result
    bool ignore_error = false;

    /// Throws Error{InvalidInput}; Error{Unsupported} for gha, s3 and azblob, which says what to use.
    static CachePlace parse_from(std::string_view text);
    static CachePlace parse_to(std::string_view text);
};

/// Steps known to this machine, and those imported. Safe from several threads and processes.
class BuildCache {
public:
    /// Records lie in `directory` (made), blobs in `store`.
    BuildCache(const oci::Store& store, std::filesystem::path directory);
    ~BuildCache();
    BuildCache(const BuildCache&) = delete;
    BuildCache& operator=(const BuildCache&) = delete;

    /// Local ones first. A damaged record is none. Its blob is set only where blobs() can open it.
    [[nodiscard]] std::optional<StepRecord> find(const Digest& key) const;
    /// Written at once; a record that says the same or more stays, one with another diff_id or blob is replaced. Throws
    /// SystemError.
    void remember(const StepRecord& record);

    /// Reads another one's records; blobs stay where they are until they are asked for. What is not there, or is no
    /// cache, is told as a warning and passed over. For Inline and for images exported with it, `reference` is the
    /// image.
    void import(const CachePlace& place, const oci::PlaceAccess& access, const Run& run);
    /// Opens blobs of imported records (through the store where there is one) and of the store.
    [[nodiscard]] std::shared_ptr<const oci::Blobs> blobs() const;

    /// Writes `records` as one OCI manifest with an artifact type of its own, in a registry or a layout (under the name
    /// "latest"; blobs of its former content stay). The same records give the same bytes. Those without a blob, and
    /// what is more than one manifest holds (1,000 blobs), are left out with a warning: the first ones stay. None:
    /// nothing is written. Not Inline. Throws Error unless `place` ignores it.
    void export_to(const CachePlace& place, const std::vector<StepRecord>& records, const oci::PlaceAccess& access,
                   const Run& run) const;
    /// Type Inline: what goes into the manifest's annotations of an image, for its own layers.
    static std::pair<std::string, std::string> inline_annotation(const std::vector<StepRecord>& records);

    /// Records not used for `max_age` go, and those whose layer is neither in the store nor in `snapshots` (a function
    /// of the diff ID). Returns how many.
    std::uint64_t collect(std::chrono::seconds max_age, const std::function<bool(const Digest& diff_id)>& has_snapshot,
                          bool dry_run, const Run& run) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The directories of cache mounts. Safe from several threads and processes.
class CacheMounts {
public:
    enum class Sharing : std::uint8_t { Shared, Private, Locked };
    struct Wanted {
        std::string id;
        Sharing sharing = Sharing::Shared;
        std::uint32_t uid = 0;
        std::uint32_t gid = 0;
        std::uint32_t mode = 0755;
        std::filesystem::path seed;         ///< copied into a new one; empty: none
        std::optional<Digest> seed_digest;  ///< names the seed; another one is another directory
    };
    /// Held while the step runs. Locked has the directory alone and waits for it; Private gets one that nobody else
    /// holds, another one if need be; Shared has it with others that share it.
    class Lease {
    public:
        virtual ~Lease() = default;
        [[nodiscard]] virtual const std::filesystem::path& path() const = 0;
    };

    /// Trees of other isolation modes lie beside ours.
    CacheMounts(std::filesystem::path directory, Confinement how);
    [[nodiscard]] std::unique_ptr<Lease> acquire(const Wanted& wanted, const Run& run);
    /// All that one step wants, in the order asked for: taken in an order that is the same for everybody, so that steps
    /// never wait for each other, and what is asked for twice is one directory.
    [[nodiscard]] std::vector<std::shared_ptr<Lease>> acquire_all(const std::vector<Wanted>& wanted, const Run& run);

    struct Usage {
        std::uint64_t mounts = 0;
        std::uint64_t bytes = 0;
    };
    /// Below `directory`, of all modes that this process can read.
    static Usage usage(const std::filesystem::path& directory, const Run& run);
    /// Removes what nobody holds and nobody used for `max_age`. Returns what went. Needs the mode that made it
    /// (confine_process): what cannot be removed stays.
    static Usage collect(const std::filesystem::path& directory, std::chrono::seconds max_age, bool dry_run,
                         const Run& run);

private:
    std::filesystem::path directory_;
    Confinement how_;
};

}  // namespace cooper::build
