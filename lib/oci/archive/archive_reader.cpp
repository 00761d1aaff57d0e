#include "cooper/oci/archive_reader.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/layout.hpp"

#include "oci/archive/archived_layers.hpp"
#include "oci/archive/listing.hpp"
#include "oci/archive/members.hpp"
#include "oci/archive/spool.hpp"
#include "oci/layout/entries.hpp"
#include "oci/manifest_entries.hpp"
#include "oci/printable.hpp"

#include <map>
#include <set>

namespace cooper::oci {

struct ArchiveFile::State {
    std::string name;  ///< for messages
    std::shared_ptr<const Members> members;
    std::vector<Listing> listings;
    std::vector<Entry> entries;
    std::optional<Index> index;
    /// Manifests below index.json by their config: those of hybrid archives' images.
    std::map<Digest, RawManifest> manifests;
    mutable LayerHashes layer_hashes;
};

namespace {

/// Blobs at the places that `found` tells, else at blobs/ALG/HEX.
class ArchiveBlobs final : public Blobs {
public:
    ArchiveBlobs(std::shared_ptr<const Members> members, std::map<Digest, Range> found)
        : members_(std::move(members)), found_(std::move(found)) {}

    [[nodiscard]] std::unique_ptr<Source> open(const Descriptor& blob, std::uint64_t offset,
                                               const Run& /*run*/) const override {
        const auto known = found_.find(blob.digest);
        const auto range =
            known == found_.end() ? members_->find(blob_path(blob.digest)) : std::optional(known->second);
        if (!range) {
            throw Error(ErrorCode::NotFound, "the archive has no blob " + blob.digest.text());
        }
        if (range->size != blob.size || offset > blob.size) {
            throw IntegrityError("size of blob " + blob.digest.text() + " in the archive", std::to_string(blob.size),
                                 std::to_string(range->size));
        }
        return members_->open(*range, offset);
    }

private:
    std::shared_ptr<const Members> members_;
    std::map<Digest, Range> found_;
};

/// Image manifests below index.json by their config. What `docker save` trimmed away and what is no image is passed by.
class ManifestSearch {
public:
    ManifestSearch(const Blobs& blobs, const Run& run) : blobs_(blobs), run_(run) {}

    void below(const Index& index, int depth = 0) {
        for (const Descriptor& entry : index.manifests) {
            const bool is_index = is_index_type(entry.media_type) && depth < kMaxIndexDepth;
            if ((!is_index && !is_image_type(entry.media_type)) || !seen_.insert(entry.digest).second) {
                continue;
            }
            if (seen_.size() > kMaxGraphManifests) {
                throw Error(ErrorCode::InvalidInput, "there are more than " + std::to_string(kMaxGraphManifests) +
                                                         " manifests below index.json");
            }
            look_at(entry, depth);
        }
    }

    [[nodiscard]] std::map<Digest, RawManifest> take() { return std::move(found_); }

private:
    void look_at(const Descriptor& entry, int depth) {
        try {
            ClassifiedManifest manifest = read_manifest(entry, blobs_, run_);
            if (manifest.kind == ManifestKind::Index) {
                below(Index::parse(std::move(manifest.raw)), depth + 1);
                return;
            }
            Manifest image = Manifest::parse(std::move(manifest.raw));
            found_.emplace(image.config.digest, std::move(image.raw));
        } catch (const Error& error) {
            if (error.code() != ErrorCode::NotFound && error.code() != ErrorCode::Unsupported) {
                throw;
            }
        }
    }

    const Blobs& blobs_;
    const Run& run_;
    std::set<Digest> seen_;
    std::map<Digest, RawManifest> found_;
};

/// The config's digest; its name, where it holds one, must be that.
Digest image_id_of(const Members& members, const Listing& listing, std::map<Range, Digest>& known) {
    const Range range = members.get(listing.config, "manifest.json");
    auto id = known.find(range);
    if (id == known.end()) {
        id = known.emplace(range, sha256(members.text(range, kMaxDocument, listing.config))).first;
    }
    if (const auto claimed = digest_in_name(listing.config); claimed && *claimed != id->second) {
        throw IntegrityError("config " + printable(listing.config) + " of the archive", claimed->text(),
                             id->second.text());
    }
    return id->second;
}

/// Where the blobs of `manifest` lie: under their digests when the archive is laid out that way, else as listed.
std::map<Digest, Range> locate(const Members& members, const Listing& listing, const Manifest& manifest) {
    std::map<Digest, Range> ranges{{manifest.config.digest, members.get(listing.config, "manifest.json")}};
    for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
        const Descriptor& layer = manifest.layers[i];
        auto range = members.find(blob_path(layer.digest));
        if (!range && i < listing.layers.size()) {
            range = members.get(listing.layers[i], "manifest.json");
        }
        if (!range || range->size != layer.size) {
            throw IntegrityError(
                "layer " + std::to_string(i + 1) + " of the archive (" + layer.digest.shortened() + ")",
                std::to_string(layer.size) + " bytes", range ? std::to_string(range->size) : "no such member");
        }
        ranges.emplace(layer.digest, *range);
    }
    return ranges;
}

}  // namespace

ArchiveFile ArchiveFile::index(std::shared_ptr<const FileRanged> file, std::string name, const Run& run) {
    auto state = std::make_shared<State>();
    state->name = std::move(name);
    state->members = std::make_shared<const Members>(std::move(file), run);
    const Members& members = *state->members;
    const auto table = members.find_text("manifest.json", kMaxManifestJson);
    const auto index_json = members.find_text("index.json", kMaxDocument);
    if (!table && !index_json) {
        throw Error(ErrorCode::InvalidInput, "no image archive: it has no manifest.json and no index.json");
    }
    if (index_json) {
        if (const auto layout = members.find_text("oci-layout", kMaxLayoutDocument)) {
            check_layout_document(*layout);
        }
        state->index = parse_index_json(*index_json);
    }
    if (table) {
        state->listings = parse_manifest_json(*table);
        std::map<Range, Digest> known;
        for (const Listing& listing : state->listings) {
            state->entries.push_back({listing.repo_tags, image_id_of(members, listing, known)});
        }
    }
    if (table && index_json) {
        const ArchiveBlobs blobs(state->members, {});
        ManifestSearch search(blobs, run);
        search.below(*state->index);
        state->manifests = search.take();
    }
    return ArchiveFile(std::move(state));
}

ArchiveFile ArchiveFile::open(const std::filesystem::path& path, const std::filesystem::path& spool, const Run& run) {
    return in_context("reading archive " + path.string(),
                      [&] { return index(open_archive(path, spool, run), path.string(), run); });
}

ArchiveFile ArchiveFile::read(Source& stream, const std::string& name, const std::filesystem::path& spool,
                              const Run& run) {
    return in_context("reading archive " + name, [&] { return index(spooled(stream, name, spool, run), name, run); });
}

const std::vector<ArchiveFile::Entry>& ArchiveFile::images() const noexcept {
    return state_->entries;
}

Image ArchiveFile::image(std::size_t index, const Run& run) const {
    return in_context("reading archive " + state_->name, [&] {
        const Members& members = *state_->members;
        const Listing& listing = state_->listings.at(index);
        const Range config_range = members.get(listing.config, "manifest.json");
        Config config = Config::parse(members.text(config_range, kMaxDocument, listing.config));
        const auto known = state_->manifests.find(config.image_id());
        if (known != state_->manifests.end()) {
            Manifest manifest = Manifest::parse(known->second);
            auto blobs = std::make_shared<ArchiveBlobs>(state_->members, locate(members, listing, manifest));
            Image image{std::move(manifest), std::move(config), std::move(blobs)};
            image.check();
            return image;
        }
        const std::vector<ArchivedLayer> layers = state_->layer_hashes.of(members, listing, config, run);
        std::map<Digest, Range> ranges{{config.image_id(), config_range}};
        for (const ArchivedLayer& layer : layers) {
            ranges.emplace(layer.digest, layer.range);
        }
        Manifest manifest = make_manifest(config, layers);
        return Image{std::move(manifest), std::move(config),
                     std::make_shared<ArchiveBlobs>(state_->members, std::move(ranges))};
    });
}

std::size_t ArchiveFile::find(const std::optional<Reference>& name, std::string_view which) const {
    return in_context("archive " + state_->name, [&] { return find_listing(state_->listings, name, which); });
}

std::optional<Index> ArchiveFile::oci_index() const {
    return state_->index;
}

std::shared_ptr<const Blobs> ArchiveFile::blobs() const {
    return std::make_shared<ArchiveBlobs>(state_->members, std::map<Digest, Range>());
}

std::optional<std::uint64_t> ArchiveFile::find_size(const Digest& blob) const {
    const auto range = state_->members->find(blob_path(blob));
    return range ? std::optional(range->size) : std::nullopt;
}

std::vector<std::string> ArchiveFile::members_below(std::string_view prefix) const {
    return state_->members->names_below(prefix);
}

std::optional<std::string> ArchiveFile::find_text(std::string_view member, std::size_t limit) const {
    return in_context("archive " + state_->name, [&] { return state_->members->find_text(member, limit); });
}

Graph ArchiveFile::graph(std::string_view which, const Run& run) const {
    return in_context("reading archive " + state_->name, [&] {
        if (!state_->index) {
            throw Error(ErrorCode::InvalidInput, "it holds no OCI layout: it has no index.json")
                .advise("read it as docker-archive:FILE");
        }
        return graph_of_entry(*state_->index, which, blobs(), run);
    });
}

ArchivedImage read_docker_archive(const std::filesystem::path& path, const std::optional<Reference>& name,
                                  const Run& run) {
    const ArchiveFile file = ArchiveFile::open(path, {}, run);
    const std::size_t index = file.find(name, {});
    return {file.image(index, run), file.images()[index].repo_tags};
}

}  // namespace cooper::oci
