#include "cooper/base/error.hpp"
#include "cooper/delivery/keys.hpp"

#include "delivery/builds/find_build.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

bool is_wanted(const std::vector<std::string>& names, const std::string& name, const std::string& tag) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end() ||
           std::find(names.begin(), names.end(), name + ":" + tag) != names.end();
}

std::string listed(const FoundBuild& build) {
    std::string text;
    for (const std::string& key : build.tarballs) {
        if (const auto name = name_of_tarball(key)) {
            text += (text.empty() ? "" : ", ") + name->first + ":" + name->second;
        }
    }
    return text.empty() ? "no image at all" : text;
}

/// Every name that was asked for must be there.
void check_names(const std::vector<std::string>& names, const FoundBuild& build, const Place& place) {
    for (const std::string& wanted : names) {
        const bool there = std::any_of(build.tarballs.begin(), build.tarballs.end(), [&](const std::string& key) {
            const auto name = name_of_tarball(key);
            return name && is_wanted({wanted}, name->first, name->second);
        });
        if (!there) {
            throw Error(ErrorCode::NotFound,
                        place.name() + "/" + build.folder + " has no image " + wanted + "; it has " + listed(build));
        }
    }
}

const ReleasedImage* released(const FoundBuild& build, const std::string& key) {
    if (!build.release) {
        return nullptr;
    }
    const auto& images = build.release->images;
    const auto found =
        std::find_if(images.begin(), images.end(), [&](const ReleasedImage& image) { return image.key == key; });
    return found == images.end() ? nullptr : &*found;
}

/// A link to other bytes than those that were released would be handed to a customer as the release.
void check_released(const ReleasedImage& image, const TarballFacts& facts, const Place& place) {
    const std::string what = place.name() + "/" + image.key + " is not what was released";
    if (image.size != facts.size) {
        throw IntegrityError(what + ", in bytes", std::to_string(image.size), std::to_string(facts.size));
    }
    if (!facts.sha256.empty() && !image.sha256.empty() && facts.sha256 != image.sha256) {
        throw IntegrityError(what, "sha256:" + image.sha256, "sha256:" + facts.sha256);
    }
}

/// Warns of what the release has and the folder has no longer.
void note_missing(const FoundBuild& build, const Place& place, const Run& run) {
    if (!build.release) {
        return;
    }
    for (const ReleasedImage& image : build.release->images) {
        const auto& there = build.tarballs;
        if (!image.key.empty() && std::find(there.begin(), there.end(), image.key) == there.end()) {
            run.progress->notice(NoticeLevel::Warning,
                                 place.name() + "/" + image.key + " was released and is no longer there");
        }
    }
}

}  // namespace

RefreshedLinks refresh_links(Place& place, std::string_view branch_name, std::string_view commit,
                             const std::vector<std::string>& names, std::chrono::seconds expires, bool withdrawn_too,
                             const Run& run) {
    RefreshedLinks result;
    result.build = Branch(place, branch_name, run).find(commit, BadRecord::Refuse);
    const FoundBuild& build = result.build;
    if (build.withdrawn && !withdrawn_too) {
        throw Error(ErrorCode::Conflict,
                    place.name() + "/" + build.folder + " was withdrawn: " + build.withdrawn->reason)
            .advise("links to it are made only with --withdrawn-too");
    }
    check_names(names, build, place);
    note_missing(build, place, run);
    for (const std::string& key : build.tarballs) {
        run.check();
        const auto name = name_of_tarball(key);
        if (!name || !is_wanted(names, name->first, name->second)) {
            continue;
        }
        const auto facts = place.find_tarball(key, run);
        if (!facts) {
            throw Error(ErrorCode::NotFound, place.name() + "/" + key + " was removed just now");
        }
        PublishedImage image;
        image.name = name->first;
        image.tag = name->second;
        image.key = key;
        image.file = safe_file_name(key);
        image.size = facts->size;
        image.sha256 = facts->sha256;
        image.image_id = facts->image_ids;
        if (const ReleasedImage* record = released(build, key)) {
            check_released(*record, *facts, place);
            image.sha256 = record->sha256;
            image.image_id = record->image_id;
        }
        image.already_there = true;
        image.lock_key = lock_key(key);
        image.link = place.link(key, expires, run);
        result.images.push_back(std::move(image));
    }
    if (result.images.empty()) {
        throw Error(ErrorCode::NotFound, place.name() + "/" + build.folder + " has no tarball to link to");
    }
    return result;
}

}  // namespace cooper::delivery
