// Names of git, rules and flavors from outside: only Error leaves, and what the checked calls return every registry
// takes. One line each: ref, event, commit, version tag, suffix, target, flavor, and rules to the end.
#include "cooper/base/text.hpp"
#include "cooper/build/git_tags.hpp"

#include "fuzz/fuzz.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace {

using namespace cooper::build;
using cooper::fuzz::check;

/// Written apart from check_tag() on purpose.
bool is_legal(const std::string& tag) {
    constexpr std::string_view kWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return !tag.empty() && tag.size() <= 128 && kWord.find(tag.front()) != std::string_view::npos &&
           tag.find_first_not_of(std::string(kWord) + ".-") == std::string::npos;
}

bool contains(const std::vector<std::string>& tags, const std::string& tag) {
    return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

void check_promises(const GitTags& tags, const GitTagOptions& options) {
    check(std::all_of(tags.tags.begin(), tags.tags.end(), is_legal), "every tag is legal");
    check(std::all_of(tags.cache_from.begin(), tags.cache_from.end(), is_legal), "every cache tag is legal");
    check(tags.cache_to.empty() || contains(tags.cache_from, tags.cache_to), "what is written is read again");
    check(!tags.latest_reason.empty(), "latest has its reason");
    if (options.latest == Latest::Never) {
        check(!tags.latest, "never is never");
    }
    if (options.flavor.empty()) {
        const std::string latest = "latest" + (options.suffix.empty() ? "" : "-" + options.suffix) +
                                   (options.target.empty() ? "" : "-" + options.target);
        check(tags.latest == contains(tags.tags, latest), "latest says whether it is there");
    }
}

void try_dialects(const GitFacts& facts, GitTagOptions options) {
    for (const auto wish : {Latest::Auto, Latest::Always, Latest::Never}) {
        options.latest = wish;
        for (const auto& tags_of : {build_sh_tags, metadata_tags}) {
            cooper::fuzz::expect_only_errors([&] { check_promises(tags_of(facts, options), options); });
        }
    }
}

void try_sdk(const GitFacts& facts, const GitTagOptions& options, std::string_view image) {
    SdkTagOptions sdk;
    sdk.base_image = image;
    sdk.custom_tags = options.suffix;
    sdk.git_ref = facts.ref;
    sdk.git_sha = facts.sha;
    sdk.sdk_version = facts.version_tags.empty() ? "unknown" : facts.version_tags.front();
    sdk.include_versioned_tag = true;
    cooper::fuzz::expect_only_errors([&] {
        const auto tags = sdk_tags(sdk);
        check_sdk_tags(tags);
        for (const auto& name : tags.all_tags) {
            check(is_legal(name.substr(sdk.image.size() + 1)), "every tag of the SDK is legal");
        }
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest = cooper::fuzz::text_of(data, size);
    std::array<std::string, 7> lines;
    for (auto& line : lines) {
        line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    }
    const auto& [ref, event, sha, version_tag, suffix, target, flavor] = lines;
    GitFacts facts = with_ref(with_commit({}, sha), ref);
    facts.event = event;
    facts.default_branch = "main";
    if (!version_tag.empty()) {
        facts.version_tags = {version_tag};
    }
    GitTagOptions options;
    options.suffix = suffix;
    options.target = target;
    if (!flavor.empty()) {
        options.flavor = {flavor};
    }
    try_dialects(facts, options);
    options.rules = {std::string(rest)};
    try_dialects(facts, options);
    try_sdk(facts, options, rest);
    return 0;
}
