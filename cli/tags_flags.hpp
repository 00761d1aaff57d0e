// The flags of `cooper tags`, and which of them go together.
#pragma once

#include "cooper/build/git_tags.hpp"
#include "cooper/build/reuse.hpp"
#include "cooper/oci/platform.hpp"

#include "command_line.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::cli {

inline constexpr std::string_view kDefaultProfile = "cooper";
inline constexpr std::string_view kDefaultDialect = "metadata-action";

/// "auto", "always", "never". Throws Error{InvalidInput}.
build::Latest parse_latest(std::string_view text);

struct TagsFlags {
    std::string profile;
    std::string version;
    std::string version_file;
    std::string suffix;
    std::vector<std::string> images;
    std::vector<std::string> more_tags;
    std::string base;
    std::string root = ".";
    std::vector<std::string> sources;
    std::vector<std::string> lock_files;
    std::vector<std::string> extra_dependencies;
    std::vector<std::string> recipes;
    std::vector<std::string> build_args;
    std::optional<oci::Platform> platform;
    std::string target;
    std::vector<std::string> ignore;
    bool no_default_ignore = false;
    bool no_dockerignore = false;
    bool no_browser = false;
    bool no_cache = false;
    bool git = false;
    std::string dialect{kDefaultDialect};
    build::GitTagOptions git_options;
    bool require_match = false;
    std::string arch;
    std::string sha;
    std::string ref;
    bool no_base_tag = false;
    bool versioned_tags = false;
    std::string find;
    build::ReuseOptions reuse;
    std::string record;
    std::string explain;
    bool github_output = false;

    void declare(CommandLine& line);
    /// Throws UsageError for flags that have no meaning together: one that is not known to the profile would be left
    /// out silently, and the tag would not say what was meant. `two_records` are compared with nothing else to look at.
    void check(bool two_records) const;
    [[nodiscard]] std::string profile_name() const { return profile.empty() ? std::string(kDefaultProfile) : profile; }
    /// Said, or nothing else can be meant: the version is to match, and no content is named.
    [[nodiscard]] bool from_git() const {
        return git || (require_match && base.empty() && profile.empty() && explain.empty());
    }

private:
    void declare_content(CommandLine& line);
    void declare_git(CommandLine& line);
    void check_uses() const;
};

}  // namespace cooper::cli
