// What git knows of a work tree, asked so that nothing the repository configures is run.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/run.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

/// Questions to git about `directory`. Each answer is nullopt when git is not installed, the directory is no work tree,
/// or git does not know. Threads: const.
class Git {
public:
    Git(std::filesystem::path directory, const Environment& environment)
        : directory_(std::move(directory)), environment_(environment) {}

    /// Whether there is a git to ask.
    [[nodiscard]] bool installed(const Run& run) const;
    /// Whether `directory` is in a repository, even an empty or a bare one.
    [[nodiscard]] bool in_repository(const Run& run) const;
    /// What HEAD points to in full ("refs/heads/main"), even before the first commit; nullopt for a detached HEAD.
    [[nodiscard]] std::optional<std::string> head_ref(const Run& run) const;
    /// The checked-out branch; nullopt for a detached HEAD.
    [[nodiscard]] std::optional<std::string> branch(const Run& run) const;
    /// The full name of the commit that `revision` ("HEAD", an abbreviated SHA) means.
    [[nodiscard]] std::optional<std::string> commit(const std::string& revision, const Run& run) const;
    /// The full name of the tree of `commit`.
    [[nodiscard]] std::optional<std::string> tree(const std::string& commit, const Run& run) const;
    /// git's own abbreviation of `revision`; a full name may be of a commit that is not here.
    [[nodiscard]] std::optional<std::string> short_name(const std::string& revision, const Run& run) const;
    /// The names of all tags on HEAD, sorted.
    [[nodiscard]] std::vector<std::string> tags_on_head(const Run& run) const;
    /// The names of all tags that begin like a version ("1…", "v1…"), sorted; nullopt when they are too many to list.
    [[nodiscard]] std::optional<std::vector<std::string>> version_like_tags(const Run& run) const;
    [[nodiscard]] bool is_shallow(const Run& run) const;
    /// What the remote "origin" calls its default branch, as far as this clone knows: "main".
    [[nodiscard]] std::optional<std::string> default_branch(const Run& run) const;
    /// The first line of the commit's message.
    [[nodiscard]] std::optional<std::string> subject(const std::string& commit, const Run& run) const;
    /// The parents of `commit` as it names them itself, in order; a shallow clone does not have them all. nullopt:
    /// there is no such commit.
    [[nodiscard]] std::optional<std::vector<std::string>> parents(const std::string& commit, const Run& run) const;
    /// Paths below the directory (others are left out) that differ between two commits, both names of what was moved;
    /// nullopt when a commit or tree is not here, or they are too many to list.
    [[nodiscard]] std::optional<std::vector<std::string>> changed_files(const std::string& from, const std::string& to,
                                                                        const Run& run) const;
    /// The remote "origin" as a web address without credentials: "https://github.com/o/r".
    [[nodiscard]] std::optional<std::string> repository(const Run& run) const;

private:
    /// The answer without blanks around it; nullopt when git refuses, or says nothing.
    [[nodiscard]] std::optional<std::string> ask(const std::vector<std::string>& arguments, const Run& run) const;
    /// The answer as it came; nullopt when git refuses or says more than `limit` bytes.
    [[nodiscard]] std::optional<std::string> ask_all(const std::vector<std::string>& arguments, std::size_t limit,
                                                     const Run& run) const;

    std::filesystem::path directory_;
    const Environment& environment_;
};

/// "git@github.com:o/r.git", "ssh://git@github.com/o/r", "https://user:token@github.com/o/r.git" ->
/// "https://github.com/o/r"; nullopt for anything that is not on a host.
std::optional<std::string> web_address(std::string_view remote);

}  // namespace cooper::build
