#include "oci/archive/listing.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/oci/manifest.hpp"

#include "base/json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::oci {

namespace {

/// Images told in an error: enough to find one's own, short enough for a terminal.
constexpr std::size_t kImagesTold = 20;

std::vector<std::string> strings_of(const json::Value* array, const std::string& what) {
    std::vector<std::string> strings;
    if (array == nullptr || array->is_null()) {
        return strings;
    }
    if (!array->is_array()) {
        throw Error(ErrorCode::InvalidInput, "manifest.json: " + what + " is not an array");
    }
    for (const json::Value& each : *array) {
        if (!each.is_string()) {
            throw Error(ErrorCode::InvalidInput, "manifest.json: an element of " + what + " is not a string");
        }
        strings.push_back(each.get<std::string>());
    }
    return strings;
}

/// "@0 acme/app:1, @1 (no name)".
std::string names_of(const std::vector<Listing>& listings) {
    std::string names;
    for (std::size_t i = 0; i < std::min(listings.size(), kImagesTold); ++i) {
        names += (i == 0 ? "@" : ", @") + std::to_string(i);
        for (const std::string& tag : listings[i].repo_tags) {
            names += " " + printable(tag);
        }
        names += listings[i].repo_tags.empty() ? " (no name)" : "";
    }
    if (listings.size() > kImagesTold) {
        names += " and " + std::to_string(listings.size() - kImagesTold) + " more";
    }
    return names;
}

bool is_called(const Listing& listing, const std::string& wanted) {
    return std::any_of(listing.repo_tags.begin(), listing.repo_tags.end(), [&](const std::string& tag) {
        try {
            return Reference::parse(tag).text() == wanted;
        } catch (const Error&) {
            return false;  // "<none>:<none>", as old tools wrote
        }
    });
}

std::size_t listing_at(const std::vector<Listing>& listings, std::string_view which) {
    const auto number = which.starts_with('@') ? parse_uint(which.substr(1)) : std::nullopt;
    if (!number) {
        throw Error(ErrorCode::InvalidInput,
                    "\"" + printable(which) + "\" is no image of an archive: @0 is the first one");
    }
    if (*number >= listings.size()) {
        throw Error(ErrorCode::NotFound,
                    "the archive has no image " + printable(which) + " (" + names_of(listings) + ")");
    }
    return *number;
}

}  // namespace

std::vector<Listing> parse_manifest_json(std::string_view text) {
    const json::Value document = json::parse(text, "manifest.json");
    if (!document.is_array() || document.empty()) {
        throw Error(ErrorCode::InvalidInput, "manifest.json is not an array of images");
    }
    std::vector<Listing> listings;
    for (const json::Value& each : document) {
        Listing listing{json::string_member(each, "Config", "manifest.json"),
                        strings_of(json::find_member(each, "RepoTags"), "RepoTags"),
                        strings_of(json::find_member(each, "Layers"), "Layers")};
        if (listing.layers.size() > kMaxLayers) {
            throw Error(ErrorCode::InvalidInput,
                        "manifest.json: more than " + std::to_string(kMaxLayers) + " layers in one image");
        }
        listings.push_back(std::move(listing));
    }
    return listings;
}

std::size_t find_listing(const std::vector<Listing>& listings, const std::optional<Reference>& name,
                         std::string_view which) {
    if (listings.empty()) {
        throw Error(ErrorCode::NotFound, "the archive has no manifest.json, which would name its images")
            .advise("it holds an OCI layout: read it as oci-archive:FILE");
    }
    if (!which.empty()) {
        return listing_at(listings, which);
    }
    if (!name) {
        if (listings.size() == 1) {
            return 0;
        }
        throw Error(ErrorCode::InvalidInput,
                    "the archive holds " + std::to_string(listings.size()) + " images (" + names_of(listings) + ")")
            .advise("name one: docker-archive:FILE:NAME:TAG or docker-archive:FILE:@0");
    }
    const std::string wanted = name->with_tag(name->effective_tag().value_or("latest")).text();
    const auto found = std::find_if(listings.begin(), listings.end(),
                                    [&](const Listing& listing) { return is_called(listing, wanted); });
    if (found == listings.end()) {
        throw Error(ErrorCode::NotFound,
                    "the archive has no image " + name->familiar() + " (" + names_of(listings) + ")");
    }
    return static_cast<std::size_t>(found - listings.begin());
}

}  // namespace cooper::oci
