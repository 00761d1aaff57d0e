// What image names become inside tags: `tags.md` 5 and 6.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/hash_tags.hpp"

#include "base/message_digest.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::size_t kCompatibleSlug = 96;
constexpr std::string_view kTagMark = "_tag_";
constexpr std::string_view kSlashMark = "_s_";

// Lengths and cuts count code points, as the originals' do.
bool begins_code_point(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
}

std::size_t length_of(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_code_point));
}

std::string_view first_of(std::string_view text, std::size_t count) {
    std::size_t end = 0;
    for (std::size_t seen = 0; end < text.size(); ++end) {
        if (begins_code_point(text[end]) && seen++ == count) {
            break;
        }
    }
    return text.substr(0, end);
}

std::string_view last_of(std::string_view text, std::size_t count) {
    const std::size_t length = length_of(text);
    return text.substr(first_of(text, length - std::min(count, length)).size());
}

std::string replace_each(std::string_view text, char wanted, std::string_view replacement) {
    std::string result;
    for (const char c : text) {
        if (c == wanted) {
            result += replacement;
        } else {
            result += c;
        }
    }
    return result;
}

std::string marked(std::string_view image, std::string_view colon_mark) {
    return replace_each(replace_each(image, '/', kSlashMark), ':', colon_mark);
}

std::string compatible_slug(std::string_view base_image, std::string_view colon_mark) {
    return std::string(last_of(to_lower(marked(base_image, colon_mark)), kCompatibleSlug));
}

}  // namespace

std::string base_slug_v0(std::string_view base_image) {
    return compatible_slug(base_image, "_t_");
}

std::string base_slug_v1(std::string_view base_image) {
    return compatible_slug(base_image, kTagMark);
}

std::string truncate_ident(std::string_view repository, std::string_view tag, std::size_t budget) {
    const std::string ending = tag.empty() ? "" : std::string(kTagMark) + std::string(tag);
    const std::size_t ending_length = length_of(ending);
    if (ending_length > budget) {
        return std::string(first_of(ending, budget));
    }
    return std::string(first_of(repository, budget - ending_length)) + ending;
}

std::string base_slug_sdk(std::string_view base_image, std::size_t max_length) {
    constexpr std::size_t kDigestDigits = 12;
    const std::string slug = marked(base_image, kTagMark);
    if (length_of(slug) <= max_length) {
        return slug;
    }
    const std::string ending = "-" + hex_digest(HashAlgorithm::Sha256, slug).substr(0, kDigestDigits);
    if (max_length <= ending.size()) {
        throw Error(ErrorCode::InvalidInput, "a slug of " + std::to_string(max_length) +
                                                 " characters has no room for its digest of " +
                                                 std::to_string(ending.size()));
    }
    // A registry's port is found here too when there is no tag, as in the original.
    const std::size_t mark = slug.rfind(kTagMark);
    const bool has_tag = mark != std::string::npos;
    std::string_view repository = std::string_view(slug).substr(0, has_tag ? mark : slug.size());
    const std::string_view tag = has_tag ? std::string_view(slug).substr(mark + kTagMark.size()) : "";
    if (const auto slash = repository.rfind(kSlashMark); slash != std::string_view::npos) {
        repository.remove_prefix(slash + kSlashMark.size());
    }
    return truncate_ident(repository, tag, max_length - ending.size()) + ending;
}

RepositoryAndTag repository_and_tag(std::string_view base_image, std::string_view version,
                                    const std::optional<std::string>& runtime_repository) {
    constexpr std::size_t kMaxRepository = 32;
    constexpr std::size_t kKeptRepository = 24;
    constexpr std::size_t kDigestDigits = 8;
    constexpr std::size_t kMaxTag = 128;
    const std::string own = runtime_repository.value_or("ghcr.io/openhands/runtime");
    std::string base(base_image);
    if (base.find(':') == std::string::npos) {
        base += ":latest";
    }
    const auto parts = split(base, ':');
    if (parts.size() != 2) {
        throw Error(ErrorCode::InvalidInput, "profile v0 cannot use the base image '" + oci::printable(base_image) +
                                                 "': it has more than one ':'")
            .advise("v0 knows neither registries with a port nor a tag with a digest; use profile v1 or cooper");
    }
    if (base.find(own) != std::string::npos) {
        return {std::string(parts[0]), std::string(parts[1])};
    }
    std::string repository(parts[0]);
    if (length_of(repository) > kMaxRepository) {
        const auto kept = last_of(repository, kKeptRepository);
        const auto cut = std::string_view(repository).substr(0, repository.size() - kept.size());
        repository = hex_digest(HashAlgorithm::Md5, cut).substr(0, kDigestDigits) + "_" + std::string(kept);
    }
    const std::string beginning = "oh_v" + std::string(version) + "_image_";
    std::string tag =
        beginning + replace_each(repository, '/', kSlashMark) + std::string(kTagMark) + std::string(parts[1]);
    if (length_of(tag) > kMaxTag) {
        tag = beginning + hex_digest(HashAlgorithm::Md5, tag);
    }
    return {own, tag};
}

}  // namespace cooper::build
