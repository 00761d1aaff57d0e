#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/git_tags.hpp"
#include "cooper/build/hash_tags.hpp"

#include "build/tags/tag_text.hpp"
#include "build/tree/python_text.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>
#include <unordered_set>

namespace cooper::build {

namespace {

constexpr std::string_view kUnknown = "unknown";
constexpr std::string_view kHeads = "refs/heads/";
constexpr std::string_view kTags = "refs/tags/";
constexpr std::size_t kShortSha = 7;
constexpr std::array<std::string_view, 7> kTargets = {
    "base-image", "base-image-minimal", "binary", "binary-minimal", "builder", "source", "source-minimal"};

/// 0, or a digit from 1 to 9 and then digits of any script, as \d of Python has it.
bool is_release_number(std::string_view text) {
    if (text.empty() || text.front() < '0' || text.front() > '9') {
        return false;
    }
    return text == "0" || (text.front() != '0' && python_is_decimal(text.substr(1)));
}

/// "v1.2.3" -> "v1", "2", "3".
std::optional<std::array<std::string_view, 3>> find_release(std::string_view text) {
    const auto parts = split(text, '.');
    if (parts.size() != 3 || !is_release_number(parts[0].substr(parts[0].starts_with('v') ? 1 : 0)) ||
        !is_release_number(parts[1]) || !is_release_number(parts[2])) {
        return std::nullopt;
    }
    return std::array{parts[0], parts[1], parts[2]};
}

std::vector<std::string> custom_tags(std::string_view list) {
    std::vector<std::string> tags;
    for (const auto part : split(list, ',')) {
        if (const auto tag = python_strip(part); !tag.empty()) {
            tags.emplace_back(tag);
        }
    }
    return tags;
}

std::optional<std::string> branch_tag(const std::string& ref) {
    if (ref.empty() || ref == kUnknown || (ref.starts_with("refs/") && !ref.starts_with(kHeads))) {
        return std::nullopt;
    }
    // The original strips the prefix here and sanitize_branch strips it once more.
    return sdk_sanitize_branch(std::string_view(ref).substr(ref.starts_with(kHeads) ? kHeads.size() : 0));
}

std::optional<std::string> release_source(const SdkTagOptions& options) {
    const bool known = options.sdk_version != kUnknown;
    if (options.git_ref.starts_with(kTags)) {
        const std::string tag = options.git_ref.substr(kTags.size());
        if (!find_release(tag)) {
            return tag;
        }
        return known ? options.sdk_version : tag.substr(tag.starts_with('v') ? 1 : 0);
    }
    return known && !options.sdk_version.empty() ? std::optional(options.sdk_version) : std::nullopt;
}

std::vector<std::string> cache_tags(const SdkTagOptions& options, const std::string& slug) {
    const std::string base = "buildcache-" + options.target + "-" + slug;
    if (options.git_ref == kUnknown) {
        return {base, base};
    }
    return {base + "-" + sdk_sanitize_branch(options.git_ref), base};
}

std::vector<std::string> all_tags(const SdkTagOptions& options, const SdkTags& tags) {
    std::vector<std::string> names;
    for (const auto& custom : tags.custom_tags) {
        names.push_back(tags.short_sha + "-" + custom);
        names.push_back(tags.long_sha + "-" + custom);
        if (tags.branch_tag) {
            names.push_back(*tags.branch_tag + "-" + custom);
        }
    }
    if (options.include_base_tag) {
        names.push_back(tags.base_tag);
    }
    if (options.include_versioned_tag) {
        names.insert(names.end(), tags.versioned_tags.begin(), tags.versioned_tags.end());
    }
    const std::string tail = (options.arch.value_or("").empty() ? "" : "-" + *options.arch) +
                             (options.target == "binary" ? "" : "-" + options.target);
    std::vector<std::string> all;
    std::unordered_set<std::string> seen;
    for (const auto& name : names) {
        std::string full = options.image + ":" + name + tail;
        if (seen.insert(full).second) {
            all.push_back(std::move(full));
        }
    }
    return all;
}

}  // namespace

std::string sdk_sanitize_branch(std::string_view ref) {
    if (ref.empty()) {
        return std::string(kUnknown);
    }
    return to_lower(dash_runs(ref.substr(ref.starts_with(kHeads) ? kHeads.size() : 0)));
}

std::string sdk_sanitize_ref_tag(std::string_view name) {
    const std::string clean = dash_runs(python_strip(name), "_");
    const std::size_t first = clean.find_first_not_of(".-");
    if (first == std::string::npos) {
        return std::string(kUnknown);
    }
    return clean.substr(first, clean.find_last_not_of(".-") - first + 1);
}

std::vector<std::string> sdk_release_aliases(std::string_view release) {
    const auto version = python_strip(release);
    if (version.empty()) {
        return {};
    }
    const auto parts = find_release(version);
    if (!parts) {
        return {sdk_sanitize_ref_tag(version)};
    }
    const std::string major((*parts)[0]);
    const std::string minor = major + "." + std::string((*parts)[1]);
    return {major, minor, std::string(version)};
}

SdkTags sdk_tags(const SdkTagOptions& options) {
    if (std::find(kTargets.begin(), kTargets.end(), options.target) == kTargets.end()) {
        throw Error(ErrorCode::InvalidInput, "there is no target '" + oci::printable(options.target) + "'")
            .advise(
                "the targets are base-image, base-image-minimal, binary, binary-minimal, builder, source and "
                "source-minimal");
    }
    SdkTags tags;
    tags.repository = options.image;
    tags.long_sha = options.git_sha;
    tags.short_sha = options.git_sha == kUnknown ? options.git_sha : options.git_sha.substr(0, kShortSha);
    tags.custom_tags = custom_tags(options.custom_tags);
    tags.base_slug = base_slug_sdk(options.base_image);
    tags.branch_tag = branch_tag(options.git_ref);
    tags.release_source = release_source(options);
    if (tags.release_source) {
        const auto aliases = sdk_release_aliases(*tags.release_source);
        for (const auto& custom : tags.custom_tags) {
            for (const auto& alias : aliases) {
                tags.versioned_tags.push_back(alias + "-" + custom);
            }
        }
    }
    tags.base_tag = tags.short_sha + "-" + tags.base_slug;
    tags.cache_tags = cache_tags(options, tags.base_slug);
    tags.all_tags = all_tags(options, tags);
    return tags;
}

void check_sdk_tags(const SdkTags& tags) {
    check_repository(tags.repository);
    for (const auto& name : tags.all_tags) {
        check_tag(std::string_view(name).substr(tags.repository.size() + 1), "tag");
    }
    for (const auto& tag : tags.cache_tags) {
        check_tag(tag, "cache tag");
    }
}

}  // namespace cooper::build
