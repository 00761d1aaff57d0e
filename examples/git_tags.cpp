// The names of what a checkout (or a GitHub Actions job) is about to build: tags, caches, and whether it is the latest.
//
//   git_tags DIRECTORY IMAGE [PLATFORM]
#include "cooper/build/git_tags.hpp"

#include "cooper/base/environment.hpp"
#include "cooper/base/error.hpp"

#include <cstdio>
#include <string>

namespace {

void print_tags(const std::string& directory, const std::string& image, const std::string& platform) {
    const auto facts = cooper::build::find_git_facts(directory, cooper::Environment::process(), cooper::Run());
    if (facts.origin.empty()) {
        throw cooper::Error(cooper::ErrorCode::NotFound, facts.why_unknown);
    }

    cooper::build::GitTagOptions options;
    options.images = {image};
    options.arch = platform;
    // The rules are docker/metadata-action's; build_sh_tags() names things as OpenHands' build script does.
    options.rules = {"type=ref,event=branch", "type=ref,event=pr", "type=semver,pattern={{version}}",
                     "type=semver,pattern={{major}}.{{minor}}", "type=sha"};
    const auto tags = cooper::build::metadata_tags(facts, options);

    for (const auto& tag : tags.tags) {
        std::printf("%s:%s\n", tags.repositories.front().c_str(), tag.c_str());
    }
    for (const auto& cache : tags.cache_from) {
        std::printf("cache: %s:%s\n", tags.repositories.front().c_str(), cache.c_str());
    }
    std::printf("%s: %s\n", tags.latest ? "latest" : "not latest", tags.latest_reason.c_str());
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: %s DIRECTORY IMAGE [PLATFORM]\n", argv[0]);
        return 2;
    }
    try {
        print_tags(argv[1], argv[2], argc > 3 ? argv[3] : "");
    } catch (const cooper::Error& error) {
        std::fprintf(stderr, "%s\n%s\n", error.what(), error.advice().c_str());
        return 1;
    }
    return 0;
}
