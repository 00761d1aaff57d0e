#include "tags_flags.hpp"

#include "archive_flags.hpp"

#include <algorithm>
#include <array>

namespace cooper::cli {

namespace {

template <std::size_t N>
std::string one_of(std::string_view text, const std::array<std::string_view, N>& words) {
    if (std::find(words.begin(), words.end(), text) != words.end()) {
        return std::string(text);
    }
    std::string all;
    for (const std::string_view word : words) {
        all += (all.empty() ? "" : ", ") + std::string(word);
    }
    const auto suggestion = nearest(text, words);
    throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is none of " + all +
                                             (suggestion ? " (did you mean " + std::string(*suggestion) + "?)" : ""));
}

constexpr std::array<std::string_view, 4> kProfiles{kDefaultProfile, "v0", "v1", "sdk"};
constexpr std::array<std::string_view, 2> kDialects{kDefaultDialect, "build.sh"};

}  // namespace

build::Latest parse_latest(std::string_view text) {
    if (text == "auto") {
        return build::Latest::Auto;
    }
    if (text == "always") {
        return build::Latest::Always;
    }
    if (text == "never") {
        return build::Latest::Never;
    }
    throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is none of auto, always, never");
}

void TagsFlags::declare(CommandLine& line) {
    line.heading("Which tags");
    line.parsed("--profile", "NAME", "cooper (default), v0, v1 or sdk", profile,
                [](std::string_view text) { return one_of(text, kProfiles); });
    line.value("--version", "V", "the version in the tags; v0's default: from pyproject.toml", version);
    line.value("--version-file", "FILE", "a file with the version in its one line (v1.2.3)", version_file);
    line.value("--suffix", "TEXT", "at the end of each tag (--suffix=-dev)", suffix);
    line.values("--image", "REPOSITORY", "print IMAGE:TAG for this repository; repeatable", images);
    line.values("--tag", "TAG", "one more tag for the same image; repeatable", more_tags);
    declare_content(line);
    declare_git(line);
    line.heading("What to do with them");
    line.value("--find", "REPOSITORY", "look the tags up there: reuse, or what to build on, and which to apply", find);
    line.toggle("--force", "with --find: build from scratch, look nothing up", reuse.force);
    line.toggle("--first-hit", "with --find: any of the tags that exists is the result, stale or not", reuse.first_hit);
    line.value("--record", "FILE", "write down what went into the tags", record);
    line.value("--explain", "OLD.json", "what changed since that record, and which tags it touches", explain);
    line.toggle("--github-output", "write the answer to $GITHUB_OUTPUT too", github_output);
}

void TagsFlags::declare_content(CommandLine& line) {
    line.heading("Content");
    line.value("--base", "IMAGE", "base image; cooper hashes its digest, and asks a registry when none is given", base);
    line.value("--root", "DIR", "what paths are below of; default: here", root);
    line.values("--source", "PATH", "directory or file of sources below the root; default: all; repeatable", sources);
    line.values("--lock-file", "PATH", "dependencies' lock file below the root, in order; v1: besides its own two",
                lock_files);
    line.values("--extra-dependency", "TEXT", "one more dependency, in order", extra_dependencies);
    line.values("--recipe", "PATH", "Dockerfile, template or script that sets the system up", recipes);
    line.values("--build-arg", "NAME[=VALUE]", "build argument; without a value: the environment's", build_args);
    declare_platform(line, platform);
    line.value("--target", "NAME", "build target; sdk: binary (default), binary-minimal, source, source-minimal",
               target);
    line.values("--ignore", "PATTERN", "leave out, in the language of .dockerignore; repeatable", ignore);
    line.toggle("--no-default-ignore", "do not leave .git, __pycache__ and *.pyc out", no_default_ignore);
    line.toggle("--no-dockerignore", "do not read ROOT/.dockerignore", no_dockerignore);
    line.toggle("--no-browser", "v0, v1: an image without the browser", no_browser);
    line.toggle("--no-cache", "read every file, also those that have not changed since the last time", no_cache);
}

void TagsFlags::declare_git(CommandLine& line) {
    line.heading("Git");
    line.toggle("--git", "tags from commit, branch, version tag or pull request", git);
    line.parsed("--dialect", "NAME", "metadata-action (default) or build.sh", dialect,
                [](std::string_view text) { return one_of(text, kDialects); });
    line.parsed("--latest", "WHEN", "auto (default: releases that no higher one precedes), always or never",
                git_options.latest, parse_latest);
    line.toggle("--force-latest", "with --latest always: also backwards", git_options.force_latest);
    line.toggle("--require-match", "the tag that is checked out must be the version's", require_match);
    line.value("--arch", "ARCH", "behind every tag, for images of one platform: -amd64", arch);
    line.values("--rule", "RULE", "metadata-action's: type=semver,pattern={{version}}; repeatable", git_options.rules);
    line.values("--flavor", "FLAVOR", "metadata-action's: prefix=, suffix=, latest=; repeatable", git_options.flavor);
    line.value("--sha", "COMMIT", "instead of the one that CI or git names", sha);
    line.value("--ref", "REF", "refs/heads/main, refs/tags/v1.2.3, …, instead of the one that CI or git names", ref);
    line.toggle("--no-base-tag", "sdk: without SHA-SLUG of the base image", no_base_tag);
    line.toggle("--versioned-tags", "sdk: with tags of the release", versioned_tags);
}

void TagsFlags::check_uses() const {
    const std::string kind = from_git() ? "--git" : profile_name();
    struct Use {
        bool given;
        std::string_view flag;
        std::string_view kinds;
    };
    const std::array uses{
        Use{!base.empty(), "--base", "cooper v0 v1 sdk"},
        Use{!sources.empty(), "--source", "cooper v0 v1"},
        Use{!lock_files.empty(), "--lock-file", "cooper v1"},
        Use{!extra_dependencies.empty(), "--extra-dependency", "cooper"},
        Use{!recipes.empty(), "--recipe", "cooper"},
        Use{!build_args.empty(), "--build-arg", "cooper"},
        Use{platform.has_value(), "--platform", "cooper"},
        Use{!target.empty(), "--target", "cooper sdk --git"},
        Use{!ignore.empty(), "--ignore", "cooper"},
        Use{no_default_ignore, "--no-default-ignore", "cooper"},
        Use{no_dockerignore, "--no-dockerignore", "cooper"},
        Use{no_browser, "--no-browser", "v0 v1"},
        Use{no_cache, "--no-cache", "cooper v0 v1"},
        Use{!suffix.empty(), "--suffix", "cooper v1 --git"},
        Use{!find.empty(), "--find", "cooper v0 v1"},
        Use{!record.empty(), "--record", "cooper v0 v1"},
        Use{!explain.empty(), "--explain", "cooper v0 v1"},
        Use{dialect != kDefaultDialect, "--dialect", "--git"},
        Use{git_options.latest != build::Latest::Auto, "--latest", "--git"},
        Use{git_options.force_latest, "--force-latest", "--git"},
        Use{require_match, "--require-match", "cooper v0 v1 sdk --git"},
        Use{!arch.empty(), "--arch", "sdk --git"},
        Use{!git_options.rules.empty(), "--rule", "--git"},
        Use{!git_options.flavor.empty(), "--flavor", "--git"},
        Use{!sha.empty(), "--sha", "sdk --git"},
        Use{!ref.empty(), "--ref", "sdk --git"},
        Use{no_base_tag, "--no-base-tag", "sdk"},
        Use{versioned_tags, "--versioned-tags", "sdk"},
    };
    for (const Use& use : uses) {
        if (use.given && (" " + std::string(use.kinds) + " ").find(" " + kind + " ") == std::string::npos) {
            throw UsageError(
                std::string(use.flag) + " has no meaning with " + (from_git() ? kind : "--profile " + kind),
                "it belongs to " + std::string(use.kinds));
        }
    }
}

void TagsFlags::check(bool two_records) const {
    check_uses();
    if (git && !profile.empty()) {
        throw UsageError("--git and --profile exclude each other",
                         "--profile sdk makes tags from git and the base image");
    }
    if (!from_git() && base.empty() && !two_records) {
        throw UsageError("tags: of which base image?", "--base IMAGE, or --git");
    }
    if (!version.empty() && !version_file.empty()) {
        throw UsageError("--version and --version-file exclude each other");
    }
    if (find.empty() && (reuse.force || reuse.first_hit)) {
        throw UsageError("--force and --first-hit belong to --find");
    }
}

}  // namespace cooper::cli
