// Images from any place to any place. Digests are kept wherever the destination can hold them.
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/archive_writer.hpp"
#include "cooper/oci/convert.hpp"
#include "cooper/oci/docker_archive.hpp"
#include "cooper/oci/engine.hpp"
#include "cooper/oci/graph.hpp"
#include "cooper/oci/place.hpp"
#include "cooper/oci/registry.hpp"
#include "cooper/oci/store.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::oci {

/// What places need to be opened; a place that needs what is not given is Error{InvalidInput}. Made when it is first
/// asked for (a copy between files opens no socket). All of it is borrowed and must outlive every Graph that came from
/// it.
struct PlaceAccess {
    std::function<RegistryClient&()> registry;
    std::function<EngineClient&()> engine;
    Store* store = nullptr;   ///< null: none; then store: places are refused
    bool fill_store = false;  ///< blobs read from registries are kept in the store
    /// A directory for streams and re-encoded layers, asked for when one is needed; must stay as long.
    std::function<std::filesystem::path()> spool;
    /// Where pushes remember open uploads, so that one that was cut goes on; empty: they do not.
    std::filesystem::path upload_sessions;
    std::function<Source&()> input;  ///< standard input, for "-"
    std::function<Sink&()> output;   ///< standard output
};

/// What is at a place.
struct OpenedPlace {
    Graph graph;
    std::vector<Reference> names;  ///< its own, where the place gives names (not a digest alone)
    std::string text;              ///< the place, for messages
    /// Repositories that hold its blobs, for cross-repository mounts; the first is where it came from.
    std::vector<Reference> repositories;
    /// The index that one platform was chosen from.
    std::optional<Index> index = std::nullopt;
};

/// Opens a place for reading. `platform` given: that platform's image alone; nullopt with `whole`: everything below the
/// name; nullopt without: linux/host architecture of an index. Blobs come through the store where there is one.
OpenedPlace open_place(const PlaceName& place, const std::optional<Platform>& platform, bool whole,
                       const PlaceAccess& access, const Run& run);

/// All images of an archive (docker-archive: and docker-daemon: places hold several); other places give one.
std::vector<OpenedPlace> open_places(const PlaceName& place, const std::optional<Platform>& platform, bool whole,
                                     const PlaceAccess& access, const Run& run);

struct WriteOptions {
    std::vector<Reference> names;  ///< besides the place's own
    /// Layers that the destination cannot hold are re-encoded only when this says so; docker-archive and docker-daemon
    /// cannot hold zstd for all loaders, so Keep means gzip there and digests of the manifest change (never config nor
    /// diff IDs).
    LayerForm layers = LayerForm::Keep;
    ArchiveFormat format = ArchiveFormat::Hybrid;
    bool checksum = false;
    bool deep = false;
    unsigned connections = 4;
    std::string task;
};

/// What went into a docker-archive.
struct WrittenArchive {
    ArchivePlan plan;
    std::vector<ArchiveImage> images;  ///< the plan's, in order
    std::vector<Image> originals;      ///< the same before their layers were re-encoded
};

struct WrittenPlace {
    Digest manifest;                 ///< as the destination holds it
    std::optional<Digest> image_id;  ///< config; nullopt for an index
    std::uint64_t bytes_sent = 0;    ///< of blobs
    std::uint64_t bytes_reused = 0;  ///< there already, or mounted
    std::uint64_t size = 0;          ///< of the file, for archives
    std::optional<Digest> sha256;    ///< of the file, with `checksum`
    /// Of docker-archives; else null. Its blobs must not be read once the spool is gone.
    std::shared_ptr<const WrittenArchive> archive = nullptr;
};

/// Writes graphs to a place: one to a registry, layout or store; one or more to an archive or engine. An index goes
/// whole where the place can hold it; to docker-archive and docker-daemon only if it has one image (else
/// Error{InvalidInput} that says --platform). Nothing is visible there under a name until all of it is there.
WrittenPlace write_place(const PlaceName& place, const std::vector<OpenedPlace>& from, const WriteOptions& options,
                         const PlaceAccess& access, const Run& run);

}  // namespace cooper::oci
