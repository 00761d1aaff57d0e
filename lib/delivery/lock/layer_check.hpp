// Layers of a tarball read, hashed and inflated, several at once (private).
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"
#include "cooper/delivery/lock.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

/// One distinct layer of the lock, where the tarball has it.
struct LayerCheck {
    std::string what;  ///< "docker.io/acme/app:1, layer 2 of 3 (…)"
    const LockedLayer* locked = nullptr;
    std::function<std::unique_ptr<Source>(const Run&)> open;  ///< its bytes

    std::optional<Digest> blob;     ///< of what is there
    std::optional<Digest> diff_id;  ///< of the tar inside; nullopt: it does not inflate
    std::string failure;            ///< why not
};

/// Fills in what the layers are. With `whole`, the SHA-256 of that as well. Only Cancelled leaves.
std::optional<Digest> check_layers(std::vector<LayerCheck>& layers, const Ranged* whole, unsigned jobs,
                                   const std::string& task, const Run& run);

}  // namespace cooper::delivery
