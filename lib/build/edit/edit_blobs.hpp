// Where the blobs of an edited image come from (private).
#pragma once

#include "cooper/oci/image.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <string>

namespace cooper::build {

struct BlobOrigins {
    std::map<Digest, std::string> documents;                   ///< new configs
    std::map<Digest, std::filesystem::path> files;             ///< new layers; they must stay as long as the blobs
    std::map<Digest, std::shared_ptr<const oci::Blobs>> from;  ///< other places than `rest`
    std::shared_ptr<const oci::Blobs> rest;                    ///< null: Error{NotFound} for all others
};

std::shared_ptr<const oci::Blobs> edit_blobs(BlobOrigins origins);

}  // namespace cooper::build
