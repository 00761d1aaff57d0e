// --lock FILE of the verbs that write a tarball: the lock beside it.
#pragma once

#include "cooper/delivery/lock.hpp"
#include "cooper/oci/place.hpp"
#include "cooper/oci/store.hpp"

#include "command_line.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace cooper::cli {

struct LockFlag {
    std::string file;  ///< empty: no lock is asked for

    void declare(CommandLine& line);
    [[nodiscard]] bool given() const noexcept { return !file.empty(); }
    /// Throws UsageError when the lock would take the place of the tarball, or the tarball is a stream.
    void check(const std::string& tarball) const;
    /// Once the tarball is there: its lock, whole or not at all.
    void write(const delivery::LockInput& input) const;
};

/// What a lock says of where an image came from: references of registries and engines, never a local path. `manifest`:
/// what the place gave, before its layers were re-encoded. `store`: where it is remembered how images were built here;
/// null: nowhere.
delivery::LockOrigin lock_origin(const oci::PlaceName& place, const Digest& manifest, const oci::Store* store);

/// How the layers came to be that `cooper append` made with this store. Null: none is known.
delivery::LayerMakers remembered_makers(const std::vector<oci::Image>& images, const oci::Store* store);

/// The memory of layers in a store.
std::filesystem::path layer_memory_directory(const oci::Store& store);

}  // namespace cooper::cli
