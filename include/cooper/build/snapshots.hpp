// The file systems of steps: layers that lie unpacked on a disk, stacked, changed, and turned into new layers.
//
// OCI image specification 1.1, layer.md; Linux overlayfs (Documentation/filesystems/overlayfs.rst); `dockerfile.md`
// sections 6 and 11. A layer is unpacked once per machine and isolation mode and shared by all builds; blobs are made
// when somebody asks for one, so layers that never leave are never compressed.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/layer.hpp"
#include "cooper/build/sandbox.hpp"
#include "cooper/oci/image.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

/// What a capture does to what it finds.
struct CaptureOptions {
    /// Later times of files in the layer are set to it, in the layer and in the tree; all are whole seconds. A .pyc
    /// file that goes by its source's time (PEP 552) gets the source's new time inside when the same layer has the
    /// source, so that Python goes on to believe it.
    std::int64_t epoch = 0;
    /// Lists of files that package managers leave and that differ from run to run: "debian", "alpine", "python"
    /// (`trust-and-delivery.md` 1.2). Left out of the layer; those of the layers below stay as they were there.
    std::vector<std::string> scrub;
};

/// A new layer; its blob does not exist yet.
struct CapturedLayer {
    Digest diff_id;
    std::uint64_t tar_size = 0;
    std::uint64_t entries = 0;
    std::vector<std::string> scrubbed;  ///< paths, at most 1,000
};

/// A root file system that can be changed: layers, and what has happened on top of them since. One thread at a time.
class RootTree {
public:
    virtual ~RootTree() = default;
    /// A directory that is the whole file system, as a container sees it.
    [[nodiscard]] virtual const std::filesystem::path& path() const = 0;
    /// The layers that path() stood on when nothing had been changed: base first.
    [[nodiscard]] virtual const std::vector<Digest>& layers() const = 0;
    /// What was changed since the last capture (or the opening) as a layer (OCI layer.md, "Representing Changes";
    /// what is in it: `dockerfile.md` section 6, and the directories above each change); the tree then stands on it.
    /// The same changes give the same bytes, whatever the mode, but for owners in SingleUser. The layer is kept, as
    /// add() keeps one. A tree without changes gives the empty layer. Names of one file within the layer are hard
    /// links; where one of several names that lower layers gave a file is written to, the others keep the old content,
    /// also in trees that are copies. Owner, mode and time of the root itself are in no layer and do not last.
    virtual CapturedLayer capture(const CaptureOptions& options, const Run& run) = 0;
    /// Owners and groups that could not be given to a file (SingleUser, None): remembered, so that capture() writes
    /// them. There changed files keep the owner that their path has in the layers, new ones are root's. `path` is in
    /// the tree, absolute, without links. In modes with owners this is lchown(2).
    virtual void set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) = 0;
    /// The owner as the layers have it.
    [[nodiscard]] virtual std::pair<std::uint32_t, std::uint32_t> owner(const std::string& path) const = 0;
};

/// Layers unpacked below a directory. Safe from several threads and processes.
class Snapshots {
public:
    /// `directory` is made (0700). Trees of other modes lie beside ours and are not touched.
    Snapshots(std::filesystem::path directory, Confinement how);
    ~Snapshots();
    Snapshots(const Snapshots&) = delete;
    Snapshots& operator=(const Snapshots&) = delete;

    [[nodiscard]] bool has(const Digest& diff_id) const;
    /// Unpacks layer `index` of `image` unless it is there; digest and diff ID are checked, nothing is visible before.
    /// Hard links to files of lower layers are looked up there (their diff IDs are the image's).
    void add(const oci::Image& image, std::size_t index, const Run& run);
    /// All of them, side by side where that is faster.
    void add_all(const oci::Image& image, const Run& run);

    /// The file system that these layers make, each of which must be here. None: an empty root (0755 0:0). What is
    /// changed lies in a directory of its own that goes with the tree.
    [[nodiscard]] std::unique_ptr<RootTree> open(const std::vector<Digest>& layers, const Run& run);
    /// The same to read only; cheaper. The directory lives as long as the handle.
    [[nodiscard]] std::unique_ptr<RootTree> open_to_read(const std::vector<Digest>& layers, const Run& run);

    /// The blob of a layer that was captured here (not of one that was added: its blob has its own compression).
    /// Written into `spool`, in one pass, with all cores. Throws IntegrityError when the tree was changed since.
    [[nodiscard]] BuiltLayer blob(const Digest& diff_id, const LayerCompression& compression,
                                  const std::filesystem::path& spool, const Run& run) const;

    struct Usage {
        std::uint64_t layers = 0;
        std::uint64_t bytes = 0;
    };
    /// Below `directory`, of all modes that this process can read.
    static Usage usage(const std::filesystem::path& directory, const Run& run);
    /// Removes layers that nobody has open and that were not used for `max_age`, and what killed builds left. Returns
    /// what went. Needs the mode that made them (confine_process): others stay.
    static Usage collect(const std::filesystem::path& directory, std::chrono::seconds max_age, bool dry_run,
                         const Run& run);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cooper::build
