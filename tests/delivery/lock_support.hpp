// A tarball of two images that share a layer, and its lock.
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/delivery/lock.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace cooper::testing {

struct LockedTarball {
    std::vector<oci::ArchiveImage> images;
    delivery::Lock lock;
    std::string text;  ///< the lock
};

/// Writes `file`: "acme/app:1" (a shared, a plain and a top layer, on the base debian:12) and "acme/api:1" (the shared
/// one alone). The top layer is one that cooper compressed, from `top`.
LockedTarball locked_tarball(const std::filesystem::path& file, const std::string& salt = "");
std::string top_layer_tar(const std::string& salt = "");

std::string read_whole(const std::filesystem::path& path);

/// The Error that `body` throws, as "code: text; advice"; "" when it throws none.
template <class F>
std::string refusal_of(F&& body) {
    try {
        static_cast<void>(body());
    } catch (const Error& error) {
        return std::string(to_string(error.code())) + ": " + error.what() + "; " + error.advice();
    }
    return "";
}

}  // namespace cooper::testing
