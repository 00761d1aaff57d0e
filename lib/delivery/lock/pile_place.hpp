// One place of a pile (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/archive_reader.hpp"
#include "cooper/oci/image.hpp"
#include "cooper/oci/layout.hpp"
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

/// Where blobs may lie. Not thread-safe, but for blobs().
class PilePlace {
public:
    virtual ~PilePlace() = default;
    /// For messages: "kit.tar", "the store".
    [[nodiscard]] virtual const std::string& name() const = 0;
    /// The size of the blob here; nullopt when it is not here. Nothing is hashed that has its digest as a name.
    [[nodiscard]] virtual std::optional<std::uint64_t> find_size(const Digest& blob, const Run& run) = 0;
    [[nodiscard]] virtual std::shared_ptr<const oci::Blobs> blobs() = 0;
    /// Blobs of layers whose tar is `diff_id`, as far as the place tells.
    [[nodiscard]] virtual std::vector<oci::Descriptor> forms_of(const Digest& /*diff_id*/, const Run& /*run*/) {
        return {};
    }
    /// False: reading costs a transfer.
    [[nodiscard]] virtual bool is_near() const noexcept { return true; }
    /// nullptr: it is no archive.
    [[nodiscard]] virtual const oci::ArchiveFile* archive() const { return nullptr; }
};

/// `store` is borrowed.
std::shared_ptr<PilePlace> place_of_store(const oci::Store& store);
/// As BlobPile::add_place.
std::shared_ptr<PilePlace> open_pile_place(const std::string& place, const std::filesystem::path& spool,
                                           const Run& run);
/// The layers of the manifest `pinned` ("NAME@sha256:…"), which is fetched when a blob is first looked for. A registry
/// that cannot be asked has none: told once as a warning.
std::shared_ptr<PilePlace> place_of_registry(std::function<oci::RegistryClient&()> client, oci::Reference pinned);
/// One blob in a file of our own.
std::shared_ptr<PilePlace> place_of_file(std::string name, const oci::Descriptor& blob, std::filesystem::path file);

}  // namespace cooper::delivery
