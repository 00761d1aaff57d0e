// Where permission is read: GitHub's API, or a git remote. Private to authorize().
#pragma once

#include "cooper/delivery/authorize.hpp"

#include <string>

namespace cooper::delivery {

/// Bytes of a list: some thousand people. More is refused.
inline constexpr std::size_t kMaxPublisherList = 256 * 1024;

/// A list of publishers as it stands in a default branch.
struct PublisherList {
    std::string text;
    std::string branch;  ///< "main"
    std::string origin;  ///< "acme/app main@9f8e7d6:.cooper/publishers.json"
};

/// What GitHub says of this job. Throws as authorize() does, before anybody is compared with a list.
struct GithubAnswer {
    Actors actors;
    std::string repository;
    PublisherList list;
};
GithubAnswer ask_github(const std::string& allow_file, HttpClient& http, const Environment& environment,
                        const Run& run);

/// The list in the default branch of a remote, by git. `remote`: a remote's name in the work tree `directory`, or a
/// URL.
PublisherList read_remote_list(const std::string& allow_file, const std::filesystem::path& directory,
                               const std::string& remote, const Environment& environment, const Run& run);

/// "9f8e7d6".
inline std::string abbreviated(const std::string& commit) {
    return commit.substr(0, 7);
}

}  // namespace cooper::delivery
