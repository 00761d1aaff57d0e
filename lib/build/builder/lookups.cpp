#include "cooper/build/lookups.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/reference.hpp"

#include "oci/layout/entries.hpp"
#include "oci/manifest_entries.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

using oci::Descriptor;

std::optional<Descriptor> entry_of(const oci::Store& store, const std::string& image) {
    const auto reference = oci::Reference::parse(image);
    const std::string which =
        reference.digest() ? reference.digest()->text() : reference.with_tag(*reference.effective_tag()).text();
    const oci::Index index = store.layout().index();
    try {
        return oci::choose_entry(index, which);
    } catch (const Error& error) {
        if (error.code() == ErrorCode::NotFound) {
            return std::nullopt;
        }
        throw;
    }
}

/// Of an index it is enough that one of its images is here: stores hold the platforms that somebody asked for.
bool is_whole(const oci::Store& store, const Descriptor& entry, const Run& run) {
    if (!store.has(entry.digest)) {
        return false;
    }
    const oci::ClassifiedManifest found = oci::read_manifest(entry, *store.through(nullptr), run);
    if (found.kind == oci::ManifestKind::Image) {
        const oci::Manifest manifest = oci::Manifest::parse(found.raw);
        return store.has(manifest.config.digest) &&
               std::all_of(manifest.layers.begin(), manifest.layers.end(), [&](const Descriptor& layer) {
                   return oci::is_foreign_layer(layer.media_type) || store.has(layer.digest);
               });
    }
    const oci::Index index = oci::Index::parse(found.raw);
    return std::any_of(index.manifests.begin(), index.manifests.end(),
                       [&](const Descriptor& each) { return oci::is_image_entry(each) && is_whole(store, each, run); });
}

/// A registry's word that it has no such image, or none for us.
bool means_absent(const Error& error) {
    const auto* const refusal = dynamic_cast<const HttpError*>(&error);
    return refusal != nullptr && (refusal->status() == 401 || refusal->status() == 403 || refusal->status() == 404);
}

}  // namespace

bool BuilderLookup::exists(const std::string& image, bool /*pull*/, const Run& run) {
    return builder_.image_exists(image, run);
}

bool StoreLookup::exists(const std::string& image, bool pull, const Run& run) {
    const auto entry = entry_of(store_, image);
    if (!entry || !is_whole(store_, *entry, run)) {
        return false;
    }
    if (pull && load_) {
        load_(image, run);
    }
    return true;
}

void PlacesLookup::add(std::string name, std::unique_ptr<ImageLookup> place, bool required) {
    places_.push_back({std::move(name), std::move(place), required, false});
}

bool PlacesLookup::exists(const std::string& image, bool pull, const Run& run) {
    found_.erase(image);
    for (Place& place : places_) {
        if (!place.gone && is_at(place, image, pull, run)) {
            found_[image] = place.name;
            return true;
        }
    }
    return false;
}

bool PlacesLookup::is_at(Place& place, const std::string& image, bool pull, const Run& run) {
    try {
        return place.lookup->exists(image, pull, run);
    } catch (Error& error) {
        if (means_absent(error)) {
            return false;
        }
        // A name that is none is the caller's mistake, wherever it is asked for.
        if (place.required || error.code() == ErrorCode::InvalidInput) {
            error.add_context(place.name);
            throw;
        }
        run.progress->notice(NoticeLevel::Warning, place.name + " is not asked for images: " + error.what());
        place.gone = true;
        return false;
    }
}

std::string PlacesLookup::found_in(const std::string& image) const {
    const auto found = found_.find(image);
    return found == found_.end() ? "" : found->second;
}

}  // namespace cooper::build
