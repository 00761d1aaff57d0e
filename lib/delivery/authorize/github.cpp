#include "cooper/base/files.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "delivery/authorize/sources.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace cooper::delivery {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMaxAnswer = 1024 * 1024;      // a run's record has some 20 KiB
constexpr std::size_t kMaxEvent = 25 * 1024 * 1024;  // GitHub's own limit for a webhook payload
constexpr std::chrono::seconds kMaxTime{60};         // for one answer, however slowly it drips
constexpr std::string_view kJson = "application/vnd.github+json";
constexpr std::string_view kRaw = "application/vnd.github.raw+json";
constexpr std::string_view kSha = "application/vnd.github.sha";

[[noreturn]] void deny(const std::string& why, const std::string& advice = "") {
    Error error(ErrorCode::AccessDenied, why);
    error.advise(advice);
    throw Error(error);
}

std::string required(const Environment& environment, std::string_view name) {
    const auto value = environment.get(name);
    if (!value) {
        deny("the job does not say who asks: " + std::string(name) + " is not set",
             name == "GITHUB_TOKEN" ? "env: GITHUB_TOKEN: ${{ github.token }}" : "");
    }
    return *value;
}

/// A number as the runner or GitHub gives it; 0 is nobody.
std::uint64_t number(const std::string& text, std::string_view what) {
    const auto value = parse_uint(text);
    if (!value || *value == 0) {
        deny(std::string(what) + " is no number: \"" + oci::printable(text.substr(0, 40)) + "\"");
    }
    return *value;
}

/// What runs the repository's own code, started by somebody who may write to it. Everything else is refused: a pull
/// request runs a stranger's code, pull_request_target and workflow_run do so with our rights, and comments or issues
/// can be written by anybody.
void check_trigger(const std::string& event) {
    constexpr std::array<std::string_view, 5> kTrusted = {"push", "workflow_dispatch", "schedule",
                                                          "repository_dispatch", "release"};
    if (std::find(kTrusted.begin(), kTrusted.end(), event) == kTrusted.end()) {
        deny("nothing is published on the event " + oci::printable(event.substr(0, 100)) +
                 ": it may run code of people who may not write to the repository",
             "on: push, workflow_dispatch or schedule");
    }
}

/// "OWNER/NAME", safe in a URL.
std::string checked_repository(const std::string& name) {
    const auto is_part = [](std::string_view part) {
        return !part.empty() && part.size() <= 100 && part != "." && part != ".." &&
               std::all_of(part.begin(), part.end(), [](unsigned char c) {
                   return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                          c == '_' || c == '.';
               });
    };
    const auto parts = split(name, '/');
    if (parts.size() != 2 || !is_part(parts[0]) || !is_part(parts[1])) {
        deny("GITHUB_REPOSITORY is no OWNER/NAME: \"" + oci::printable(name.substr(0, 100)) + "\"");
    }
    return name;
}

/// GITHUB_API_URL; over plain http only on this machine, for it gets a token.
Url api_url(const Environment& environment) {
    Url url = Url::parse(environment.get("GITHUB_API_URL").value_or("https://api.github.com"));
    if (url.scheme != "https" && !url.is_loopback()) {
        deny("GITHUB_API_URL is not https: " + url.redacted());
    }
    while (url.path.ends_with('/')) {
        url.path.pop_back();
    }
    return url;
}

/// Questions to one GitHub, with the job's token. Redirects are no answers: they would take the token elsewhere.
class GithubApi {
public:
    GithubApi(HttpClient& http, const Environment& environment, const Run& run)
        : http_(http), run_(run), base_(api_url(environment)), token_(required(environment, "GITHUB_TOKEN")) {}

    /// The body of a 200. `what` in messages: "the list acme/app:x"; `missing`: what a 404 or 403 may mean.
    std::string get(const std::string& path, const std::string& query, std::string_view accept, std::size_t limit,
                    const std::string& what, const std::string& missing) {
        HttpRequest request;
        request.url = base_;
        request.url.path += path;
        request.url.query = query;
        request.headers = {{"Accept", std::string(accept)},
                           {"Authorization", "Bearer " + token_},
                           {"X-GitHub-Api-Version", "2022-11-28"}};
        request.stall_timeout = kMaxTime / 2;
        request.response_timeout = kMaxTime / 2;
        RetryBudget budget;
        Retrier retrier({.attempts = 4}, budget, run_);
        while (true) {
            HttpResponse response = send(request, retrier);
            if (response.status == 200) {
                return read_answer(response, limit, what);
            }
            if (response.status < 500 || !retrier.again()) {
                refuse_status(response, what, missing);
            }
        }
    }

    /// Runs `read` on an answer: one of another form than GitHub's is as good as none.
    template <class F>
    static auto understood(const std::string& what, F&& read) {
        try {
            return std::forward<F>(read)();
        } catch (const Error& error) {
            if (error.code() != ErrorCode::InvalidInput) {
                throw;
            }
            throw Error(ErrorCode::Unavailable,
                        "GitHub's answer about " + what + " is not understood: " + oci::printable(error.what()));
        }
    }

    [[nodiscard]] std::string host() const { return base_.authority(); }

    json::Value get_json(const std::string& path, const std::string& what, const std::string& missing) {
        const std::string text = get(path, "", kJson, kMaxAnswer, what, missing);
        return understood(what, [&] { return json::parse(text, what); });
    }

private:
    HttpResponse send(const HttpRequest& request, Retrier& retrier) const {
        while (true) {
            try {
                return http_.send(request, run_);
            } catch (const Error& error) {
                if (error.code() != ErrorCode::Unavailable || !retrier.again()) {
                    throw;
                }
            }
        }
    }

    std::string read_answer(HttpResponse& response, std::size_t limit, const std::string& what) const {
        const auto deadline = run_.clock->now() + kMaxTime;
        std::string text;
        std::array<std::byte, 16 * 1024> buffer{};
        while (const std::size_t count = response.body->read(buffer)) {
            text.append(reinterpret_cast<const char*>(buffer.data()), count);
            if (text.size() > limit) {
                deny(what + " has more than " + std::to_string(limit) + " bytes");
            }
            if (run_.clock->now() > deadline) {
                throw Error(ErrorCode::Unavailable, base_.authority() + " did not finish its answer about " + what +
                                                        " within " + format_duration(kMaxTime));
            }
        }
        return text;
    }

    [[noreturn]] void refuse_status(HttpResponse& response, const std::string& what, const std::string& missing) const {
        const std::string answered =
            base_.authority() + " answered " + std::to_string(response.status) + " about " + what;
        const bool is_rate_limit = response.status == 429 ||
                                   (response.status == 403 && (response.headers.find("x-ratelimit-remaining") == "0" ||
                                                               response.headers.find("retry-after")));
        if (is_rate_limit || response.status >= 500) {
            throw HttpError(ErrorCode::Unavailable, answered + (is_rate_limit ? ": too many requests" : ""),
                            response.status, "");
        }
        if (response.status >= 300 && response.status < 400) {
            deny(answered + ": redirects are not followed, the token is for this host",
                 "was the repository renamed or transferred? Start the workflow again");
        }
        deny(answered + (response.status == 401 ? ": the token is not accepted" : ""), missing);
    }

    HttpClient& http_;
    const Run& run_;
    const Url base_;
    const std::string token_;
};

/// A full commit name.
bool is_commit_name(std::string_view text) {
    return (text.size() == 40 || text.size() == 64) && from_hex(text).has_value();
}

/// What the runner says of this job.
struct Job {
    std::string event;
    std::string repository;
    std::optional<std::uint64_t> repository_id;
    std::uint64_t run_id = 0;
    std::uint64_t attempt = 0;
    Actors actors;                     ///< triggering_actor 0: only its login is known
    bool may_be_somebody_else = true;  ///< a re-run, two logins, or an event that somebody else sent

    static Job of(const Environment& environment);
};

/// Member by member; null when one is missing.
const json::Value* member_at(const json::Value& value, std::initializer_list<std::string_view> path) {
    const json::Value* at = &value;
    for (const std::string_view name : path) {
        if (at == nullptr || !at->is_object()) {
            return nullptr;
        }
        at = json::find_member(*at, name);
    }
    return at;
}

bool is_number(const json::Value* value, std::uint64_t number) {
    return value != nullptr && value->is_number_unsigned() && value->get<std::uint64_t>() == number;
}

bool is_true(const json::Value* value) {
    return value != nullptr && value->is_boolean() && value->get<bool>();
}

bool is_text(const json::Value* value, const std::string& text) {
    return value != nullptr && value->is_string() && equals_ignoring_case(value->get_ref<const std::string&>(), text);
}

/// In a fork the list of publishers is the fork's owner's.
[[noreturn]] void deny_fork(const std::string& repository) {
    deny(repository + " is a fork, and nothing is published from forks",
         "publish from the repository that it is a fork of");
}

/// The event file can be written by any earlier step of the job, so what it says can only take permission away.
void check_event(const Environment& environment, Job& job) {
    const std::string path = required(environment, "GITHUB_EVENT_PATH");
    json::Value event;
    try {
        event = json::parse(read_file(path, kMaxEvent), "the event file");
    } catch (const Error& error) {
        deny(std::string("GITHUB_EVENT_PATH: ") + error.what());
    }
    if (is_true(member_at(event, {"repository", "fork"}))) {
        deny_fork(job.repository);
    }
    if (member_at(event, {"pull_request"}) != nullptr || member_at(event, {"workflow_run"}) != nullptr) {
        deny("the event is about a pull request or another workflow, which may be a stranger's");
    }
    const json::Value* name = member_at(event, {"repository", "full_name"});
    const json::Value* id = member_at(event, {"repository", "id"});
    if ((name != nullptr && !is_text(name, job.repository)) ||
        (id != nullptr && job.repository_id && !is_number(id, *job.repository_id))) {
        deny("the event is of another repository than " + job.repository);
    }
    const json::Value* sender = member_at(event, {"sender", "id"});
    job.may_be_somebody_else = job.may_be_somebody_else || (sender != nullptr && !is_number(sender, job.actors.actor));
}

Job Job::of(const Environment& environment) {
    Job job;
    job.event = required(environment, "GITHUB_EVENT_NAME");
    check_trigger(job.event);
    job.repository = checked_repository(required(environment, "GITHUB_REPOSITORY"));
    if (const auto id = environment.get("GITHUB_REPOSITORY_ID")) {
        job.repository_id = number(*id, "GITHUB_REPOSITORY_ID");
    }
    job.run_id = number(required(environment, "GITHUB_RUN_ID"), "GITHUB_RUN_ID");
    job.attempt = number(required(environment, "GITHUB_RUN_ATTEMPT"), "GITHUB_RUN_ATTEMPT");
    job.actors.actor = number(required(environment, "GITHUB_ACTOR_ID"), "GITHUB_ACTOR_ID");
    job.actors.actor_login = required(environment, "GITHUB_ACTOR");
    job.actors.triggering_login = required(environment, "GITHUB_TRIGGERING_ACTOR");
    job.may_be_somebody_else = job.attempt > 1 || job.actors.actor_login != job.actors.triggering_login;
    check_event(environment, job);
    return job;
}

/// The record of this attempt is GitHub's own word, which nothing in the job can change.
Actors actors_of_attempt(GithubApi& api, const Job& job) {
    const std::string what = "attempt " + std::to_string(job.attempt) + " of run " + std::to_string(job.run_id);
    const json::Value record = api.get_json("/repos/" + job.repository + "/actions/runs/" + std::to_string(job.run_id) +
                                                "/attempts/" + std::to_string(job.attempt),
                                            what, "permissions: actions: read");
    return GithubApi::understood(what, [&] {
        const json::Value& repository = json::member(record, "repository", what);
        if (json::uint_member(record, "id", what) != job.run_id ||
            json::uint_member(record, "run_attempt", what) != job.attempt ||
            !is_text(json::find_member(repository, "full_name"), job.repository)) {
            deny(api.host() + " told of another run instead of " + what);
        }
        const json::Value& head = json::member(record, "head_repository", what);
        if (json::uint_member(head, "id", what) != json::uint_member(repository, "id", what)) {
            deny(what + " is about a commit of another repository, a fork");
        }
        if (!is_text(json::find_member(record, "event"), job.event)) {
            deny(what + " was not started by the event " + job.event);
        }
        const json::Value& actor = json::member(record, "actor", what);
        const json::Value& triggering = json::member(record, "triggering_actor", what);
        Actors actors;
        actors.actor = json::uint_member(actor, "id", what);
        actors.actor_login = json::string_member(actor, "login", what);
        actors.triggering_actor = json::uint_member(triggering, "id", what);
        actors.triggering_login = json::string_member(triggering, "login", what);
        if (actors.actor != job.actors.actor) {
            deny(what + " has the actor " + std::to_string(actors.actor) + ", and the job says " +
                 std::to_string(job.actors.actor));
        }
        return actors;
    });
}

std::string default_branch_of(GithubApi& api, const Job& job) {
    const std::string what = "the repository " + job.repository;
    const json::Value record = api.get_json("/repos/" + job.repository, what, "permissions: contents: read");
    return GithubApi::understood(what, [&] {
        if (!is_text(json::find_member(record, "full_name"), job.repository) ||
            (job.repository_id && !is_number(json::find_member(record, "id"), *job.repository_id))) {
            deny(api.host() + " told of another repository instead of " + job.repository);
        }
        if (is_true(json::find_member(record, "fork"))) {
            deny_fork(job.repository);
        }
        std::string branch = json::string_member(record, "default_branch", what);
        if (branch.empty() || branch.find("..") != std::string::npos) {
            throw Error(ErrorCode::InvalidInput, "its default branch has no name");
        }
        return branch;
    });
}

/// The commit is resolved once and then asked for by name, so that the list is the one that the message names.
PublisherList list_of(GithubApi& api, const Job& job, const std::string& allow_file) {
    const std::string permission = "permissions: contents: read";
    PublisherList list;
    list.branch = default_branch_of(api, job);
    const std::string commit(
        trim(api.get("/repos/" + job.repository + "/commits/heads/" + percent_encode(list.branch, "/"), "", kSha,
                     kMaxAnswer, "the branch " + list.branch, permission)));
    if (!is_commit_name(commit)) {
        throw Error(ErrorCode::Unavailable, api.host() + " did not tell the commit of " + list.branch);
    }
    list.origin = job.repository + " " + list.branch + "@" + abbreviated(commit) + ":" + allow_file;
    list.text = api.get("/repos/" + job.repository + "/contents/" + percent_encode(allow_file, "/"), "ref=" + commit,
                        kRaw, kMaxPublisherList, "the list of publishers " + list.origin,
                        "write the list into the default branch; permissions: contents: read");
    return list;
}

}  // namespace

GithubAnswer ask_github(const std::string& allow_file, HttpClient& http, const Environment& environment,
                        const Run& run) {
    const Job job = Job::of(environment);
    GithubApi api(http, environment, run);
    GithubAnswer answer;
    answer.repository = job.repository;
    answer.actors = job.actors;
    answer.actors.triggering_actor = job.actors.actor;
    if (job.may_be_somebody_else) {
        answer.actors = actors_of_attempt(api, job);
    }
    answer.list = list_of(api, job, allow_file);
    return answer;
}

}  // namespace cooper::delivery
