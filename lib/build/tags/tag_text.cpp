#include "build/tags/tag_text.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/git_tags.hpp"
#include "cooper/oci/reference.hpp"

#include "oci/printable.hpp"

namespace cooper::build {

namespace {

bool is_kept(char c, std::string_view also) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           also.find(c) != std::string_view::npos;
}

}  // namespace

std::string dash_runs(std::string_view text, std::string_view also) {
    std::string clean;
    clean.reserve(text.size());
    bool in_run = false;
    for (const char c : text) {
        const bool kept = is_kept(c, also);
        if (kept) {
            clean += c;
        } else if (!in_run) {
            clean += '-';
        }
        in_run = !kept;
    }
    return clean;
}

std::string name_of_ref(std::string_view ref) {
    for (const std::string_view prefix : {"refs/heads/", "refs/tags/", "refs/pull/"}) {
        if (ref.starts_with(prefix)) {
            return std::string(ref.substr(prefix.size()));
        }
    }
    return std::string(ref);
}

std::string platform_tail(const GitTagOptions& options) {
    std::string tail;
    for (const auto* part : {&options.arch, &options.target}) {
        if (!part->empty()) {
            tail += "-" + *part;
        }
    }
    return tail;
}

std::string suffix_tail(const GitTagOptions& options) {
    return options.suffix.empty() ? "" : "-" + options.suffix;
}

void add_endings(std::vector<std::string>& tags, const GitTagOptions& options) {
    for (auto& tag : tags) {
        tag += suffix_tail(options);
    }
    tags.insert(tags.end(), options.extra_tags.begin(), options.extra_tags.end());
    for (auto& tag : tags) {
        tag += platform_tail(options);
    }
}

void check_names(const GitFacts& facts) {
    for (const auto* name : {&facts.ref, &facts.ref_name, &facts.relevant_sha}) {
        if (name->find_first_of("\r\n") != std::string::npos || !is_valid_utf8(*name)) {
            throw Error(ErrorCode::InvalidInput, "no tags can be made of the git name '" + oci::printable(*name) +
                                                     "': it has a line break or is not UTF-8");
        }
    }
}

void check_repository(const std::string& repository) {
    const auto reference =
        in_context("image '" + oci::printable(repository) + "'", [&] { return oci::Reference::parse(repository); });
    if (reference.tag() || reference.digest()) {
        throw Error(ErrorCode::InvalidInput,
                    "image '" + oci::printable(repository) + "' has a tag or digest, and tags are to be made for it")
            .advise("give the repository alone: " + reference.repository());
    }
}

}  // namespace cooper::build
