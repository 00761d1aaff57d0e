// Text as it goes into tags, shared by the dialects that name images after git.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

struct GitFacts;
struct GitTagOptions;

/// Each maximal run of characters other than ASCII letters, digits, '.', '-' and those of `also` becomes one '-'.
std::string dash_runs(std::string_view text, std::string_view also = "");
/// "refs/heads/a/b" -> "a/b", "refs/tags/v1" -> "v1", "refs/pull/7/merge" -> "7/merge"; GITHUB_REF_NAME's rule.
std::string name_of_ref(std::string_view ref);
/// "-ARCH-TARGET", each where it is set.
std::string platform_tail(const GitTagOptions& options);
/// "-SUFFIX" where it is set.
std::string suffix_tail(const GitTagOptions& options);
/// What every dialect does last: the suffix behind what was computed, then the extra tags as they are, then the
/// platform's tail behind all.
void add_endings(std::vector<std::string>& tags, const GitTagOptions& options);
/// Throws Error{InvalidInput} for names that git does not allow and shells, sed and JavaScript each mend differently:
/// with line breaks, or not UTF-8.
void check_names(const GitFacts& facts);
/// Throws Error{InvalidInput} for a name that no registry has, and for one that has a tag or digest already.
void check_repository(const std::string& repository);

}  // namespace cooper::build
