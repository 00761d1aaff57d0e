#include "cooper/delivery/authorize.hpp"

#include "cooper/base/text.hpp"

#include "delivery/authorize/sources.hpp"

#include <algorithm>

namespace cooper::delivery {

namespace {

/// A path in a repository, as it goes into URLs and git's REVISION:PATH.
void check_allow_file(const std::string& path) {
    bool is_sound = !path.empty() && path.size() <= 1024 && is_valid_utf8(path);
    for (const std::string_view element : split(path, '/')) {
        is_sound = is_sound && !element.empty() && element != "." && element != "..";
    }
    for (const char character : path) {
        is_sound = is_sound && static_cast<unsigned char>(character) >= 0x20 && character != 0x7f && character != '\\';
    }
    if (!is_sound) {
        throw Error(ErrorCode::InvalidInput,
                    "the list \"" + path + "\" is no path in a repository, as .cooper/publishers.json is");
    }
}

std::vector<Publisher> publishers_of(const PublisherList& list) {
    try {
        return parse_publishers(list.text, list.origin);
    } catch (const Error& error) {
        Error refused(ErrorCode::AccessDenied, std::string("nobody may publish: ") + error.what());
        refused.advise(error.advice());
        throw Error(refused);
    }
}

std::string described(const std::string& login, std::uint64_t id) {
    return login.empty() ? "id " + std::to_string(id) : login + " (id " + std::to_string(id) + ")";
}

class AllowList {
public:
    explicit AllowList(const PublisherList& list) : list_(list), publishers_(publishers_of(list)) {}

    void require(std::uint64_t id, const std::string& who) const {
        if (std::any_of(publishers_.begin(), publishers_.end(), [id](const Publisher& one) { return one.id == id; })) {
            return;
        }
        Error refused(ErrorCode::AccessDenied, who + " is not in the list of publishers, " + list_.origin);
        refused.advise("let somebody who is on the list start it, or add the id to the list by a change of " +
                       list_.branch);
        throw Error(refused);
    }

private:
    const PublisherList& list_;
    std::vector<Publisher> publishers_;
};

Authorized authorize_job(const AuthorizeOptions& options, HttpClient& http, const Environment& environment,
                         const Run& run) {
    if (!options.actors.empty()) {
        throw Error(ErrorCode::InvalidInput,
                    "--actor is for other CI systems: in GitHub Actions the ids come from the job");
    }
    const GithubAnswer answer = ask_github(options.allow_file, http, environment, run);
    const AllowList allowed(answer.list);
    const Actors& actors = answer.actors;
    allowed.require(actors.actor, "the actor " + described(actors.actor_login, actors.actor));
    allowed.require(actors.triggering_actor,
                    described(actors.triggering_login, actors.triggering_actor) + ", who started this run,");
    return {answer.actors, answer.repository, answer.list.branch, answer.list.origin};
}

Authorized authorize_elsewhere(const AuthorizeOptions& options, const Environment& environment, const Run& run) {
    if (options.actors.empty()) {
        Error error(ErrorCode::InvalidInput, "whose permission? Outside of GitHub Actions the CI system must say");
        error.advise("--actor ID, for example --actor \"$GITLAB_USER_ID\"");
        throw Error(error);
    }
    const PublisherList list =
        read_remote_list(options.allow_file, options.directory, options.remote, environment, run);
    const AllowList allowed(list);
    for (const std::uint64_t actor : options.actors) {
        allowed.require(actor, described("", actor));
    }
    return {{options.actors.front(), options.actors.back(), "", ""}, "", list.branch, list.origin};
}

}  // namespace

Authorized authorize(const AuthorizeOptions& options, HttpClient& http, const Environment& environment,
                     const Run& run) {
    check_allow_file(options.allow_file);
    return environment.get("GITHUB_ACTIONS") == "true" ? authorize_job(options, http, environment, run)
                                                       : authorize_elsewhere(options, environment, run);
}

}  // namespace cooper::delivery
