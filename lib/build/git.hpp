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

    /// The checked-out branch; nullopt for a detached HEAD.
    [[nodiscard]] std::optional<std::string> branch(const Run& run) const;
    /// The full name of the commit that `revision` ("HEAD", an abbreviated SHA) means.
    [[nodiscard]] std::optional<std::string> commit(const std::string& revision, const Run& run) const;
    /// The first line of the commit's message.
    [[nodiscard]] std::optional<std::string> subject(const std::string& commit, const Run& run) const;
    /// The remote "origin" as a web address without credentials: "https://github.com/o/r".
    [[nodiscard]] std::optional<std::string> repository(const Run& run) const;

private:
    [[nodiscard]] std::optional<std::string> ask(const std::vector<std::string>& arguments, const Run& run) const;

    std::filesystem::path directory_;
    const Environment& environment_;
};

/// "git@github.com:o/r.git", "ssh://git@github.com/o/r", "https://user:token@github.com/o/r.git" ->
/// "https://github.com/o/r"; nullopt for anything that is not on a host.
std::optional<std::string> web_address(std::string_view remote);

}  // namespace cooper::build
