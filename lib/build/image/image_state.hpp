// What a stage has made so far: layers, config, history (private).
#pragma once

#include "cooper/build/build_cache.hpp"
#include "cooper/oci/image.hpp"
#include "cooper/oci/platform.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace cooper::build {

inline constexpr const char* kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A layer, which may be a blob somewhere, a step's record, or both.
struct LayerState {
    Digest diff_id;
    std::optional<oci::Descriptor> blob;
    std::shared_ptr<const oci::Blobs> source;  ///< opens `blob`
    std::optional<StepRecord> step;            ///< of a layer that a Dockerfile made
};

/// The members of an image's `config` that Dockerfiles know (OCI image specification 1.1, config.md; Docker's own
/// members as docker and BuildKit write them).
struct ContainerConfig {
    std::vector<std::string> environment;  ///< "K=V"
    std::optional<std::vector<std::string>> entrypoint;
    std::optional<std::vector<std::string>> cmd;
    std::vector<std::string> shell;
    std::string user;
    std::string working_directory;
    std::string stop_signal;
    std::string healthcheck;  ///< JSON; empty: none
    std::map<std::string, std::string> labels;
    std::set<std::string> ports;
    std::set<std::string> volumes;
    std::vector<std::string> onbuild;
};

/// A value: a child stage begins with its parent's.
struct ImageState {
    oci::Platform platform;
    std::string os_version;
    std::string author;
    ContainerConfig config;
    std::vector<LayerState> layers;
    std::vector<std::string> history;  ///< JSON objects, one an entry

    /// FROM scratch, as BuildKit begins it: PATH and "/".
    static ImageState scratch(const oci::Platform& platform);
    /// Of a base image. Throws Error{InvalidInput} for a config that is not one.
    static ImageState of(const oci::Image& image);

    [[nodiscard]] std::vector<Digest> diff_ids() const;
    void add_history(const std::string& created_by, std::int64_t time, bool empty_layer);
    /// The image config's text; every layer must be known by its diff ID. `created` in seconds since 1970.
    [[nodiscard]] std::string config_text(std::int64_t created) const;
    /// For Snapshots: layers whose blobs are not known have descriptors that nobody opens.
    [[nodiscard]] oci::Image unpackable() const;
};

}  // namespace cooper::build
