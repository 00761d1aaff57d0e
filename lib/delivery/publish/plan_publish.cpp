#include "cooper/delivery/publish.hpp"

#include "delivery/publish/delivery.hpp"
#include "delivery/publish/older_tarball.hpp"

#include <set>

namespace cooper::delivery {
namespace {

constexpr std::uint64_t kUploadRequests = 2;  // its beginning and its end

/// Each blob of the image once: what must be fetched, and what is at hand.
void count_blobs(const PublishImage& image, PlannedImage& planned) {
    std::set<Digest> seen;
    for (const oci::Descriptor& layer : image.image.manifest.layers) {
        if (!seen.insert(layer.digest).second) {
            continue;
        }
        if (image.at_hand && image.at_hand(layer)) {
            planned.at_hand += layer.size;
        } else {
            planned.fetch += layer.size;
            ++planned.requests;
        }
    }
}

void count_parts(Place& place, const std::string& branch_prefix, const Target& target, const oci::ArchivePlan& plan,
                 const PublishOptions& options, PlannedImage& planned, const Run& run) {
    planned.size = plan.size();
    planned.requests += kUploadRequests;
    const auto older = options.reuse
                           ? find_older_tarball(place, branch_prefix, target.image->name, locked_segments(plan), run)
                           : std::nullopt;
    if (!older) {
        const std::uint64_t part_size = place.part_size(plan.size());
        planned.send = plan.size();
        planned.requests += (plan.size() + part_size - 1) / part_size;
        return;
    }
    planned.copied_from = older->key;
    std::uint64_t offset = 0;
    for (const std::uint64_t length : place.cut(plan.size(), *older)) {
        (older->find(offset, length) ? planned.copy : planned.send) += length;
        ++planned.requests;
        offset += length;
    }
}

}  // namespace

std::vector<PlannedImage> plan_publish(const std::vector<PublishImage>& images, const BuildInfo& build, Place& place,
                                       const PublishOptions& options, const Run& run) {
    Delivery delivery(images, build, place, options, run);
    std::vector<PlannedImage> planned;
    for (const Target& target : delivery.targets()) {
        PlannedImage image;
        image.name = target.image->name;
        image.tag = target.image->tag;
        image.key = target.key;
        image.already_there = target.found && target.found->inputs == target.inputs;
        if (image.already_there) {
            image.size = target.found->size;
        } else {
            count_blobs(*target.image, image);
            image.size_known = !oci::needs_conversion(target.image->image, options.layers);
            if (image.size_known) {
                const auto plan =
                    oci::ArchivePlan::make({{target.image->image, target.image->repo_tags}}, options.format);
                count_parts(place, delivery.branch_prefix(), target, plan, options, image, run);
            }
        }
        planned.push_back(std::move(image));
    }
    return planned;
}

}  // namespace cooper::delivery
