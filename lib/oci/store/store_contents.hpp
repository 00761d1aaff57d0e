// What lies in a store, and what of it index.json needs (private).
#pragma once

#include "cooper/oci/descriptor.hpp"

#include "oci/store/store_directory.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cooper::oci {

/// Set on an entry of index.json by which an image was named when all of it was here. What is missing of it later was
/// lost.
inline constexpr std::string_view kWholeAnnotation = "io.cooper.whole";

struct StoredFile {
    Digest digest;
    std::filesystem::path path;
    FileStatus status{};

    [[nodiscard]] std::uint64_t size() const { return static_cast<std::uint64_t>(status.st_size); }
};

/// Everything below blobs/ that is called like a digest, in the order of the digests. Nothing is touched.
std::vector<StoredFile> list_blobs(const StoreDirectory& directory);

struct NeededBlob {
    Digest digest;
    std::uint64_t size = 0;
};

struct NamedImage {
    std::string name;  ///< the root's digest where the entry has no name
    Descriptor root;
    bool whole = false;
    std::vector<std::size_t> needs;  ///< positions in StoreReferences::blobs, each once; the root is the first
};

/// What an entry of index.json is called: its reference, else its digest.
std::string name_of_entry(const Descriptor& entry);

/// The entries of index.json and all that they need, as far as the documents that say so are here.
struct StoreReferences {
    std::vector<NamedImage> images;
    std::vector<NeededBlob> blobs;
    std::map<Digest, std::size_t> positions;
    std::vector<Digest> damaged;  ///< documents that are not what they should be, so nobody knows what they need
};

/// Counts as no use of what it reads. Throws Error for an index.json that is none.
StoreReferences read_references(const StoreDirectory& directory, const Run& run);

/// A document among the blobs, verified; nullopt when it is absent, damaged or too large to be one.
std::optional<std::string> find_document(const StoreDirectory& directory, const Digest& digest);

}  // namespace cooper::oci
