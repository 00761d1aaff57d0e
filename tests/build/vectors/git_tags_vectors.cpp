// build.sh, docker/metadata-action and the SDK's build.py (git_tags.json, v1_tags.json).
//
// Answered otherwise than by the originals, on purpose:
// - quirk "bash echo option" (a ref called -n or -e): echo swallows it and the script makes an empty tag; here the tag
// is
//   "-n". No registry takes either, and both are refused.
// - quirk "newline" in a ref: the script cuts or joins lines by accident; refused. git allows no such ref.
// - tags that no registry accepts: computed alike, then refused.
// - exits of build.sh that are not about tags (no image named, no Dockerfile, no config.sh): not asked here.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/git_tags.hpp"
#include "cooper/build/hash_tags.hpp"

#include "build/vectors/vectors.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

bool is_legal(const std::string& tag) {
    try {
        check_tag(tag, "tag");
        return true;
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return false;
    }
}

bool are_legal(const GitTags& tags) {
    auto all = tags.tags;
    all.insert(all.end(), tags.cache_from.begin(), tags.cache_from.end());
    return std::all_of(all.begin(), all.end(), is_legal);
}

void check_refusal(bool legal, const std::function<void()>& checked) {
    if (legal) {
        CHECK_NOTHROW(checked());
    } else {
        CHECK_THROWS_AS(checked(), Error);
    }
}

// --- containers/build.sh: what is around the tags, so that the whole command can be compared ------------------------

struct BuildShCall {
    std::string image;
    std::string organisation;
    std::string suffix;
    bool push = false;
    bool load = false;
    bool dry = false;
};

BuildShCall parse_call(const std::vector<std::string>& arguments) {
    BuildShCall call;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto& flag = arguments[i];
        call.push |= flag == "--push";
        call.load |= flag == "--load";
        call.dry |= flag == "--dry";
        auto* const value = flag == "-i" ? &call.image : flag == "-o" ? &call.organisation : &call.suffix;
        if (flag == "-i" || flag == "-o" || flag == "-t") {
            *value = arguments.at(++i);
        }
    }
    return call;
}

/// config.sh of the three images, by the vectors' header.
std::string repository_of(const BuildShCall& call) {
    const bool custom = call.image == "custom";
    const std::string organisation = !call.organisation.empty() ? call.organisation : custom ? "My-Org" : "openhands";
    return (custom ? "Registry.Example.com:5000/" : "ghcr.io/") + organisation + "/" + (custom ? "Custom" : call.image);
}

std::vector<std::string> full_names(const GitTags& tags) {
    std::vector<std::string> names;
    for (const auto& tag : tags.tags) {
        names.push_back(tags.repositories.at(0) + ":" + tag);
    }
    return names;
}

std::string directory_of(const BuildShCall& call) {
    return "./containers/" + (call.image == "openhands" ? "app" : call.image);
}

std::string platforms_of(const BuildShCall& call) {
    return call.load ? "linux/amd64" : "linux/amd64,linux/arm64";
}

std::vector<std::string> command_of(const BuildShCall& call, const GitTags& tags) {
    std::vector<std::string> argv = {"docker", "buildx", "build"};
    for (const auto& name : full_names(tags)) {
        argv.insert(argv.end(), {"-t", name});
    }
    const std::string cache = "type=registry,ref=" + tags.repositories.at(0) + ":";
    if (call.push) {
        argv.insert(argv.end(), {"--push", "--cache-to=" + cache + tags.cache_to + ",mode=max"});
    }
    if (call.load) {
        argv.emplace_back("--load");
    }
    // The script names a cache twice when both are the same.
    argv.insert(
        argv.end(),
        {"--build-arg", "OPENHANDS_BUILD_VERSION=" + tags.version, "--cache-from=" + cache + tags.cache_from.front(),
         "--cache-from=" + cache + tags.cache_from.back(), "--platform", platforms_of(call), "--provenance=false", "-f",
         directory_of(call) + "/Dockerfile", call.image == "runtime" ? directory_of(call) : "."});
    return argv;
}

Value dry_of(const BuildShCall& call, const GitTags& tags) {
    auto names = full_names(tags);
    if (names.empty()) {
        names.emplace_back();
    }
    return {{"tags", names},
            {"platform", platforms_of(call)},
            {"build_args", {"OPENHANDS_BUILD_VERSION=" + tags.version}},
            {"dockerfile", directory_of(call) + "/Dockerfile"}};
}

void check_build_sh(const Value& one) {
    const auto call = parse_call(texts(one.at("args")));
    const Value& expect = one.at("expect");
    GitFacts facts;
    facts.relevant_sha = text_or(one.at("env"), "RELEVANT_SHA");
    facts.ref_name = text_or(one.at("env"), "GITHUB_REF_NAME");
    facts.short_sha = text_or(one, "git_short_sha");
    GitTagOptions options;
    options.images = {repository_of(call)};
    options.suffix = call.suffix;
    if (const auto config = one.find("config_appended"); config != one.end() && config->is_object()) {
        for (const auto* const name : {"DOCKER_IMAGE_SOURCE_TAG", "DOCKER_IMAGE_TAG"}) {
            if (const auto tag = find_text(*config, name)) {
                options.extra_tags.push_back(*tag);
            }
        }
    }
    const auto checked = [&] { build_sh_tags(facts, options); };
    if (const int status = expect.at("exit").get<int>(); status != 0) {
        if (!facts.relevant_sha.empty() && facts.short_sha.empty()) {
            CHECK_THROWS_AS(checked(), Error);
        }
        return;
    }
    if (one.contains("quirk")) {
        CHECK_THROWS_AS(checked(), Error);
        return;
    }
    const auto tags = compute_build_sh_tags(facts, options);
    CHECK(tags.version == expect.at("build_version"));
    if (expect.contains("tags")) {
        CHECK(tags.tags == texts(expect.at("tags")));
    }
    if (expect.contains("full_tags")) {
        CHECK(full_names(tags) == texts(expect.at("full_tags")));
    }
    if (expect.contains("cache_tag")) {
        CHECK(tags.cache_from.front() == expect.at("cache_tag"));
        CHECK(tags.cache_to == expect.at("cache_tag"));
    }
    if (expect.contains("argv")) {
        CHECK(command_of(call, tags) == texts(expect.at("argv")));
    }
    CHECK(call.dry == expect.contains("dry"));
    if (expect.contains("dry")) {
        CHECK(dry_of(call, tags) == expect.at("dry"));
    }
    check_refusal(are_legal(tags), checked);
}

// --- docker/metadata-action ----------------------------------------------------------------------------------------

/// Through the environment and the event file, as the action gets it.
GitFacts facts_of_case(const Value& one, const TempDirectory& directory) {
    Value event = Value::object();
    if (one.contains("pr_number") && one.at("pr_number").is_number()) {
        event["number"] = one.at("pr_number");
        event["pull_request"] = {{"head", {{"sha", one.at("pr_head_sha")}}}};
    }
    const auto file = directory.path() / "event.json";
    write_file(file, event.dump());
    const Environment environment({{"GITHUB_ACTIONS", "true"},
                                   {"GITHUB_SHA", text_or(one, "sha")},
                                   {"GITHUB_REF", text_or(one, "ref")},
                                   {"GITHUB_EVENT_NAME", text_or(one, "event")},
                                   {"GITHUB_EVENT_PATH", file.string()},
                                   {"PATH", directory.path().string()}});
    return find_git_facts(directory.path(), environment, Run());
}

void check_metadata(const Value& one, const TempDirectory& directory) {
    const auto facts = facts_of_case(one, directory);
    GitTagOptions options;
    options.images = texts(one.at("images"));
    options.rules = texts(one.at("tags_input"));
    options.flavor = texts(one.at("flavor_input"));
    options.pr_head_sha = text_or(one.at("env"), "DOCKER_METADATA_PR_HEAD_SHA") == "true";
    options.short_sha_length =
        static_cast<unsigned>(std::stoul(text_or(one.at("env"), "DOCKER_METADATA_SHORT_SHA_LENGTH", "7")));
    CHECK((options.pr_head_sha && !facts.head_sha.empty() ? facts.head_sha : facts.sha) == one.at("effective_sha"));
    const auto tags = compute_metadata_tags(facts, options);
    std::vector<std::string> names;
    for (const auto& repository : tags.repositories) {
        for (const auto& tag : tags.tags) {
            names.push_back(repository + ":" + tag);
        }
    }
    CHECK(tags.version == text_or(one.at("expect"), "version"));
    CHECK(names == texts(one.at("expect").at("tags")));
    check_refusal(are_legal(tags), [&] { metadata_tags(facts, options); });
}

// --- the SDK's build.py --------------------------------------------------------------------------------------------

SdkTagOptions sdk_options(const Value& given) {
    SdkTagOptions options;
    options.base_image = text_or(given, "base_image");
    options.custom_tags = text_or(given, "custom_tags");
    options.image = text_or(given, "image");
    options.target = text_or(given, "target");
    options.arch = find_text(given, "arch");
    options.include_base_tag = given.at("include_base_tag").get<bool>();
    options.include_versioned_tag = given.at("include_versioned_tag").get<bool>();
    options.git_sha = text_or(given, "git_sha");
    options.git_ref = text_or(given, "git_ref");
    options.sdk_version = text_or(given, "sdk_version");
    return options;
}

/// The tag of "IMAGE:TAG" by the length of the image, which may have a ':' of its own.
bool all_legal(const SdkTags& tags, const std::string& image) {
    const bool names = std::all_of(tags.all_tags.begin(), tags.all_tags.end(),
                                   [&](const auto& name) { return is_legal(name.substr(image.size() + 1)); });
    return names && image == to_lower(image) && std::all_of(tags.cache_tags.begin(), tags.cache_tags.end(), is_legal);
}

void check_sdk_options(const Value& one) {
    const auto options = sdk_options(one.at("options"));
    const Value& expect = one.at("expect");
    if (expect.contains("error")) {
        CHECK(expect.at("error") == "invalid_target");
        CHECK_THROWS_AS(sdk_tags(options), Error);
        return;
    }
    const auto tags = sdk_tags(options);
    CHECK(tags.short_sha == expect.at("short_sha"));
    CHECK(tags.long_sha == expect.at("long_sha"));
    CHECK(tags.custom_tags == texts(expect.at("custom_tag_list")));
    CHECK(tags.base_slug == expect.at("base_image_slug"));
    CHECK(tags.branch_tag == find_text(expect, "branch_tag"));
    CHECK(tags.release_source == find_text(expect, "release_tag_source"));
    CHECK(tags.versioned_tags == texts(expect.at("versioned_tags")));
    CHECK(tags.base_tag == expect.at("base_tag"));
    CHECK(tags.cache_tags == texts(expect.at("cache_tags")));
    CHECK(tags.all_tags == texts(expect.at("all_tags")));
    check_refusal(all_legal(tags, options.image), [&] { check_sdk_tags(tags); });
}

}  // namespace

TEST_CASE("vectors: tags of build.sh and metadata-action", "[unit][build]") {
    const TempDirectory directory("git-tags-vectors");
    for (const Value& one : vectors("git_tags.json")) {
        INFO(one.dump());
        const auto source = text_or(one, "source");
        if (source == "build.sh") {
            check_build_sh(one);
        } else {
            REQUIRE(source == "metadata-action");
            check_metadata(one, directory);
        }
    }
}

TEST_CASE("vectors: tags of the SDK's build.py", "[unit][build]") {
    for (const Value& one : vectors("v1_tags.json")) {
        INFO(one.dump());
        const auto function = text_or(one, "function");
        if (function == "BuildOptions") {
            check_sdk_options(one);
        } else if (function == "_sanitize_branch") {
            CHECK(sdk_sanitize_branch(text_or(one, "arg")) == one.at("expect"));
        } else if (function == "_sanitize_ref_tag") {
            CHECK(sdk_sanitize_ref_tag(text_or(one, "arg")) == one.at("expect"));
        } else {
            REQUIRE(function == "_release_tag_aliases");
            CHECK(sdk_release_aliases(text_or(one, "arg")) == texts(one.at("expect")));
        }
    }
}
