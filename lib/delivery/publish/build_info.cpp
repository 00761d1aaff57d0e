#include "cooper/delivery/build_info.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/keys.hpp"

#include "base/json.hpp"
#include "build/git.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace cooper::delivery {
namespace {

constexpr std::size_t kMaxNotes = 64 * 1024;
constexpr std::size_t kMaxEvent = 25 * 1024 * 1024;  // GitHub's own limit for a webhook payload
constexpr std::size_t kMaxSummary = 1024 * 1024;     // of one step; beyond, GitHub drops all of it and says nothing
constexpr std::size_t kFullSha = 40;

void fill(std::string& field, const std::optional<std::string>& value) {
    if (field.empty() && value) {
        field = *value;
    }
}

std::string first_line(std::string_view text) {
    return std::string(text.substr(0, text.find_first_of("\r\n")));
}

/// The event that started the workflow; an empty object when there is none that can be read.
json::Value github_event(const Environment& environment) {
    const auto path = environment.get("GITHUB_EVENT_PATH");
    try {
        const auto text = path ? find_file(*path, kMaxEvent) : std::nullopt;
        json::Value event = text ? json::parse(*text, "the event file") : json::Value::object();
        return event.is_object() ? event : json::Value::object();
    } catch (const Error&) {
        return json::Value::object();  // it only helps; what stays unknown is asked for by flag
    }
}

/// A string below `event`, by member names.
std::optional<std::string> text_at(const json::Value& event, std::initializer_list<std::string_view> path) {
    const json::Value* value = &event;
    for (const std::string_view name : path) {
        if (!value->is_object() || (value = json::find_member(*value, name)) == nullptr) {
            return std::nullopt;
        }
    }
    return value->is_string() ? std::optional(value->get<std::string>()) : std::nullopt;
}

/// In a pull request GITHUB_SHA is a merge commit that is on no branch; the branch's own commit is in the event.
std::optional<std::string> github_commit(const Environment& environment, const json::Value& event) {
    if (environment.get("GITHUB_HEAD_REF")) {
        if (auto head = text_at(event, {"pull_request", "head", "sha"})) {
            return head;
        }
    }
    return environment.get("GITHUB_SHA");
}

std::optional<std::string> github_subject(const json::Value& event, const std::string& commit) {
    const auto id = text_at(event, {"head_commit", "id"});
    const auto message = text_at(event, {"head_commit", "message"});
    return id && message && *id == commit ? std::optional(first_line(*message)) : std::nullopt;
}

void fill_from_github(BuildInfo& info, const Environment& environment) {
    const json::Value event = github_event(environment);
    const auto head = environment.get("GITHUB_HEAD_REF");
    fill(info.branch, head ? head : environment.get("GITHUB_REF_NAME"));
    fill(info.commit, github_commit(environment, event));
    if (info.subject.empty()) {
        fill(info.subject, github_subject(event, info.commit));
    }
    if (const auto repository = environment.get("GITHUB_REPOSITORY")) {
        const std::string address =
            environment.get("GITHUB_SERVER_URL").value_or("https://github.com") + "/" + *repository;
        fill(info.repository, address);
        if (const auto id = environment.get("GITHUB_RUN_ID")) {
            const auto attempt = environment.get("GITHUB_RUN_ATTEMPT");
            fill(info.build_url, address + "/actions/runs/" + *id + (attempt ? "/attempts/" + *attempt : ""));
        }
    }
}

void fill_from_git(BuildInfo& info, const std::filesystem::path& directory, const Environment& environment,
                   const Run& run) {
    const build::Git git(directory, environment);
    const bool abbreviated = !info.commit.empty() && info.commit.size() < kFullSha;
    if (info.branch.empty()) {
        fill(info.branch, git.branch(run));
    }
    if (info.commit.empty()) {
        fill(info.commit, git.commit("HEAD", run));
    } else if (abbreviated) {
        // A branch or tag may be called "abc1234" too: only a commit whose name begins so is the one that is meant.
        if (const auto full = git.commit(info.commit, run); full && full->starts_with(info.commit)) {
            info.commit = *full;
        }
    }
    if (info.subject.empty() && !info.commit.empty()) {
        fill(info.subject, git.subject(info.commit, run));
    }
    if (info.repository.empty()) {
        fill(info.repository, git.repository(run));
    }
    if (info.tree.empty() && !info.commit.empty()) {
        fill(info.tree, git.tree(info.commit, run));
    }
}

void check_known(const BuildInfo& info) {
    if (info.branch.empty()) {
        throw Error(ErrorCode::InvalidInput,
                    "the branch is not known: no --branch, no GITHUB_REF_NAME, and git has no branch checked out")
            .advise("name it with --branch");
    }
    if (info.commit.empty()) {
        throw Error(ErrorCode::InvalidInput,
                    "the commit is not known: no --commit, no GITHUB_SHA, and this is no git work tree")
            .advise("name it with --commit");
    }
}

void fill_notes(BuildInfo& info, const std::filesystem::path& directory) {
    if (info.notes.empty()) {
        const std::string path = ".doc/" + info.branch + "/CHANGELOG.md";
        fill(info.notes,
             in_context("reading the notes " + path, [&] { return find_file_beneath(directory, path, kMaxNotes); }));
    }
    if (info.notes.size() > kMaxNotes) {
        throw Error(ErrorCode::InvalidInput, "the notes have " + std::to_string(info.notes.size()) +
                                                 " bytes; the limit is " + std::to_string(kMaxNotes));
    }
}

}  // namespace

BuildInfo complete_build_info(BuildInfo given, const std::filesystem::path& directory, const Environment& environment,
                              const Run& run) {
    BuildInfo info = std::move(given);
    if (!info.commit.empty()) {
        info.commit = check_commit(info.commit);
    }
    fill_from_github(info, environment);
    fill_from_git(info, directory, environment, run);
    check_known(info);
    info.commit = check_commit(info.commit);
    info.subject = first_line(trim(info.subject));
    static_cast<void>(branch_key(info.branch));  // refused here, before it becomes a path
    if (info.commit_url.empty() && info.repository.starts_with("http") && info.commit.size() >= kFullSha) {
        info.commit_url = info.repository + "/commit/" + info.commit;
    }
    fill_notes(info, directory);
    return info;
}

void write_job_summary(const Environment& environment, const std::string& markdown) {
    const auto path = environment.get("GITHUB_STEP_SUMMARY");
    if (!path) {
        return;
    }
    const FileDescriptor file(::open(path->c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!file.valid()) {
        throw SystemError("opening the job summary " + *path, errno);
    }
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        throw SystemError("reading the size of the job summary " + *path, errno);
    }
    const auto there = static_cast<std::size_t>(status.st_size);
    constexpr std::string_view kCut = "\n(cut: a job summary takes 1 MiB)\n";
    std::string text = markdown;
    if (there + text.size() > kMaxSummary) {
        const std::size_t room = kMaxSummary - std::min(kMaxSummary, there + kCut.size());
        const std::size_t last_line = room == 0 ? std::string::npos : text.rfind('\n', room - 1);
        text.resize(last_line == std::string::npos ? 0 : last_line + 1);
        text += there + text.size() + kCut.size() <= kMaxSummary ? kCut : "";
    }
    for (std::string_view rest = text; !rest.empty();) {
        const ssize_t written = ::write(file.get(), rest.data(), rest.size());
        if (written < 0 && errno != EINTR) {
            throw SystemError("writing the job summary " + *path, errno);
        }
        rest.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
}

}  // namespace cooper::delivery
