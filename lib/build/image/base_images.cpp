#include "build/image/base_images.hpp"

#include "cooper/base/error.hpp"
#include "cooper/build/lookups.hpp"
#include "cooper/oci/place.hpp"
#include "cooper/oci/reference.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::string_view kDockerImage = "docker-image://";
constexpr std::string_view kOciLayout = "oci-layout://";
constexpr std::string_view kStore = "store:";

Error not_in_lock(const std::string& what) {
    Error error(ErrorCode::InvalidInput, what + " is not in the lock, and no digest pins it");
    error.advise("build once without --locked and with --lock to write a new lock");
    return error;
}

}  // namespace

bool is_image_context(std::string_view place) {
    return place.starts_with(kDockerImage) || place.starts_with(kOciLayout) || place.starts_with(kStore);
}

BaseImages::Found BaseImages::open(const std::string& place, const std::string& name, const oci::Platform& platform,
                                   const Run& run) {
    auto access = services_.places;
    access.fill_store = true;
    const oci::OpenedPlace opened =
        oci::open_place(oci::PlaceName::parse(place, oci::PlaceName::Use::Read), platform, false, access, run);
    const oci::Image image = oci::image_of(opened.graph, platform, name, run);
    book_.base({name, platform.text(), image.manifest.raw.digest});
    return {ImageState::of(image), opened.graph, {}};
}

std::optional<BaseImages::Found> BaseImages::find_in_store(const std::string& reference, const std::string& name,
                                                           const oci::Platform& platform, const Run& run) {
    StoreLookup lookup(services_.store);
    if (!lookup.exists(reference, false, run)) {
        return std::nullopt;
    }
    try {
        Found found = open(std::string(kStore) + reference, name, platform, run);
        const auto fitting = oci::acceptable(platform.normalised());
        if (std::find(fitting.begin(), fitting.end(), found.state.platform) != fitting.end()) {
            return found;
        }
    } catch (const Error& error) {
        if (error.code() != ErrorCode::NotFound) {
            throw;
        }
    }
    return std::nullopt;  // another platform's: the registry has ours, perhaps
}

BaseImages::Found BaseImages::look_up(const std::string& reference, const oci::Platform& platform, const Run& run) {
    if (reference.starts_with(kOciLayout)) {
        return open("oci:" + reference.substr(kOciLayout.size()), reference, platform, run);
    }
    if (reference.starts_with(kStore)) {
        return open(reference, reference, platform, run);
    }
    const std::string text = reference.starts_with(kDockerImage) ? reference.substr(kDockerImage.size()) : reference;
    const auto parsed = oci::Reference::parse(text);
    std::string wanted = parsed.text();
    if (options_.locked && !is_pinned_image(text)) {
        const BuildRecord::Base* const base = options_.locked->find_base(parsed.text(), platform.text());
        if (base == nullptr) {
            throw not_in_lock("the image " + oci::printable(text) + " for " + platform.text());
        }
        wanted = parsed.with_digest(base->manifest).text();
    }
    const bool pinned = oci::Reference::parse(wanted).digest().has_value();
    if (!options_.pull || pinned) {
        if (auto found = find_in_store(wanted, parsed.text(), platform, run)) {
            return std::move(*found);
        }
    }
    Found found = open("docker://" + wanted, parsed.text(), platform, run);
    found.store_name = pinned ? std::string() : parsed.with_tag(*parsed.effective_tag()).text();
    return found;
}

ImageState BaseImages::find(const std::string& reference, const oci::Platform& platform, const Run& run) {
    if (is_image_context(reference)) {
        Error error(ErrorCode::InvalidInput, "'" + oci::printable(reference) + "' is no name of an image");
        error.advise("a Dockerfile names images of registries; --build-context NAME=" + oci::printable(reference) +
                     " gives it this one by NAME");
        throw Error(error);
    }
    return find_place(reference, platform, run);
}

ImageState BaseImages::find_place(const std::string& reference, const oci::Platform& platform, const Run& run) {
    const std::lock_guard lock(mutex_);
    const std::pair key(reference, platform.text());
    if (const auto known = found_.find(key); known != found_.end()) {
        return known->second.state;
    }
    Found found =
        in_context("the image " + oci::printable(reference), [&] { return look_up(reference, platform, run); });
    return found_.emplace(key, std::move(found)).first->second.state;
}

void BaseImages::keep_names(const Run& run) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, found] : found_) {
        const bool whole = std::all_of(found.graph.blobs.begin(), found.graph.blobs.end(),
                                       [&](const oci::Descriptor& blob) { return services_.store.has(blob.digest); });
        if (!found.store_name.empty() && whole) {
            services_.store.name(found.graph, found.store_name, run);
        }
    }
}

}  // namespace cooper::build
