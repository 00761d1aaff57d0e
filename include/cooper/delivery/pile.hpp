// A pile of blobs: all the places that a tarball can be made again from.
//
// Blobs are read where they lie, by range: nothing is unpacked or copied. Each is hashed while it is read, once. A
// place whose blob turns out damaged is passed over when the write is tried again (recover()), so that memory stays
// bounded and the common case costs nothing: bytes that were already written cannot be taken back from a stream.
//
//   BlobPile pile(spool);
//   pile.add_store(store);
//   pile.add_place("kit.tar", run);
//   pile.complete(lock, run);                          // names every blob that is nowhere
//   const auto plan = plan_of(lock, pile.blobs());
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/delivery/lock.hpp"
#include "cooper/oci/registry.hpp"
#include "cooper/oci/store.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

/// Places are asked in the order in which they were added, registries last. Not thread-safe; blobs() is.
class BlobPile {
public:
    /// `spool`: an existing directory for archives that are compressed as a whole and for layers that are compressed
    /// again. It must outlive the pile and everything that reads its blobs.
    explicit BlobPile(std::filesystem::path spool);
    ~BlobPile();
    BlobPile(const BlobPile&) = delete;
    BlobPile& operator=(const BlobPile&) = delete;

    /// Borrowed. A damaged blob is dropped from the store when it is read.
    void add_store(const oci::Store& store);
    /// A directory that is an OCI layout, or a file: a kit, an oci-archive, a tarball of cooper, docker save, podman or
    /// skopeo. The transports' prefixes (oci:, oci-archive:, docker-archive:) may stand before it. Throws Error:
    /// NotFound, InvalidInput (neither), Integrity (cut).
    void add_place(const std::string& place, const Run& run);
    /// Registries that a lock's references name may be asked for what is nowhere else. Called when one is needed; the
    /// client must outlive the pile. Without this no connection is ever made.
    void add_registries(std::function<oci::RegistryClient&()> client);

    /// A lock that a kit among the places holds.
    struct KitLock {
        std::string name;   ///< "openhands_latest.tar"
        std::string place;  ///< the kit
        std::string text;
    };
    [[nodiscard]] std::vector<KitLock> locks() const;

    /// Finds every layer of `lock`. One that is nowhere is compressed again from its tar (or another form of it) when
    /// that is at hand and today's compressor is the lock's (equal fingerprints), or when the layer is a plain tar.
    /// Throws NotReproducible that names each blob that is missing with its image, layer and base, and says what could
    /// be done with what is there. Several locks may be completed, one after another.
    void complete(const Lock& lock, const Run& run);
    /// Where the blob is read from now; nullopt: it was not looked for, or is nowhere.
    [[nodiscard]] std::optional<std::string> place_of(const Digest& blob) const;
    /// The layers of completed locks, and documents that were kept; verified while they are read from their beginning.
    [[nodiscard]] std::shared_ptr<const oci::Blobs> blobs() const;
    /// Bytes that lie nowhere but in a lock (configs); they must be `digest`.
    void keep(const Digest& digest, std::string bytes);

    /// After a read failed: passes over the places of blobs that failed, and hashes the other blobs that were not yet
    /// read whole, so that one further try is enough. False: there is no other place for one of them, or nothing
    /// failed.
    bool recover(const Run& run);

    struct Use {
        std::string place;
        std::uint64_t blobs = 0;
        std::uint64_t bytes = 0;
    };
    /// What came, or will come, from where, in the order of the places.
    [[nodiscard]] std::vector<Use> uses() const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace cooper::delivery
