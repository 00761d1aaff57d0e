// Who may publish: numeric ids of people, from a file of the default branch. A second fence: the first is the cloud's
// trust policy (examples/github/README.md).
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/run.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

struct Publisher {
    std::uint64_t id = 0;  ///< GitHub's numeric id: logins can be given up and taken by others
    std::string name;      ///< for people; never compared
};
/// {"publishers": [{"id": 1001, "name": "Ann"}, …]}, comments allowed. Throws Error{InvalidInput}: unknown keys, an id
/// that is no whole number or stands twice, an empty list.
std::vector<Publisher> parse_publishers(std::string_view text, const std::string& what);

/// Who asks, both of them: a re-run keeps the actor and changes the triggering actor.
struct Actors {
    std::uint64_t actor = 0;
    std::uint64_t triggering_actor = 0;
    std::string actor_login;
    std::string triggering_login;
};

struct AuthorizeOptions {
    std::string allow_file = ".cooper/publishers.json";  ///< path in the repository
    std::filesystem::path directory = ".";               ///< a work tree, for its remote
    std::string remote = "origin";
    std::vector<std::uint64_t> actors;  ///< outside of GitHub: ids as the CI system gives them; empty: from GITHUB_*
};

struct Authorized {
    Actors actors;
    std::string repository;  ///< "acme/app"; empty outside of GitHub
    std::string default_branch;
    std::string origin;  ///< of the list: "acme/app main@9f8e7d6:.cooper/publishers.json"
};

/// Returns when both are on the list, throws otherwise, whatever the reason: Error{AccessDenied} for somebody who is
/// not on it, for a fork, for a trigger that runs foreign code (pull_request_target, workflow_run, a pull request), for
/// a list that is missing or wrong; Error{Unavailable} when GitHub or the remote does not answer. In GitHub Actions the
/// actors' ids come from GITHUB_ACTOR_ID and, for re-runs, from the API's record of this attempt (GITHUB_TOKEN,
/// actions: read), and the list from the API's contents of the default branch (contents: read); elsewhere the list
/// comes from the default branch of `remote`, asked for by git. Never from the work tree.
Authorized authorize(const AuthorizeOptions& options, HttpClient& http, const Environment& environment, const Run& run);

}  // namespace cooper::delivery
