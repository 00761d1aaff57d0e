#include "cooper/delivery/publish.hpp"

#include "cooper/base/error.hpp"

#include "delivery/publish/delivery.hpp"
#include "delivery/publish/older_tarball.hpp"
#include "delivery/publish/tarball_delivery.hpp"

namespace cooper::delivery {
namespace {

/// Completes each tarball as soon as its bytes have arrived.
class AtOnce final : public TarballEnd {
public:
    AtOnce(Place& place, const Run& run) : place_(place), run_(run) {}
    void arrived(TarballUpload& upload, const TarballFacts& facts) override { upload.complete(facts, run_); }
    void lock_made(const std::string& key, const std::string& text) override { place_.put_text(key, text, run_); }

private:
    Place& place_;
    const Run& run_;
};

}  // namespace

DifferentBytes::DifferentBytes(const std::string& message) : Error(ErrorCode::Conflict, message) {
    advise(
        "what was delivered for a commit is never overwritten: publish under another tag, or remove the tarball first");
}
DifferentBytes::~DifferentBytes() = default;

Published publish(const std::vector<PublishImage>& images, const BuildInfo& build, Place& place,
                  const PublishOptions& options, const Run& run) {
    Delivery delivery(images, build, place, options, run);
    AtOnce at_once(place, run);
    TarballDelivery tarballs(place, options, build, delivery, at_once, run);
    Published published;
    for (std::size_t i = 0; i < delivery.targets().size(); ++i) {
        try {
            PublishedImage image = tarballs.deliver(delivery.targets()[i]);
            if (!image.already_there && place.copies_ranges()) {
                remember_newest(place, delivery.branch_prefix(), image.name, image.key, run);
            }
            published.images.push_back(std::move(image));
        } catch (Error& error) {
            error.add_context(progress_of(delivery.targets(), i, "publishing"));
            throw;
        }
    }
    published.side_files = keep_side_files(place, delivery.folder(), published.images, options.key.get(), run);
    published.changelog_key = delivery.branch_prefix() + "/CHANGELOG.md";
    published.changelog_changed =
        !delivery.in_changelog() && update_changelog(place, delivery.branch_prefix(), delivery.entry(), run);
    for (PublishedImage& image : published.images) {
        image.link = place.link(image.key, options.expires, run);
    }
    return published;
}

}  // namespace cooper::delivery
