// The local store: blobs by content in an OCI image layout, shared by every cooper process of a user.
//
// Any tool that reads OCI layouts reads it. A blob is whole and right or not there: it is written under a name of its
// own below `ingest/`, hashed as it comes, and renamed into `blobs/` at its end. Many processes may use one store at
// once; kill -9 and full disks leave files below `ingest/` only, which the next run continues or gc removes. Blobs are
// not fsynced: what a power loss leaves of them is found by its digest when it is read, dropped and fetched again.
#pragma once

#include "cooper/base/clock.hpp"
#include "cooper/base/environment.hpp"
#include "cooper/oci/graph.hpp"
#include "cooper/oci/layout.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// A handle on a store and this process's lease on it: while it lives, gc removes no blob that was found, opened, kept
/// or named through it. A store that this user can only read is read, without a lease. Safe from several threads.
class Store {
public:
    /// Makes the directory when it is absent (mode 0700). Throws SystemError, Error{Conflict} for a directory that is
    /// something else.
    explicit Store(const std::filesystem::path& directory);
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    /// COOPER_STORE, else $XDG_DATA_HOME/cooper/store, else ~/.local/share/cooper/store; nullopt when there is no home.
    static std::optional<std::filesystem::path> default_directory(const Environment& environment);

    [[nodiscard]] const std::filesystem::path& path() const noexcept;
    /// As an OCI layout, as other tools see it: its blobs are not verified, and gc does not know what is read there.
    /// An image by name is layout().index(), choose_entry() and through(nullptr).
    [[nodiscard]] OciLayout layout() const;

    [[nodiscard]] bool has(const Digest& blob) const;
    /// The blob's file; nullopt when it is not there. Its content is verified by whoever reads it.
    [[nodiscard]] std::optional<std::filesystem::path> find(const Digest& blob) const;

    /// Blobs of `base` through the store: what is here comes from here; the rest comes from `base` and is kept when it
    /// was read to its end and is right. A blob whose reading was cut before is asked for from where it stopped
    /// (Blobs::open with an offset). Two processes that want one blob: one fetches, the other waits for it or fetches
    /// itself when the first one stops. What it opens at offset 0 is verified (Blobs::verifies). `base` null: only what
    /// is here. A store that cannot be written (read-only, disk full) is told once as a warning, and blobs come from
    /// `base` all the same; with `Fail`, for whom the store is the destination, that is the failure.
    enum class WhenFull { GoOn, Fail };
    [[nodiscard]] std::shared_ptr<const Blobs> through(std::shared_ptr<const Blobs> base,
                                                       WhenFull when_full = WhenFull::GoOn) const;

    /// Keeps bytes that are already in memory (manifests, configs). Throws IntegrityError when they are not `digest`.
    void keep(const Digest& digest, std::string_view bytes) const;
    /// A file of our own making becomes a blob (a hard link, or a copy where the file systems allow none). It must have
    /// these bytes, hashed by the caller, and must not be written any more; its own name may go.
    void adopt(const Digest& digest, const std::filesystem::path& file) const;

    /// Names `graph` in the store, with its documents; its blobs must be here (or come later through()). A name that
    /// was there moves.
    void name(const Graph& graph, const std::string& name, const Run& run) const;
    /// Takes a name away; what it alone needed goes with the next gc(). False: there was none.
    bool remove(const std::string& name, const Run& run) const;

    struct Named {
        std::string name;  ///< the digest where the entry of index.json has no name
        Descriptor root;
        std::uint64_t bytes = 0;          ///< of all that it needs and that is here
        std::uint64_t missing = 0;        ///< blobs that it needs and that are not here (of a sparse index: none)
        std::vector<Platform> platforms;  ///< of the images that are here
        TimePoint last_used;
    };
    /// All names, in their order.
    [[nodiscard]] std::vector<Named> names(const Run& run) const;

    struct Usage {
        std::uint64_t blobs = 0;
        std::uint64_t bytes = 0;
        std::uint64_t unreferenced_blobs = 0;  ///< what gc() without limits would remove
        std::uint64_t unreferenced_bytes = 0;
        std::uint64_t partial_bytes = 0;  ///< below ingest/
        std::uint64_t other_bytes = 0;    ///< memories of layers and trees
    };
    [[nodiscard]] Usage usage(const Run& run) const;

    struct Damaged {
        std::filesystem::path path;
        std::string why;                  ///< "is sha256:…", "12 bytes instead of 40"
        std::vector<std::string> images;  ///< names that need it
    };
    struct Verified {
        std::uint64_t blobs = 0;
        std::uint64_t bytes = 0;
        std::vector<Damaged> damaged;
        /// Digests that named images need and that are not here (a sparse index is no damage: only what was once
        /// named whole).
        std::vector<Damaged> missing;
    };
    /// Rehashes every blob, on all cores. With `remove_damaged` what is damaged goes, so that it is fetched again.
    [[nodiscard]] Verified verify(bool remove_damaged, const Run& run) const;

    struct GcOptions {
        std::optional<std::uint64_t> max_bytes;       ///< names least recently used go until the store is this small
        std::optional<std::chrono::seconds> max_age;  ///< names not used for this long go
        /// Unreferenced blobs younger than this stay, in use or not.
        std::chrono::seconds grace{3600};
        bool dry_run = false;
    };
    struct Collected {
        std::uint64_t blobs = 0;
        std::uint64_t bytes = 0;
        std::vector<std::string> names;  ///< that were dropped by the limits
        bool in_use = false;             ///< other processes hold leases: blobs they may need stayed
    };
    Collected gc(const GcOptions& options, const Run& run) const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace cooper::oci
